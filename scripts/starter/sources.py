"""Where the measured motions come from: a pipeline, or real clips that test the measurement."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backend.training.data.dataset import Item, MotionDataset

from .labels import merge
from .prompts import Sample

ORACLES = ("real", "shuffled", "frozen")


@dataclass(frozen=True)
class Made:
    """Native smplrifke205 motions in the order of the samples, and what they cost."""

    motions: list[np.ndarray]
    cpu_seconds: float


def from_pipeline(pipeline: Any, samples: Sequence[Sample], batch: int, **options: Any) -> Made:
    """Motions of a pipeline, made in batches of like length.

    Args:
        options: passed to ``infer_t2m`` (sampler, steps, guidance_scale).
    """
    order = sorted(range(len(samples)), key=lambda i: samples[i].frames)
    motions: list[np.ndarray] = [np.empty(0)] * len(samples)
    started = time.process_time()
    for first in range(0, len(order), batch):
        rows = order[first : first + batch]
        made = pipeline.infer_t2m(
            [samples[i].prompt for i in rows],
            [samples[i].frames for i in rows],
            seed=samples[rows[0]].seed,
            **options,
        )
        for i, motion in zip(rows, made, strict=True):
            motions[i] = motion
        done, spent = first + len(rows), time.process_time() - started
        print(f"  {done}/{len(order)} clips, {spent / done:.2f} CPU s each", flush=True)
    return Made(motions, time.process_time() - started)


def from_real(kind: str, dataset: MotionDataset, samples: Sequence[Sample], seed: int = 0) -> Made:
    """Real clips in place of generated ones.

    ``real``: a clip of the wanted content (and style where there is one), ``shuffled``: the same
    clips in another order, ``frozen``: one frame of each held for its whole length.
    """
    rng = np.random.default_rng(seed)
    items = [i for i in dataset.items if i.speed == 1.0 and i.length >= 20]
    motions = [_real_clip(dataset, items, sample, rng) for sample in samples]
    if kind == "shuffled":
        motions = [motions[i] for i in rng.permutation(len(motions))]
    if kind == "frozen":
        motions = [_held(m, rng) for m in motions]
    return Made(motions, 0.0)


def _real_clip(
    dataset: MotionDataset, items: Sequence[Item], sample: Sample, rng: np.random.Generator
) -> np.ndarray:
    item = sample.item
    if item is None or merge(item.content) not in sample.contents:
        fitting = [i for i in items if merge(i.content) in sample.contents]
        styled = [i for i in fitting if i.style == sample.style]
        fitting = styled or fitting
        item = fitting[rng.integers(len(fitting))]
    x = dataset.item_features(item)
    if item.window:
        start = int(rng.integers(0, len(x) - sample.frames))
        x = x[start : start + sample.frames]
    return x


def _held(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    out = np.repeat(x[rng.integers(len(x))][None], len(x), 0)
    out[:, 1:4] = 0
    return out
