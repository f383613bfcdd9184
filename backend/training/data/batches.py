"""Batches for the trainer: weighted sampling, crops, stitched repeats, length buckets."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...motion.representations import smplrifke205
from .dataset import Item, MotionDataset
from .text_cache import CaptionEmbeddings

CYCLIC = ("walk", "run", "dash", "wave")
"""Contents that start with these repeat a cycle: any window of them is a whole example."""
FADE_FRAMES = 8
LEAST_SCALE = 1e-4
"""Of a column that never changes: nothing is divided by zero."""


@dataclass(frozen=True)
class SamplingConfig:
    """How training examples are drawn.

    ``balance`` is the exponent of 1 / count for each (content, style) pair; ``content_floor`` the
    least share that a content gets, ``emphasis`` a factor for the contents, or
    ``content/style`` pairs, that it names (after both).
    ``crop`` and ``stitch`` are the chances of a random window and of joining two takes of the same
    label; ``frames_per_batch`` bounds the padded size. The rest is for
    :class:`.conditioned.ConditionedSampler`: the chances of a change of speed by up to 15 %
    (``retime``) or up to 1.6 times (``retime_wide``) and of cutting still ends (``trim``); the
    weight of clips keyed by hand beside captured ones and of poses that were kept, and the share of
    joined clips.
    """

    balance: float = 0.5
    content_floor: float = 0.02
    emphasis: dict[str, float] = field(default_factory=dict)
    crop: float = 0.3
    stitch: float = 0.2
    min_frames: int = 24
    max_frames: int = 196
    frames_per_batch: int = 5120
    bucket: int = 24
    retime: float = 0.5
    retime_wide: float = 0.2
    trim: float = 0.5
    hand_keyed: float = 0.5
    held: float = 0.5
    joined: float = 0.08


@dataclass(frozen=True)
class Batch:
    """``x`` [B, T, D] normalised, zero-padded; ``lengths`` [B]; ``sentence`` [B, 384];
    ``sides`` [B, 2] and ``actions`` [B, 16] flags of the words it names; ``labels`` [B] a number
    for each (content, style). ``wishes`` holds what a conditioned network takes beside it
    (``models.dit``): tokens, token_mask, labels, styles, controls, controls_known.
    """

    x: np.ndarray
    lengths: np.ndarray
    sentence: np.ndarray
    sides: np.ndarray
    actions: np.ndarray
    labels: np.ndarray
    wishes: dict[str, np.ndarray] = field(default_factory=dict)


_Example = tuple[np.ndarray, int, int]
"""Features ``[T, D]``, row of its caption, number of its label."""


class BatchSampler:
    """Endless stream of :class:`Batch` from the training items of a dataset."""

    def __init__(
        self,
        dataset: MotionDataset,
        text: CaptionEmbeddings,
        mean: np.ndarray,
        std: np.ndarray,
        config: SamplingConfig,
        seed: int,
    ) -> None:
        self.dataset, self.text, self.config = dataset, text, config
        self.mean, self.std = mean, std
        self.rng = np.random.default_rng(seed)
        self.items = [
            i for i in dataset.items if i.split == "train" and i.length >= config.min_frames
        ]
        self.weights = item_weights(self.items, config)
        self.mates: dict[tuple[str, str, bool], list[Item]] = {}
        for item in self.items:
            self.mates.setdefault((item.content, item.style, item.mirrored), []).append(item)
        names = sorted({(i.content, i.style) for i in self.items})
        self._labels = {name: number for number, name in enumerate(names)}
        self._ready: list[Batch] = []
        self._begun, self._used = self._random_state(), 0

    def next(self) -> Batch:
        """The next batch; sampling is done a bucket of batches at a time."""
        if not self._ready:
            self._begun, self._used = self._random_state(), 0
            self._fill()
        self._used += 1
        return self._ready.pop()

    def _random_state(self) -> str:
        return json.dumps(self.rng.bit_generator.state)

    def state(self) -> dict[str, object]:
        """Where the stream is: plain values."""
        return {"bucket": self._begun, "used": self._used}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on behind the batch at which :meth:`state` was taken (same data and settings)."""
        self.rng.bit_generator.state = json.loads(state["bucket"])
        self._ready = []
        for _ in range(int(state["used"])):
            self.next()
        if not state["used"]:
            self._begun, self._used = state["bucket"], 0

    def _fill(self) -> None:
        config = self.config
        picks = self.rng.choice(len(self.items), size=64 * config.bucket, p=self.weights)
        clips = [self._example(self.items[i]) for i in picks]
        clips.sort(key=lambda pair: len(pair[0]))
        group: list[_Example] = []
        for clip in clips:
            if group and len(clip[0]) * (len(group) + 1) > config.frames_per_batch:
                self._ready.append(self._collate(group))
                group = []
            group.append(clip)
        # the last group is a full one too, unless the bucket is tiny: it holds the longest clips
        self._ready.append(self._collate(group))
        self.rng.shuffle(self._ready)  # type: ignore[arg-type]

    def _example(self, item: Item) -> _Example:
        config, rng = self.config, self.rng
        x = self.dataset.item_features(item)
        cyclic = item.content.startswith(CYCLIC)
        if item.window:
            x = _window(x, rng, min(80, len(x)), min(config.max_frames, len(x)))
        elif rng.random() < config.stitch and len(x) < config.max_frames - 40:
            mates = self.mates[(item.content, item.style, item.mirrored)]
            other = self.dataset.item_features(mates[rng.integers(len(mates))])
            x = stitch(x, other)
        if rng.random() < config.crop and cyclic:
            x = _window(x, rng, min(40, len(x)), len(x))
        if len(x) > config.max_frames:
            x = _window(x, rng, config.max_frames, config.max_frames)
        pool = self.text.pool(item.pool)
        label = self._labels[(item.content, item.style)]
        return x, int(pool[rng.integers(len(pool))]), label

    def _collate(self, group: list[_Example]) -> Batch:
        lengths = np.array([len(x) for x, _, _ in group])
        out = np.zeros((len(group), lengths.max(), self.mean.size), np.float32)
        for row, (x, _, _) in zip(out, group, strict=True):
            row[: len(x)] = (x - self.mean) / self.std
        rows = [caption for _, caption, _ in group]
        labels = np.array([label for _, _, label in group])
        text = self.text
        words = text.sentence[rows], text.sides[rows], text.actions[rows]
        return Batch(out, lengths, *words, labels)


def item_weights(items: list[Item], config: SamplingConfig) -> np.ndarray:
    """Sampling probability of each item ``[N]``: balanced over labels, none below the floor.

    Copies of one take (mirrored, time-warped) share the weight of the take.
    """
    takes = Counter((i.content, i.style) for i in items)
    weights = np.array([takes[(i.content, i.style)] ** -config.balance for i in items])
    # each pair now weighs count^(1 - balance)
    contents = np.array([i.content for i in items])
    weights /= weights.sum()
    for content in np.unique(contents):
        mask = contents == content
        share = weights[mask].sum()
        if share < config.content_floor:
            weights[mask] *= config.content_floor / share
    own = config.emphasis
    factors = [own.get(f"{i.content}/{i.style}", own.get(i.content, 1.0)) for i in items]
    weights *= np.array(factors)
    return weights / weights.sum()


def stitch(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Continue ``a`` with ``b``, cut where their poses are most alike, cross-faded over 8 frames.

    The features know no heading and no place, so two takes join without turning or moving them.
    Cuts lie in the last third of ``a`` and the first third of ``b``.
    """
    fade = FADE_FRAMES
    if min(len(a), len(b)) < 4 * fade:
        return a
    pose = slice(smplrifke205.SPEC.columns("rotations").start, None)
    ends = np.arange(max(fade, 2 * len(a) // 3), len(a) - fade + 1)
    starts = np.arange(0, max(1, len(b) // 3))
    gap = ((a[ends, None, pose] - b[None, starts, pose]) ** 2).sum(-1)
    i, j = np.unravel_index(gap.argmin(), gap.shape)
    end, start = ends[i], starts[j]
    weight = np.linspace(0.0, 1.0, fade + 2, dtype=np.float32)[1:-1, None]
    blend = (1 - weight) * a[end : end + fade] + weight * b[start : start + fade]
    return np.concatenate([a[:end], blend, b[start + fade :]])


def _window(x: np.ndarray, rng: np.random.Generator, low: int, high: int) -> np.ndarray:
    length = int(rng.integers(low, high + 1))
    start = int(rng.integers(0, len(x) - length + 1))
    return x[start : start + length]


def feature_statistics(dataset: MotionDataset) -> tuple[np.ndarray, np.ndarray]:
    """Mean and scale ``[205]`` of the training items.

    The scale is shared inside a group (height, velocity, turn, each joint's rotation, each joint's
    position): per-column deviations would blow up the noise of columns that hardly move. A joint
    that never moves gets a tenth of the mean scale of its block.
    """
    rows = [dataset.item_features(i) for i in dataset.items if i.split == "train"]
    x = np.concatenate(rows)
    mean, variance = x.mean(0, dtype=np.float64), x.var(0, dtype=np.float64)
    scale = np.empty_like(mean)
    for name, size in (
        ("root_height", 1),
        ("root_velocity", 2),
        ("yaw_velocity", 1),
        ("rotations", 6),
        ("joints", 3),
    ):
        columns = smplrifke205.SPEC.columns(name)
        grouped = np.sqrt(variance[columns].reshape(-1, size).mean(1))
        grouped = np.maximum(grouped, max(0.1 * grouped.mean(), LEAST_SCALE))
        scale[columns] = np.repeat(grouped, size)
    return mean.astype(np.float32), scale.astype(np.float32)
