"""From motions and samples to the figures that the model card states."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backend.models.motion_classifier import MotionClassifier, Prediction, from_motion135, predict
from backend.training.data.dataset import MotionDataset

from .labels import merge
from .measures import mean_of, measure
from .prompts import Sample

GAIT = ("knee_rom", "hip_rom", "steps_per_s")
GAIT_CONTENTS = ("walk", "run")
GAIT_MIN_REAL = 10
"""Pairs of content and style with fewer real clips have no mean worth comparing with."""
PHYSICAL = ("jerk", "jerk_median", "sliding", "penetration")


@dataclass(frozen=True)
class Judges:
    """The two classifiers."""

    content: MotionClassifier
    style: MotionClassifier

    def look(self, motions: Sequence[np.ndarray], fps: float = 30.0) -> Verdict:
        """Judge motion_135 clips."""
        bases = [from_motion135(m, fps) for m in motions]
        return Verdict(predict(self.content, bases), predict(self.style, bases))


@dataclass(frozen=True)
class Verdict:
    """Answers of both classifiers for the same clips."""

    content: Prediction
    style: Prediction

    @property
    def features(self) -> np.ndarray:
        """``[N, 128]``: features of both classifiers, for the Frechet distance."""
        return np.concatenate([self.content.features, self.style.features], 1)


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """Frechet distance of Gaussians fitted to ``[N, D]`` and ``[M, D]`` (stable symmetric form)."""
    mean = a.mean(0) - b.mean(0)
    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ second @ root), 0, None)).sum()
    return float(mean @ mean + np.trace(first) + np.trace(second) - 2 * cross)


def recognition(samples: Sequence[Sample], verdict: Verdict) -> dict[str, Any]:
    """Share of right contents and styles per group and part."""
    content: dict[str, list[bool]] = defaultdict(list)
    style: dict[str, list[bool]] = defaultdict(list)
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for sample, found, look in zip(
        samples, verdict.content.names, verdict.style.names, strict=True
    ):
        keys = [sample.group]
        if sample.group in ("rare", "free", "bare"):
            keys.append(f"{sample.group}: {sample.part}")
            answers[f"{sample.group}: {sample.part}"][found] += 1
        for key in keys:
            content[key].append(found in sample.contents)
            if sample.style is not None:
                style[key].append(look == sample.style)
    return {
        "content": {k: rate(v) for k, v in content.items()},
        "style": {k: rate(v) for k, v in style.items()},
        "answers": {k: dict(v.most_common()) for k, v in answers.items()},
    }


def rate(right: Sequence[bool]) -> dict[str, float]:
    """``accuracy``, ``n`` and the 95% interval (Wilson)."""
    n, p, z = len(right), float(np.mean(right)), 1.96
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return {
        "accuracy": p,
        "n": n,
        "low": max(0.0, float(centre - half)),
        "high": float(centre + half),
    }


def confusion(
    samples: Sequence[Sample], verdict: Verdict, groups: Sequence[str], target: str
) -> tuple[list[str], np.ndarray]:
    """Names and counts ``[truth, answer]``; the truth of a sample is what it was written for.

    An answer that is right for an ambiguous prompt counts on the diagonal.
    """
    pairs = []
    for i, sample in enumerate(samples):
        if sample.group not in groups or sample.item is None:
            continue
        if target == "style":
            pairs.append((str(sample.style), verdict.style.names[i]))
            continue
        answer = verdict.content.names[i]
        truth = merge(sample.item.content)
        if answer in sample.contents:
            truth = answer
        elif truth not in sample.contents:
            truth = min(sample.contents)
        pairs.append((truth, answer))
    names = sorted({name for pair in pairs for name in pair})
    counts = np.zeros((len(names), len(names)), int)
    for truth, answer in pairs:
        counts[names.index(truth), names.index(answer)] += 1
    return names, counts


def real_reference(dataset: MotionDataset) -> dict[tuple[str, str], list[dict[str, float]]]:
    """Measures of every real walk and run (both splits), by content and style."""
    out: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    for clip in dataset.clips:
        if clip.content in GAIT_CONTENTS:
            out[(clip.content, clip.style)].append(measure(dataset.clip_motion(clip)))
    return dict(out)


def gait(
    samples: Sequence[Sample],
    measured: Sequence[dict[str, float]],
    reference: dict[tuple[str, str], list[dict[str, float]]],
) -> dict[str, Any]:
    """Ratios generated / real of ranges of motion and step frequency of walks and runs.

    Returns:
        ``pairs``: per content and style the number of clips and the ratios; ``well_known`` and
        ``rare``: mean ratio and share of pairs within 20%, over the pairs with ten or more real
        clips and over the others.
    """
    mine: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    for sample, values in zip(samples, measured, strict=True):
        if sample.item is not None and sample.item.content in GAIT_CONTENTS:
            mine[(sample.item.content, sample.item.style)].append(values)
    pairs: dict[str, dict[str, float]] = {}
    known: dict[str, bool] = {}
    for key in sorted(mine):
        row: dict[str, float] = {"generated": len(mine[key]), "real": len(reference[key])}
        for name in GAIT:
            own = np.array([m[name] for m in mine[key]])
            real = np.array([m[name] for m in reference[key]])
            usable = np.isfinite(own).any() and np.isfinite(real).any()
            row[name] = float(np.nanmean(own) / np.nanmean(real)) if usable else float("nan")
        pairs[" ".join(key)] = row
        known[" ".join(key)] = len(reference[key]) >= GAIT_MIN_REAL
    return {
        "pairs": pairs,
        "well_known": _within([pairs[k] for k in pairs if known[k]]),
        "rare": _within([pairs[k] for k in pairs if not known[k]]),
    }


def _within(rows: Sequence[dict[str, float]]) -> dict[str, dict[str, float]]:
    out = {}
    for name in GAIT:
        ratios = np.array([r[name] for r in rows])
        ratios = ratios[np.isfinite(ratios)]
        if len(ratios):
            inside = np.abs(ratios - 1) <= 0.2
            out[name] = {
                "ratio": float(ratios.mean()),
                "within_20_percent": float(inside.mean()),
                "worst": float(ratios[np.abs(ratios - 1).argmax()]),
                "pairs": len(ratios),
            }
    return out


def physical(samples: Sequence[Sample], measured: Sequence[dict[str, float]]) -> dict[str, float]:
    """Mean measures of the clips of the validation captions."""
    chosen = [m for s, m in zip(samples, measured, strict=True) if s.group == "val"]
    means = mean_of(chosen)
    return {k: means[k] for k in PHYSICAL}
