"""Real clips with labels, cut into the takes that classifiers learn from and are tested on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from backend.models.motion_classifier import MAX_FRAMES, MIN_FRAMES, base
from backend.training.data.dataset import Item, MotionDataset

from .labels import merge

FOLDS = 3
_COVER_RATIO = 2.5


@dataclass(frozen=True)
class Take:
    """One labelled stretch of motion.

    Attributes:
        x: base ``[T, 73]`` at 20 fps.
        content: merged label; style: label.
        fold: which of the folds holds it out; None for the only take of its content.
        window: any window of it is an example.
        cover: it holds other takes, so no fold may use it.
    """

    x: np.ndarray
    item: Item
    content: str
    style: str
    fold: int | None
    window: bool
    cover: bool = False


def take_numbers(items: Iterable[Item]) -> list[int]:
    """Which take of its recording each item is, copies (mirrored, warped) counted as the take."""
    seen: Counter[tuple[str, bool, float]] = Counter()
    numbers = []
    for item in items:
        key = (item.clip, item.mirrored, item.speed)
        numbers.append(seen[key])
        seen[key] += 1
    return numbers


def load_takes(dataset: MotionDataset, split: str) -> list[Take]:
    """All takes of a split with the fold that holds each out.

    Contents with many recordings are held out by recording; contents of dataset-1 by style (one
    recording each); contents with a single recording by segment, a dance by thirds of its take.
    """
    items = list(dataset.items)
    numbers = take_numbers(items)
    recordings: dict[str, set[str]] = {}
    segments: Counter[str] = Counter()
    for item, number in zip(items, numbers, strict=True):
        if not item.mirrored:
            recordings.setdefault(item.content, set()).add(item.clip)
        segments[item.clip] = max(segments[item.clip], number + 1)
    shared = [sorted(names) for names in recordings.values()]
    place = {name: i for names in shared for i, name in enumerate(names)}
    alone = {names[0] for names in shared if len(names) == 1}
    out = []
    for item, number in zip(items, numbers, strict=True):
        if item.split != split or item.length < MIN_FRAMES:
            continue
        x = base(dataset.item_features(item))
        if item.window:
            out += _thirds(x, item)
            continue
        fold: int | None = place[item.clip] % FOLDS
        if item.clip in alone:
            fold = number % FOLDS if segments[item.clip] > 1 else None
        out.append(Take(x[:MAX_FRAMES], item, merge(item.content), item.style, fold, False))
    return _mark_covers(out, numbers_of=dict(zip(map(id, items), numbers, strict=True)))


def _thirds(x: np.ndarray, item: Item) -> list[Take]:
    cuts = np.linspace(0, len(x), FOLDS + 1).astype(int)
    return [
        Take(x[a:b], item, merge(item.content), item.style, fold, True)
        for fold, (a, b) in enumerate(pairwise(cuts))
    ]


def _mark_covers(takes: list[Take], numbers_of: dict[int, int]) -> list[Take]:
    """Mark takes much longer than the first take of their recording: they hold the others."""
    first: dict[tuple[str, bool, float], int] = {}
    for take in takes:
        if numbers_of[id(take.item)] == 0 and not take.window:
            first[(take.item.clip, take.item.mirrored, take.item.speed)] = len(take.x)
    out = []
    for take in takes:
        usual = first.get((take.item.clip, take.item.mirrored, take.item.speed), len(take.x))
        covers = not take.window and len(take.x) > _COVER_RATIO * usual
        out.append(replace(take, cover=True, fold=None) if covers else take)
    return out
