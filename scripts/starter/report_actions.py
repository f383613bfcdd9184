"""Measure a model on the actions of its vocabulary: recognition, liveliness, variety, rest.

    python scripts/starter/report_actions.py runs/open --data data/open \\
        --classifiers runs/actions --out runs/report.json

Per action and seed one clip is made from a caption of its clips, at the usual length of the action.
``--ask`` says what the network is told: ``prompt`` the words (and what the pipeline reads in them),
``both`` the words and the label. The same measures of the real clips stand beside them. Rates are
given raw and after the clean-up that ``generate`` applies.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from backend.models import motion_classifier as classifier
from backend.models.motion_classifier import MIN_FRAMES, from_motion135
from backend.motion.cleanup import default_cleanup
from backend.motion.representations import smplrifke205
from backend.pipelines.dit import DiTPipeline
from backend.pipelines.dit.vocabulary import Label, Wish
from backend.training.data.conditioned import PLAIN_SOURCES, label_of
from backend.training.data.dataset import Item, MotionDataset
from scripts.starter.action_measures import interval, measured, spread

FPS = smplrifke205.SPEC.fps
RATIOS = ("jerk", "sliding", "elbow_speed", "hand_travel", "start", "end")
FEW_TAKES = 4
"""Labels with fewer takes have no spread to be compared with."""


@dataclass(frozen=True)
class Made:
    """One clip: its label, caption, and motion_135 at 30 fps."""

    label: str
    caption: str
    motion: np.ndarray


def real_clips(dataset: MotionDataset) -> dict[str, list[np.ndarray]]:
    """motion_135 of the unmirrored clips of each label, both splits."""
    found: dict[str, list[np.ndarray]] = defaultdict(list)
    for item in dataset.items:
        if item.source in PLAIN_SOURCES and not item.mirrored and item.speed == 1.0:
            x = dataset.item_features(item)
            found[label_of(item)].append(smplrifke205.to_motion135(x))
    return dict(found)


def captions_of(dataset: MotionDataset) -> dict[str, list[str]]:
    """Captions of each label: of its validation clips where it has some."""
    items: dict[str, list[Item]] = defaultdict(list)
    for item in dataset.items:
        if item.source in PLAIN_SOURCES and not item.mirrored:
            items[label_of(item)].append(item)
    found = {}
    for label, own in items.items():
        chosen = [i for i in own if i.split == "val"] or own
        found[label] = sorted({c for i in chosen for c in dataset.pools[i.pool]})
    return found


def made_clips(
    pipeline: DiTPipeline,
    labels: Sequence[Label],
    captions: dict[str, list[str]],
    options: argparse.Namespace,
) -> list[Made]:
    """``options.seeds`` clips of every label."""
    rng = np.random.default_rng(options.seed)
    jobs = []
    for label in labels:
        for _ in range(options.seeds):
            caption = captions[label.name][int(rng.integers(len(captions[label.name])))]
            seconds = label.seconds[1] if label.seconds else 3.0
            frames = int(np.clip(round(seconds * FPS), MIN_FRAMES, pipeline.config.max_frames))
            jobs.append((label.name, caption, frames))
    jobs.sort(key=lambda job: job[2])
    made: list[Made] = []
    for start in range(0, len(jobs), options.batch):
        part = jobs[start : start + options.batch]
        texts = [caption for _, caption, _ in part]
        wishes = [Wish({name: 1.0}) for name, _, _ in part]
        clips = pipeline.infer_t2m(
            texts,
            [frames for _, _, frames in part],
            seed=options.seed + start,
            sampler=options.sampler,
            steps=options.steps,
            guidance_scale=options.guidance,
            wishes=None if options.ask == "prompt" else wishes,
        )
        for (name, caption, _), x in zip(part, clips, strict=True):
            made.append(Made(name, caption, smplrifke205.to_motion135(np.asarray(x, np.float32))))
    return made


def recognition(net: classifier.MotionClassifier, clips: Sequence[Made]) -> dict[str, object]:
    """Rate with interval, per label, and who is taken for whom."""
    found = classifier.predict(net, [from_motion135(c.motion) for c in clips]).names
    per: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    wrong = []
    for clip, name in zip(clips, found, strict=True):
        per[clip.label][0] += clip.label == name
        per[clip.label][1] += 1
        if clip.label != name:
            wrong.append(f"{clip.label} ({clip.caption}): {name}")
    right = sum(r for r, _ in per.values())
    low, high = interval(right, len(clips))
    return {
        "rate": round(right / max(1, len(clips)), 4),
        "interval": [round(low, 4), round(high, 4)],
        "n": len(clips),
        "per_label": dict(sorted(per.items())),
        "wrong": wrong,
    }


def compared(made: Sequence[Made], real: dict[str, list[np.ndarray]]) -> dict[str, object]:
    """Measures of each label as a share of those of its real clips, and their medians."""
    groups: dict[str, list[np.ndarray]] = defaultdict(list)
    for clip in made:
        groups[clip.label].append(clip.motion)
    rows: dict[str, dict[str, float]] = {}
    for label, clips in groups.items():
        own = _means([measured(x) for x in clips])
        other = _means([measured(x) for x in real[label]])
        row = {k: own[k] / other[k] for k in RATIOS if other[k] > 1e-3}
        row |= {"speed": own["speed"], "way": own["way"], "real_speed": other["speed"]}
        if len(real[label]) >= FEW_TAKES and len(clips) > 1:
            row["spread"] = spread(clips) / spread(real[label])
        rows[label] = {k: round(float(v), 3) for k, v in row.items()}
    names = (*RATIOS, "spread")
    medians = {k: _median([r[k] for r in rows.values() if k in r]) for k in names}
    return {"medians": medians, "per_label": rows}


def _means(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    return {k: float(np.nanmean([r[k] for r in rows])) for k in rows[0]}


def _median(values: Sequence[float]) -> float:
    finite = [v for v in values if np.isfinite(v)]
    return round(float(np.median(finite)), 3) if finite else float("nan")


def parse() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", help="folder or name of a DiT pipeline")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--classifiers", type=Path, default=Path("runs/actions"))
    parser.add_argument("--which", default="chooser", help="chooser (default) or judge")
    parser.add_argument("--ask", choices=("prompt", "both"), default="both")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sampler")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--guidance", type=float)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """Write the report and print its figures."""
    options = parse()
    torch.set_num_threads(1)
    dataset = MotionDataset.load(options.data)
    pipeline = DiTPipeline.from_pretrained(options.model)
    net = classifier.load(options.classifiers / options.which)
    report = report_of(pipeline, dataset, net, options)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1), encoding="utf-8")
    for part in ("raw", "clean", "real"):
        found = report["recognised"][part]
        print(part, found["rate"], found["interval"], f"n={found['n']}")
    print("raw / real", report["compared"]["raw"]["medians"])
    print("clean / real", report["compared"]["clean"]["medians"])


def report_of(
    pipeline: DiTPipeline,
    dataset: MotionDataset,
    net: classifier.MotionClassifier,
    options: argparse.Namespace,
) -> dict[str, dict]:
    """Everything that is measured."""
    if pipeline.vocabulary is None:
        raise SystemExit("this model has no vocabulary of actions")
    real, captions = real_clips(dataset), captions_of(dataset)
    labels = [w for w in pipeline.vocabulary.labels if w.name in real and w.name in net.labels]
    started = time.process_time()
    made = made_clips(pipeline, labels, captions, options)
    cost = (time.process_time() - started) / len(made)
    clean = [Made(c.label, c.caption, default_cleanup(c.motion)) for c in made]
    truth = [Made(n, "", x) for n in sorted({w.name for w in labels}) for x in real[n]]
    return {
        "settings": {k: str(v) for k, v in vars(options).items()},
        "cpu_seconds_per_clip": {"value": round(cost, 3)},
        "recognised": {
            "raw": recognition(net, made),
            "clean": recognition(net, clean),
            "real": recognition(net, truth),
        },
        "compared": {"raw": compared(made, real), "clean": compared(clean, real)},
    }


if __name__ == "__main__":
    main()
