"""Real clips as examples for a classifier of motions, and how they are varied."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...models.motion_classifier import inputs
from ...models.motion_classifier.inputs import JOINTS, MIN_FRAMES, SPEEDS
from ..data.conditioned import PLAIN_SOURCES, label_of
from ..data.dataset import Item, MotionDataset


@dataclass(frozen=True)
class ActionTake:
    """One clip: its item, its label and its base ``[T, 73]`` at 20 fps."""

    item: Item
    label: str
    x: np.ndarray


def load_takes(dataset: MotionDataset, split: str, *, mirrored: bool = True) -> list[ActionTake]:
    """The clips of a split as they were recorded; those kept or joined by us are no evidence."""
    return [
        ActionTake(item, label_of(item), inputs.base(dataset.item_features(item)))
        for item in dataset.items
        if item.split == split
        and item.source in PLAIN_SOURCES
        and item.length >= inputs.MIN_FRAMES
        and (mirrored or not item.mirrored)
    ]


def draw(take: ActionTake, rng: np.random.Generator, *, shaken: bool) -> np.ndarray:
    """A random example of a take: a window of a cyclic one, another speed, small noise."""
    x = take.x
    least = min(len(x), max(inputs.MIN_FRAMES, 30 if take.item.window else int(0.8 * len(x))))
    length = int(rng.integers(least, len(x) + 1))
    start = int(rng.integers(0, len(x) - length + 1))
    x = warp(x[start : start + length], float(np.exp(rng.uniform(-0.3, 0.3))))
    size = float(rng.uniform(0, 0.012)) if shaken else 0.003
    return jitter(x, rng, size)[: inputs.MAX_FRAMES]


def warp(x: np.ndarray, speed: float) -> np.ndarray:
    """The same base played ``speed`` times as fast."""
    count = max(MIN_FRAMES, round(len(x) / speed))
    place = np.linspace(0, len(x) - 1, count)
    low = np.minimum(place.astype(int), len(x) - 2)
    weight = (place - low).astype(np.float32)[:, None]
    out = x[low] * (1 - weight) + x[low + 1] * weight
    out[:, SPEEDS] *= np.float32(len(x) / count)
    return out


def jitter(x: np.ndarray, rng: np.random.Generator, size: float) -> np.ndarray:
    """Joints shaken by ``size`` metres (white) and drifting by twice that (slow)."""
    joints = x[:, JOINTS]
    white = rng.standard_normal(joints.shape, dtype=np.float32)
    knots = rng.standard_normal((len(x) // 10 + 2, joints.shape[1]), dtype=np.float32)
    place = np.linspace(0, len(knots) - 1.001, len(x))
    low = place.astype(int)
    weight = (place - low).astype(np.float32)[:, None]
    slow = knots[low] * (1 - weight) + knots[low + 1] * weight
    out = x.copy()
    out[:, JOINTS] += np.float32(size) * (white + 2 * slow)
    return out


def frozen(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One frame of ``x`` held for the whole length, without travel."""
    out = np.repeat(x[rng.integers(len(x))][None], len(x), 0)
    out[:, SPEEDS] = 0
    return out
