"""Examples that no clip holds as it is: poses that are kept, and two clips one after the other.

Both are made of features, which know neither place nor heading, so that they join without moving
or turning anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...motion.representations import smplrifke205
from .batches import FADE_FRAMES
from .controls import joint_speed
from .dataset import Item, MotionDataset
from .described_clips import MAX_FRAMES, Collector, merge, settings

_SPEC = smplrifke205.SPEC
STILL_SPEED = 0.10
"""Mean speed of the joints (m/s) below which a person keeps a pose."""
STILL_FRAMES = 10
STANDING_HEIGHT, SEATED_HEIGHT = 0.86, (0.30, 0.68)
"""Height of the pelvis (m) above the floor of someone who stands; of someone on a chair."""
HANDS_DOWN = 0.20
"""How far above the pelvis (m) the wrists of someone who merely stands may be."""
SEATED_LABELS = ("sit", "sit_down", "stand_up")
JOIN_GAP = 0.22
"""Mean distance of the joints (m) at a seam, beyond which two clips do not join."""
_WRISTS = (19, 20)


def add_made(data: MotionDataset, *, joined: int, seed: int) -> MotionDataset:
    """The dataset with its held poses and ``joined`` pairs of training clips behind it."""
    rng = np.random.default_rng(seed)
    words = settings()
    made = Collector()
    for item in data.items:
        if item.split == "train" and item.source == "capture":
            _hold(made, item, data.item_features(item), words)
    _join(made, data, joined, words["joins"], rng)
    return merge([data, made.finish()]) if made.items else data


# ---------------------------------------------------------------------- kept poses


def still_stretch(x: np.ndarray) -> slice | None:
    """The longest stretch of ``[T, 205]`` in which a person keeps a pose."""
    quiet = joint_speed(x) < STILL_SPEED
    best, start = slice(0, 0), 0
    for frame in range(len(quiet) + 1):
        if frame == len(quiet) or not quiet[frame]:
            if frame - start > best.stop - best.start:
                best = slice(start, frame)
            start = frame + 1
    return best if best.stop - best.start >= STILL_FRAMES else None


def hold(x: np.ndarray, frames: int) -> np.ndarray:
    """A quiet stretch ``[n, 205]`` played to and fro, softly turning, as ``[frames, 205]``."""
    span = len(x) - 1
    period = max(4 * span, 2 * round(_SPEC.fps))  # slower than it was: breathing, not rocking
    phase = np.arange(frames) * 2 * np.pi / period
    place = span * 0.5 * (1 - np.cos(phase))
    rate = np.gradient(place)
    lower = np.minimum(np.floor(place).astype(int), span - 1)
    weight = (place - lower)[:, None]
    held = ((1 - weight) * x[lower] + weight * x[lower + 1]).astype(np.float32)
    moving = slice(_SPEC.columns("root_velocity").start, _SPEC.columns("yaw_velocity").stop)
    held[:, moving] *= rate[:, None]
    return held


def _hold(made: Collector, item: Item, x: np.ndarray, words: dict[str, list[str]]) -> None:
    stretch = still_stretch(x)
    if stretch is None:
        return
    height = float(x[stretch, 0].mean())
    hands = x[stretch, _SPEC.columns("joints")].reshape(-1, 23, 3)[:, list(_WRISTS), 2]
    if height > STANDING_HEIGHT and hands.max() < HANDS_DOWN:
        label, sentences = "idle", words["stand"]
    elif item.label in SEATED_LABELS and SEATED_HEIGHT[0] < height < SEATED_HEIGHT[1]:
        label, sentences = "sit", words["sit"]
    else:
        return
    kept = replace(
        item,
        pool=made.pool(sentences),
        window=True,
        content=label,
        label=label,
        style="",
        source="held",
        slow=-1,
        fast=-1,
        phrases=-1,
    )
    made.add_item(kept, hold(x[stretch], MAX_FRAMES))


# ---------------------------------------------------------------------- pairs


def _join(
    made: Collector,
    data: MotionDataset,
    count: int,
    forms: Sequence[str],
    rng: np.random.Generator,
) -> None:
    """Pairs of clips whose end and beginning are alike, each described by both captions."""
    items = [i for i in data.items if i.split == "train" and i.label and i.length >= 30]
    weights = _rarity(items)
    tries = 0
    while len([i for i in made.items if i.source == "joined"]) < count and tries < 12 * count:
        tries += 1
        a, b = (items[i] for i in rng.choice(len(items), 2, p=weights))
        if a.label == b.label:
            continue
        parts = [_part(data.item_features(i), i, rng) for i in (a, b)]
        joined = join(*parts)
        if joined is None or len(joined) > MAX_FRAMES:
            continue
        texts = [_clause(data.pools[i.pool], rng) for i in (a, b)]
        sentences = [form.format(a=texts[0], b=texts[1]) for form in forms]
        label = f"{a.label}+{b.label}"
        item = Item(
            clip=f"{a.clip}+{b.clip}",
            split="train",
            start=0,
            length=0,
            pool=made.pool(sentences),
            content=label,
            label=label,
            source="joined",
        )
        made.add_item(item, joined)


def _rarity(items: Sequence[Item]) -> np.ndarray:
    labels = [i.label for i in items]
    counts = {label: labels.count(label) for label in set(labels)}
    weights = np.array([counts[label] ** -0.7 for label in labels])
    return weights / weights.sum()


def _part(x: np.ndarray, item: Item, rng: np.random.Generator) -> np.ndarray:
    """A clip short enough to share an example with another."""
    longest = 90
    if len(x) <= longest:
        return x
    if item.window:
        length = int(rng.integers(40, longest + 1))
        start = int(rng.integers(0, len(x) - length + 1))
        return x[start : start + length]
    return x[:longest] if rng.random() < 0.5 else x[-longest:]


def _clause(pool: Sequence[str], rng: np.random.Generator) -> str:
    short = [s for s in pool if len(s.split()) <= 8] or list(pool)
    return short[int(rng.integers(len(short)))]


def join(a: np.ndarray, b: np.ndarray) -> np.ndarray | None:
    """``a`` then ``b``, cut where they are most alike near the seam and faded; None if nowhere."""
    fade = FADE_FRAMES
    if min(len(a), len(b)) < 3 * fade:
        return None
    joints = slice(_SPEC.columns("joints").start, None)
    ends = np.arange(max(fade, len(a) - fade - len(a) // 6), len(a) - fade + 1)
    starts = np.arange(0, max(1, len(b) // 6))
    apart = (a[ends, None, joints] - b[None, starts, joints]).reshape(len(ends), len(starts), -1, 3)
    gap = np.linalg.norm(apart, axis=-1).mean(-1)
    i, j = np.unravel_index(gap.argmin(), gap.shape)
    if gap[i, j] > JOIN_GAP:
        return None
    end, start = ends[i], starts[j]
    ramp = np.linspace(0.0, 1.0, fade + 2)[1:-1, None]
    weight = (ramp * ramp * (3 - 2 * ramp)).astype(np.float32)
    blend = (1 - weight) * a[end : end + fade] + weight * b[start : start + fade]
    return np.concatenate([a[:end], blend, b[start + fade :]])
