"""Samplers and step counts of a model with a vocabulary: distance to the converged sample, cost.

    python scripts/starter/compare_samplers.py runs/open --classifiers runs/actions --out s.json

Every setting begins from the same noise, so its motion can be held against that of many steps
(DDIM 250 without noise): the mean distance of the joints in millimetres. Recognition, jerk and CPU
seconds per clip (one thread, batches) stand beside it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from backend.models import motion_classifier as classifier
from backend.models.motion_classifier import from_motion135
from backend.motion.representations import motion135, smplrifke205
from backend.pipelines.dit import DiTPipeline
from backend.pipelines.dit.vocabulary import Label, Wish
from scripts.starter.measures import jerk

FPS = smplrifke205.SPEC.fps
REFERENCE = ("ddim", 250)
SETTINGS = (
    ("ddim", 12), ("ddim", 25), ("ddim", 50),
    ("dpmpp", 6), ("dpmpp", 8), ("dpmpp", 12), ("dpmpp", 16), ("dpmpp", 25),
)  # fmt: skip


def made(
    pipeline: DiTPipeline, labels: Sequence[Label], sampler: str, steps: int, guidance: float
) -> tuple[list[np.ndarray], float]:
    """motion_135 of every label from the same noise, and CPU seconds per clip."""
    frames = [int(np.clip(round(w.seconds[1] * FPS), 20, 120)) for w in labels]
    texts = [w.name.replace("_", " ") for w in labels]
    started = time.process_time()
    clips = pipeline.infer_t2m(
        texts,
        frames,
        seed=0,
        sampler=sampler,
        steps=steps,
        guidance_scale=guidance,
        wishes=[Wish({w.name: 1.0}) for w in labels],
    )
    cost = (time.process_time() - started) / len(clips)
    return [smplrifke205.to_motion135(np.asarray(x, np.float32)) for x in clips], cost


def apart(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> float:
    """Mean distance of the joints (mm) of clips of equal lengths."""
    pairs = zip(a, b, strict=True)
    gaps = [np.linalg.norm(motion135.joints(x) - motion135.joints(y), axis=-1) for x, y in pairs]
    return float(np.mean([g.mean() for g in gaps]) * 1000)


def main() -> None:
    """Write one row per setting and guidance."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--classifiers", type=Path, default=Path("runs/actions"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--every", type=int, default=4, help="every how many-th label")
    parser.add_argument("--guidance", type=float, nargs="+", default=[1.0, 1.5, 2.5])
    options = parser.parse_args()
    torch.set_num_threads(1)
    pipeline = DiTPipeline.from_pretrained(options.model)
    if pipeline.vocabulary is None:
        raise SystemExit("this model has no vocabulary of actions")
    net = classifier.load(options.classifiers / "chooser")
    known = [w for w in pipeline.vocabulary.labels if w.seconds and w.name in net.labels]
    labels = known[:: options.every]
    made(pipeline, labels[:2], "dpmpp", 2, 1.0)  # loads the text encoder, which is no cost of these
    rows = []
    for guidance in options.guidance:
        reference, _ = made(pipeline, labels, *REFERENCE, guidance)
        for sampler, steps in SETTINGS:
            clips, cost = made(pipeline, labels, sampler, steps, guidance)
            names = classifier.predict(net, [from_motion135(x) for x in clips]).names
            right = sum(w.name == n for w, n in zip(labels, names, strict=True))
            rough = float(np.mean([jerk(motion135.joints(x), 30.0) for x in clips]))
            row = {
                "sampler": sampler,
                "steps": steps,
                "guidance": guidance,
                "apart_mm": round(apart(clips, reference), 1),
                "recognised": f"{right} of {len(labels)}",
                "jerk": round(rough, 1),
                "cpu_s": round(cost, 3),
            }
            rows.append(row)
            print(row, flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
