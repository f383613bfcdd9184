"""Measure the starter model: recognition, Frechet distance, physics, gait, free wordings, cost.

    python scripts/starter/evaluate_starter.py runs/starter --out runs/evaluation/starter
    python scripts/starter/evaluate_starter.py --oracle real --out runs/evaluation/real

The oracles put real clips in place of generated ones and test the measurement itself: ``real`` must
reach the real rates, ``shuffled`` the rate of guessing, ``frozen`` must fail recognition and gait.
Needs the dataset, the caption grammar and the classifiers of ``train_classifiers.py``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from backend.models import motion_classifier as classifier
from backend.motion.representations import smplrifke205
from backend.training.data.dataset import MotionDataset, read_json
from scripts.starter import report, scoring, sources
from scripts.starter.measures import measure
from scripts.starter.prompts import PromptMaker, Sample

NATIVE_FPS = smplrifke205.SPEC.fps
CAPTIONS = Path("../shared/data/starter/captions.json")


def parse() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", nargs="?", help="folder or name of a DiT pipeline")
    parser.add_argument("--oracle", choices=sources.ORACLES, help="measure real clips instead")
    parser.add_argument("--data", type=Path, default=Path("data/starter"))
    parser.add_argument("--captions", type=Path, default=CAPTIONS, help="the caption grammar")
    parser.add_argument("--classifiers", type=Path, default=Path("runs/classifiers"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sampler")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--guidance", type=float)
    parser.add_argument("--cleanup", choices=("default", "none"), default="default")
    parser.add_argument("--captions-each", type=int, default=3, help="per validation clip")
    parser.add_argument("--rare-each", type=int, default=24, help="per rare content")
    parser.add_argument("--free-seeds", type=int, default=3)
    parser.add_argument("--dataset1-each", type=int, default=1)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a third of the clips")
    parser.add_argument("--keep-motions", action="store_true", help="write motions.npz")
    args = parser.parse_args()
    if (args.model is None) == (args.oracle is None):
        parser.error("give a model folder or --oracle")
    if args.quick:
        args.captions_each, args.rare_each, args.free_seeds, args.dataset1_each = 1, 8, 1, 0
    return args


def make_motions(
    args: argparse.Namespace, dataset: MotionDataset, samples: Sequence[Sample]
) -> sources.Made:
    """Generate, or take real clips."""
    if args.oracle:
        return sources.from_real(args.oracle, dataset, samples, args.seed)
    from backend.pipelines.dit import DiTPipeline

    pipeline = DiTPipeline.from_pretrained(args.model)
    given = {"sampler": args.sampler, "steps": args.steps, "guidance_scale": args.guidance}
    options = {k: v for k, v in given.items() if v is not None}
    return sources.from_pipeline(pipeline, samples, args.batch, **options)


def judge_real(
    judges: scoring.Judges, dataset: MotionDataset
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Rates and physics of the real validation clips, and classifier features of real clips."""
    val = [c for c in dataset.clips if c.split == "val"]
    motions = [dataset.clip_motion(c)[:294] for c in val]
    verdict = judges.look(motions)
    pairs = {(c.content, c.style) for c in val}
    train = [c for c in dataset.clips if c.split == "train" and (c.content, c.style) in pairs]
    seen = judges.look([dataset.clip_motion(c)[:294] for c in train])
    native = [smplrifke205.from_motion135(m) for m in motions]
    content = [a == c.content for a, c in zip(verdict.content.names, val, strict=True)]
    style = [a == c.style for a, c in zip(verdict.style.names, val, strict=True)]
    rounds: dict[str, tuple[list[np.ndarray], float]] = {
        "real_30": (motions, 30.0),
        "real_20_to_30": ([smplrifke205.to_motion135(x) for x in native], 30.0),
        "real_20": ([smplrifke205.to_motion135(x, NATIVE_FPS) for x in native], NATIVE_FPS),
    }
    figures = {
        "content": scoring.rate(content),
        "style": scoring.rate(style),
        "fd_train_val": scoring.frechet(seen.features, verdict.features),
        "physical": {
            name: {
                k: v
                for k, v in scoring.mean_of([measure(m, fps) for m in clips]).items()
                if k in scoring.PHYSICAL
            }
            for name, (clips, fps) in rounds.items()
        },
    }
    return figures, {"train": seen.features, "val": verdict.features}


def judge_made(
    judges: scoring.Judges,
    samples: Sequence[Sample],
    motions: Sequence[np.ndarray],
    features: dict[str, np.ndarray],
    reference: dict[tuple[str, str], list[dict[str, float]]],
) -> tuple[dict[str, Any], scoring.Verdict]:
    """Figures of motion_135 clips at 30 fps."""
    verdict = judges.look(motions)
    measured = [measure(m) for m in motions]
    turns = sorted({s.part for s in samples if s.group == "val"})
    rows = [[i for i, s in enumerate(samples) if s.group == "val" and s.part == t] for t in turns]
    figures = {
        **scoring.recognition(samples, verdict),
        # one round of captions at a time: as many clips, with the same labels, as the real ones
        "fd_train": float(
            np.mean([scoring.frechet(features["train"], verdict.features[r]) for r in rows])
        ),
        "physical": scoring.physical(samples, measured),
        "gait": scoring.gait(samples, measured, reference),
    }
    return figures, verdict


def cleaner(name: str) -> Callable[[np.ndarray], np.ndarray] | None:
    """The clean-up that ``generate`` applies, or None."""
    if name == "none":
        return None
    from backend.motion.cleanup import default_cleanup

    return default_cleanup


def main() -> None:
    """Make the clips, judge them, write figures, tables and pictures."""
    args = parse()
    torch.set_num_threads(1)
    dataset = MotionDataset.load(args.data)
    judges = scoring.Judges(
        classifier.load(args.classifiers / "content"), classifier.load(args.classifiers / "style")
    )
    maker = PromptMaker(dataset, read_json(args.captions), args.seed)
    samples = maker.validation(args.captions_each) + maker.rare(args.rare_each)
    samples += maker.dataset1(args.dataset1_each) + maker.free(args.free_seeds)
    print(f"{len(samples)} clips")
    made = make_motions(args, dataset, samples)
    real, features = judge_real(judges, dataset)
    reference = scoring.real_reference(dataset)
    results: dict[str, Any] = {
        "settings": {
            "model": args.oracle or Path(args.model).name,
            **{k: getattr(args, k) for k in ("sampler", "steps", "guidance", "seed")},
        },
        "clips": len(samples),
        "cpu_seconds_per_clip_batched": made.cpu_seconds / len(samples),
        "real": real,
    }
    native = [smplrifke205.to_motion135(x, NATIVE_FPS) for x in made.motions]
    results["native"] = {
        "physical": scoring.physical(samples, [measure(m, NATIVE_FPS) for m in native])
    }
    raw = [smplrifke205.to_motion135(np.asarray(x, np.float32)) for x in made.motions]
    results["raw"], verdict = judge_made(judges, samples, raw, features, reference)
    clean = cleaner(args.cleanup)
    final = raw
    if clean is not None:
        final = [clean(m) for m in raw]
        results["clean"], verdict = judge_made(judges, samples, final, features, reference)
    held = args.classifiers / "report.json"
    results["classifiers"] = read_json(held) if held.exists() else {}
    report.write(args.out, results, samples, verdict)
    if args.keep_motions:
        np.savez(args.out / "motions.npz", **{f"{i:04d}": m for i, m in enumerate(final)})
    print((args.out / "figures.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
