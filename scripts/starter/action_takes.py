"""Real clips of a described dataset as examples for the action classifiers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.training.data.conditioned import PLAIN_SOURCES, label_of
from backend.training.data.dataset import Item, MotionDataset
from scripts.starter import classifier_input as inputs


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
    x = inputs.warp(x[start : start + length], float(np.exp(rng.uniform(-0.3, 0.3))))
    size = float(rng.uniform(0, 0.012)) if shaken else 0.003
    return inputs.jitter(x, rng, size)[: inputs.MAX_FRAMES]
