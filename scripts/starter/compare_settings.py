"""Compare samplers, step counts and guidance of the starter model on the same prompts.

    python scripts/starter/compare_settings.py backend/assets/starter --out runs/settings.md

One row per setting: recognition, jerk and sliding of the raw motions, CPU seconds per clip in
batches. The full DDPM sampler takes all 1,000 steps, so it gets a fifth of the prompts.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from backend.models import motion_classifier as classifier
from backend.motion.representations import smplrifke205
from backend.pipelines.dit import DiTPipeline
from backend.training.data.dataset import MotionDataset, read_json
from scripts.starter import scoring, sources
from scripts.starter.measures import measure
from scripts.starter.prompts import PromptMaker, Sample

CAPTIONS = Path("../shared/data/starter/captions.json")
SETTINGS: tuple[tuple[str, int | None, float], ...] = (
    ("ddim", 10, 2.5),
    ("ddim", 20, 2.5),
    ("ddim", 25, 1.0),
    ("ddim", 25, 1.5),
    ("ddim", 25, 2.5),
    ("ddim", 25, 4.0),
    ("ddim", 50, 2.5),
    ("ddpm", 1000, 2.5),
)
FEW = 5
"""Every how many prompts the full sampler gets."""
HEADER = (
    "| sampler | steps | guidance | clips | content | style | rare | free | jerk m/s³ | "
    "sliding cm/s | CPU s per clip |\n" + "|---" * 11 + "|"
)


def row(
    pipeline: DiTPipeline,
    judges: scoring.Judges,
    samples: Sequence[Sample],
    setting: tuple[str, int | None, float],
) -> str:
    """A table row for one setting."""
    sampler, steps, guidance = setting
    if steps is not None and steps > 100:
        samples = samples[::FEW]
    options: dict[str, Any] = {"sampler": sampler, "steps": steps, "guidance_scale": guidance}
    made = sources.from_pipeline(pipeline, samples, 32, **options)
    motions = [smplrifke205.to_motion135(x) for x in made.motions]
    rates = scoring.recognition(samples, judges.look(motions))
    physics = scoring.physical(samples, [measure(m) for m in motions])
    shares = [
        f"{100 * rates[target][group]['accuracy']:.0f}%"
        for target, group in (
            ("content", "val"),
            ("style", "val"),
            ("content", "rare"),
            ("content", "free"),
        )
    ]
    cells = [sampler, str(steps), f"{guidance:g}", str(len(samples)), *shares]
    cells += [f"{physics['jerk']:.0f}", f"{physics['sliding']:.1f}"]
    cells += [f"{made.cpu_seconds / len(samples):.2f}"]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--data", type=Path, default=Path("data/starter"))
    parser.add_argument("--captions", type=Path, default=CAPTIONS)
    parser.add_argument("--classifiers", type=Path, default=Path("runs/classifiers"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rare-each", type=int, default=6)
    parser.add_argument("--only", type=int, nargs="+", help="rows of SETTINGS, counted from 0")
    args = parser.parse_args()
    torch.set_num_threads(1)
    folder = args.classifiers
    judges = scoring.Judges(classifier.load(folder / "content"), classifier.load(folder / "style"))
    maker = PromptMaker(MotionDataset.load(args.data), read_json(args.captions))
    samples = maker.validation(1) + maker.rare(args.rare_each) + maker.free(1)
    pipeline = DiTPipeline.from_pretrained(args.model)
    lines = [HEADER]
    for index in args.only if args.only is not None else range(len(SETTINGS)):
        lines.append(row(pipeline, judges, samples, SETTINGS[index]))
        print(lines[-1], flush=True)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
