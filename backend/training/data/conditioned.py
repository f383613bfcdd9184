"""Batches with everything that a network can be asked for: tokens, labels, manners, numbers.

Each example is a clip or a window of it, retimed and trimmed at random, with its numbers measured
on what is left. The stream can be stopped and taken up again at any batch.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...motion.representations import smplrifke205
from ...pipelines.dit.vocabulary import CONTROLS, Control, Label, Vocabulary
from .batches import Batch, BatchSampler, SamplingConfig
from .controls import joint_speed, measure
from .dataset import Item, MotionDataset
from .text_cache import CaptionEmbeddings

_SPEC = smplrifke205.SPEC
_MOVING = slice(_SPEC.columns("root_velocity").start, _SPEC.columns("yaw_velocity").stop)
NORMAL = "normal"
PLAIN_SOURCES = ("capture", "hand-keyed")


@dataclass(frozen=True)
class _Example:
    """Features ``[T, 205]``, row of the caption, labels and style by name, natural controls."""

    x: np.ndarray
    caption: int
    item: Item
    controls: np.ndarray


def label_of(item: Item) -> str:
    """The action of an item, without side; joined ones have several with "+" between."""
    return item.label or item.content


def style_of(item: Item) -> str:
    """Its manner; what has none is as people move when nothing is said."""
    return item.style or NORMAL


def usual_speeds(dataset: MotionDataset) -> dict[str, float]:
    """Median joint speed (m/s) of each label over the clips that training has of it."""
    found: dict[str, list[float]] = {}
    for item in dataset.items:
        if item.split == "train" and item.source in PLAIN_SOURCES and not item.mirrored:
            speed = float(joint_speed(dataset.item_features(item)).mean()) / item.speed
            found.setdefault(label_of(item), []).append(speed)
    return {label: float(np.median(values)) for label, values in found.items()}


def vocabulary_of(dataset: MotionDataset) -> Vocabulary:
    """Labels, styles and controls of the training items, with what is typical of each label."""
    usual = usual_speeds(dataset)
    rows: dict[str, list[np.ndarray]] = {}
    takes: dict[str, set[str]] = {}
    spans: dict[str, list[float]] = {}
    every: list[np.ndarray] = []
    for item in dataset.items:
        if item.split != "train":
            continue
        name, x = label_of(item), dataset.item_features(item)
        values = measure(x, usual.get(name), item.source != "hand-keyed")
        every.append(values)
        if "+" in name or item.source == "held":
            continue
        rows.setdefault(name, []).append(values)
        if not item.mirrored and item.speed == 1.0:
            takes.setdefault(name, set()).add(item.clip)
            spans.setdefault(name, []).append(len(x) / _SPEC.fps)
    held = {i.label for i in dataset.items if i.source == "held"} - set(rows)
    labels = [_label(name, rows[name], takes[name], spans[name]) for name in sorted(rows)]
    labels += [Label(name) for name in sorted(held)]
    styles = {style_of(i) for i in dataset.items if i.split == "train"} - {NORMAL}
    return Vocabulary(
        tuple(sorted(labels, key=lambda label: label.name)),
        (NORMAL, *sorted(styles)),
        _scaled(np.stack(every)),
    )


def _label(name: str, rows: list[np.ndarray], takes: set[str], seconds: list[float]) -> Label:
    low, middle, high = np.nanpercentile(np.stack(rows), (10, 50, 90), axis=0)
    typical = {
        control.name: tuple(round(float(v), 3) for v in triple)
        for control, *triple in zip(CONTROLS, low, middle, high, strict=True)
    }
    spread = tuple(round(float(v), 2) for v in np.percentile(seconds, (10, 50, 90)))
    return Label(name, len(seconds), len(takes), spread, typical)


def _scaled(values: np.ndarray) -> tuple[Control, ...]:
    """The controls with centre and scale of these measurements ``[N, C]``."""
    found = []
    for control, column in zip(CONTROLS, values.T, strict=True):
        column = column[np.isfinite(column)]
        low, middle, high = np.percentile(column, (5, 50, 95))
        scale = max(float(high - low) / 3.3, 0.05)
        if control.name in ("forward", "leftward", "turn", "tempo"):
            middle, scale = 0.0, max(scale, 0.3)
        if control.name == "captured":
            middle, scale = 0.5, 0.5
        rounded = round(float(middle), 4), round(scale, 4)
        found.append(Control(control.name, control.unit, control.meaning, *rounded))
    return tuple(found)


# ---------------------------------------------------------------------- one example


def retimed(x: np.ndarray, rate: float) -> np.ndarray:
    """``[T, 205]`` as if it went ``rate`` times as fast, ``[about T / rate, 205]``.

    Values are blended between frames, what is per frame grows with the rate.
    """
    frames = max(3, round((len(x) - 1) / rate) + 1)
    place = np.linspace(0.0, len(x) - 1, frames)
    lower = np.minimum(place.astype(int), len(x) - 2)
    weight = (place - lower)[:, None].astype(np.float32)
    out = (1 - weight) * x[lower] + weight * x[lower + 1]
    out[:, _MOVING] *= (len(x) - 1) / (frames - 1)
    return out


def trimmed(x: np.ndarray, rng: np.random.Generator, least: int, quiet: float = 0.25) -> np.ndarray:
    """Without some of the frames at either end in which less moves than ``quiet`` of the mean."""
    speed = joint_speed(x)
    lively = np.flatnonzero(speed > quiet * speed.mean())
    if len(lively) == 0:
        return x
    start = int(rng.integers(0, lively[0] + 1))
    stop = len(x) - int(rng.integers(0, len(speed) - lively[-1]))
    return x[start:stop] if stop - start >= least else x


def item_shares(items: Sequence[Item], config: SamplingConfig) -> np.ndarray:
    """Sampling probability of each item ``[N]``.

    Labels (with their styles) weigh count^(1 - balance), a label never less than
    ``content_floor``; hand-keyed clips weigh ``hand_keyed`` of what they would where there are
    captured ones too; joined ones together ``joined``.
    """
    joined = np.array([i.source == "joined" for i in items])
    pairs = [(label_of(i), style_of(i)) for i in items]
    counts = Counter(pair for pair, j in zip(pairs, joined, strict=True) if not j)
    weights = np.array([0.0 if j else counts[p] ** -config.balance for p, j in zip(pairs, joined)])
    captured = {label_of(i) for i in items if i.source == "capture"}
    for k, item in enumerate(items):
        if item.source == "hand-keyed" and label_of(item) in captured:
            weights[k] *= config.hand_keyed
        if item.source == "held":
            weights[k] *= config.held
    weights /= max(weights.sum(), 1e-12)
    names = np.array([pair[0] for pair in pairs])
    for label in {pair[0] for pair, j in zip(pairs, joined, strict=True) if not j}:
        mask = (names == label) & ~joined
        share = weights[mask].sum()
        if share < config.content_floor:
            weights[mask] *= config.content_floor / share
        weights[mask] *= config.emphasis.get(label, 1.0)
    weights /= max(weights.sum(), 1e-12)
    if joined.any():
        weights = (1 - config.joined) * weights + config.joined * joined / joined.sum()
    return weights / weights.sum()


class ConditionedSampler(BatchSampler):
    """Endless stream of :class:`Batch` whose ``wishes`` hold labels, styles and controls."""

    def __init__(
        self,
        dataset: MotionDataset,
        text: CaptionEmbeddings,
        mean: np.ndarray,
        std: np.ndarray,
        config: SamplingConfig,
        seed: int,
        vocabulary: Vocabulary,
    ) -> None:
        self.vocabulary = vocabulary
        super().__init__(dataset, text, mean, std, config, seed)
        self.weights = item_shares(self.items, config)
        self.usual = usual_speeds(dataset)
        self._label_columns = vocabulary.label_index
        self._style_columns = vocabulary.style_index

    # ------------------------------------------------------------------ examples

    def _fill(self) -> None:
        picks = self.rng.choice(len(self.items), 64 * self.config.bucket, p=self.weights)
        examples = sorted((self._draw(self.items[i]) for i in picks), key=lambda e: len(e.x))
        group: list[_Example] = []
        for example in examples:
            if group and len(example.x) * (len(group) + 1) > self.config.frames_per_batch:
                self._ready.append(self._collected(group))
                group = []
            group.append(example)
        self._ready.append(self._collected(group))
        self.rng.shuffle(self._ready)  # type: ignore[arg-type]

    def _draw(self, item: Item) -> _Example:
        config, rng = self.config, self.rng
        x = self.dataset.item_features(item)
        if item.window and rng.random() < config.crop:
            length = int(rng.integers(min(config.min_frames, len(x)), len(x) + 1))
            start = int(rng.integers(0, len(x) - length + 1))
            x = x[start : start + length]
        elif not item.window and rng.random() < config.trim:
            x = trimmed(x, rng, config.min_frames)
        rate = self._rate(item)
        if rate != 1.0 and (len(x) - 1) / rate + 1 >= config.min_frames:
            x = retimed(x, rate)
        else:
            rate = 1.0
        if len(x) > config.max_frames:
            start = int(rng.integers(0, len(x) - config.max_frames + 1))
            x = x[start : start + config.max_frames]
        usual = self.usual.get(label_of(item)) if item.source in PLAIN_SOURCES else None
        controls = measure(x, usual, item.source != "hand-keyed")
        return _Example(x, self._caption(item, rate), item, controls)

    def _rate(self, item: Item) -> float:
        config, rng = self.config, self.rng
        kind = rng.random()
        if kind < config.retime_wide and item.source in PLAIN_SOURCES:
            return float(np.exp(rng.uniform(np.log(0.62), np.log(1.6))))
        if kind < config.retime_wide + config.retime:
            return float(np.exp(rng.uniform(-np.log(1.15), np.log(1.15))))
        return 1.0

    def _caption(self, item: Item, rate: float) -> int:
        rng, pool = self.rng, item.pool
        if rate < 0.8 and item.slow >= 0 and rng.random() < 0.6:
            pool = item.slow
        elif rate > 1.25 and item.fast >= 0 and rng.random() < 0.6:
            pool = item.fast
        elif item.phrases >= 0 and rng.random() < 0.5:
            pool = item.phrases
        rows = self.text.pool(pool)
        return int(rows[rng.integers(len(rows))])

    def _collected(self, group: list[_Example]) -> Batch:
        lengths = np.array([len(e.x) for e in group])
        out = np.zeros((len(group), lengths.max(), self.mean.size), np.float32)
        for row, example in zip(out, group, strict=True):
            row[: len(example.x)] = (example.x - self.mean) / self.std
        rows = [e.caption for e in group]
        tokens, mask = self.text.token_states(rows)
        values, known = self.vocabulary.normalised(np.stack([e.controls for e in group]))
        wishes = {
            "tokens": tokens,
            "token_mask": mask,
            "labels": self._labels_of(group),
            "styles": self._styles_of(group),
            "controls": values,
            "controls_known": known,
        }
        numbers = np.array([self._labels[(e.item.content, e.item.style)] for e in group])
        text = self.text
        words = text.sentence[rows], text.sides[rows], text.actions[rows]
        return Batch(out, lengths, *words, numbers, wishes)

    def _labels_of(self, group: Sequence[_Example]) -> np.ndarray:
        out = np.zeros((len(group), len(self._label_columns)), np.float32)
        for row, example in zip(out, group, strict=True):
            names = label_of(example.item).split("+")
            for name in names:
                row[self._label_columns[name]] += 1.0 / len(names)
        return out

    def _styles_of(self, group: Sequence[_Example]) -> np.ndarray:
        out = np.zeros((len(group), len(self._style_columns)), np.float32)
        columns = [self._style_columns[style_of(e.item)] for e in group]
        out[np.arange(len(group)), columns] = 1.0
        return out
