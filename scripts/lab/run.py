"""The teaching lab: three conditionings, two samplers, ten runs of 64 samples, one table.

    python scripts/lab/run.py --data data/starter --run runs/lab
    python scripts/lab/run.py --data data/starter --run runs/quick --steps 20 --runs 2 --samples 32

Trains the three conditionings of the DiT with the same size and budget, samples each with DDPM and
DDIM, scores all of it with the bundled evaluator, and draws loss curves and contact sheets. Every
stage leaves out what is there already, so a lab that was stopped goes on when it is started again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

from backend.errors import InvalidRequest, KinetypeError
from backend.evaluation.evaluators import StarterEvaluator
from backend.training.data import batches, text_cache
from backend.training.data.dataset import MotionDataset
from scripts.lab import pictures, sampling, scores
from scripts.lab import train as training
from scripts.lab.plan import CONDITIONINGS, Plan, draws

STAGES = ("train", "sample", "score", "draw")


def lab(plan: Plan, options: argparse.Namespace) -> None:
    """Run the chosen stages."""
    folder: Path = options.run
    plan.claim(folder)
    dataset, text = MotionDataset.load(options.data), text_cache.load(options.data)
    runs = draws(plan, dataset, text)
    if "train" in options.stages:
        stats = batches.feature_statistics(dataset)
        for conditioning in options.conditionings:
            if not training.finished(training.run_folder(folder, conditioning), plan):
                started = time.perf_counter()
                training.train(plan, conditioning, folder, dataset, text, stats)
                print(f"trained {conditioning}: {time.perf_counter() - started:.0f} s", flush=True)
            training.record(folder, conditioning, dataset, text)
    if "sample" in options.stages:
        sampling.sample_all(
            plan, folder, runs, text, options.conditionings, backwards=options.backwards
        )
    if "score" in options.stages:
        evaluator = StarterEvaluator.from_pretrained(options.evaluator)
        ready = sampling.complete(plan, folder, runs)
        if not ready:
            raise InvalidRequest("No run has been sampled to its end.", "Add the stage sample.")
        print(f"{len(ready)} of {len(runs)} runs are complete", flush=True)
        scorer = scores.Scorer(plan, folder, evaluator, dataset, text, ready)
        scores.write(scorer.real_rows() | scorer.model_rows(), plan, folder)
        print((folder / "table.md").read_text(encoding="utf-8"), flush=True)
        for conditioning in CONDITIONINGS:
            path = training.run_folder(folder, conditioning) / "validation.json"
            print(conditioning, json.loads(path.read_text(encoding="utf-8")), flush=True)
    if "draw" in options.stages:
        out = options.out or folder
        out.mkdir(parents=True, exist_ok=True)
        pictures.loss_curves(folder, out / "lab_loss.png")
        pictures.sheets(plan, folder, runs[0], dataset, out)


def sampler_of(text: str) -> tuple[str, int]:
    """``ddim:50`` to its parts."""
    name, _, steps = text.partition(":")
    if name not in ("ddpm", "ddim") or not steps.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not like ddim:50 or ddpm:1000")
    return name, int(steps)


def parser() -> argparse.ArgumentParser:
    """Options of the script; their defaults are the published lab."""
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    made.add_argument("--data", type=Path, required=True, help="dataset folder")
    made.add_argument("--run", type=Path, required=True, help="folder of this lab")
    made.add_argument("--out", type=Path, help="folder for the pictures; --run if not given")
    made.add_argument("--evaluator", type=Path, help="evaluator folder; the bundled one by default")
    made.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    made.add_argument(
        "--conditionings", nargs="+", choices=CONDITIONINGS, default=list(CONDITIONINGS)
    )
    made.add_argument("--steps", type=int, default=Plan.steps, help="training steps of each model")
    made.add_argument("--runs", type=int, default=Plan.runs)
    made.add_argument("--samples", type=int, default=Plan.samples, help="samples of a run")
    made.add_argument("--samplers", nargs="+", type=sampler_of, default=list(Plan.samplers))
    made.add_argument("--guidance", type=float, default=Plan.guidance)
    made.add_argument("--seed", type=int, default=Plan.seed)
    made.add_argument("--threads", type=int, help="CPU threads")
    made.add_argument("--backwards", action="store_true", help="sample from the last file on")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    options = parser().parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    plan = Plan(
        steps=options.steps,
        runs=options.runs,
        samples=options.samples,
        samplers=tuple(options.samplers),
        guidance=options.guidance,
        seed=options.seed,
    )
    try:
        lab(plan, options)
    except KinetypeError as error:
        print(f"{error.message} {error.hint}".strip(), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
