"""The protocol: which embeddings are compared, how often, and the table that comes of it.

Embeddings are made once. Each repeat draws, from one seeded generator and in the published order,
the galleries, the pairs of the real diversity and those of the predictions; what is ours alone
(random captions, shuffles, redraws) has a generator of its own. Rows, always in this order: ground
truth, ground truth through a bridge, predictions, and predictions with their captions shuffled,
which is what a metric reads when text means nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from ..errors import InvalidRequest
from . import distribution, retrieval
from .intervals import Interval, around, confidence_interval

GT, PREDICTION, SHUFFLED = "ground truth", "predictions", "shuffled captions"
BRIDGED = "ground truth via {}"
"""Row of the real motions that went through another representation and back."""
FD, FD_UNIT = "FD", "FD (unit length)"
"""Frechet distances of embeddings as they are, and scaled to length 1: never one for the other."""
DIVERSITY_PAIRS = 300
SMALL = 1000
"""Below this many samples a Frechet distance gets an interval from redraws."""
BOOTSTRAPS = 100
MIN_GALLERY = 3
CAPTION_CHOICES = ("first", "random", "selected")


class Preset(TypedDict, total=False):
    """Attributes of :class:`Protocol` that a preset decides."""

    repeats: int
    seed: int
    caption: str
    small_galleries: bool


PRESETS: dict[str, Preset] = {
    "kinetype": {"repeats": 20, "seed": 0, "caption": "first"},
    "leaderboard": {"repeats": 1, "seed": 0, "caption": "selected", "small_galleries": True},
}
"""Settings by name: ours, and those of the public leaderboard of HumanML3D (Motius, July 2026)."""


@dataclass(frozen=True)
class Protocol:
    """How a table is made; written beside its numbers.

    Attributes:
        caption: ``first`` caption of each motion, a ``random`` one in each repeat, or the one
            that the leaderboards ``selected``.
        small_galleries: fewer motions than ``batch`` make one smaller gallery, instead of none.
        equal_captions: any motion of the same caption counts as right, and the nearest of them
            for MM-Dist.
        unit: embeddings are scaled to length 1 first (cosine evaluators).
        unit_l1: diversity by the L1 norm of unit vectors (MotionCLIP).
        tmr_score: also report mean ``(cos + 1) / 2`` of text and motion.
    """

    evaluator: str
    repeats: int = 20
    seed: int = 0
    caption: str = "first"
    batch: int = retrieval.BATCH
    small_galleries: bool = False
    equal_captions: bool = False
    diversity_pairs: int = DIVERSITY_PAIRS
    nearest_k: int = 5
    unit: bool = False
    unit_l1: bool = False
    tmr_score: bool = False

    def __post_init__(self) -> None:
        if self.caption not in CAPTION_CHOICES:
            raise InvalidRequest(
                f"Unknown caption choice {self.caption!r}.", f"Use {' or '.join(CAPTION_CHOICES)}."
            )
        if self.repeats < 1:
            raise InvalidRequest(f"{self.repeats} repeats are not enough.", "Use 1 or more.")

    def gallery(self, count: int) -> int:
        """Rows of a gallery among ``count`` motions; :class:`InvalidRequest` if they are too few.

        Without a gallery there is no R-Precision.
        """
        least = MIN_GALLERY if self.small_galleries else self.batch
        if count < least:
            raise InvalidRequest(
                f"{count} motions are too few: R-Precision needs galleries of {least}.",
                "Evaluate more motions, or use --evaluator physical, which judges each alone.",
            )
        return min(self.batch, count)


def preset(
    name: str,
    *,
    repeats: int | None = None,
    seed: int | None = None,
    caption: str | None = None,
) -> Preset:
    """The settings of a preset with what is asked for in their place."""
    if name not in PRESETS:
        raise InvalidRequest(
            f"There is no protocol preset {name!r}.", f"Use {' or '.join(PRESETS)}."
        )
    found = PRESETS[name].copy()
    if repeats is not None:
        found["repeats"] = repeats
    if seed is not None:
        found["seed"] = seed
    if caption is not None:
        found["caption"] = caption
    return found


@dataclass(frozen=True)
class Texts:
    """Embeddings ``[K, D]`` of all captions; motion ``i`` has rows ``starts[i] .. starts[i+1]``."""

    embeddings: np.ndarray
    starts: np.ndarray

    @classmethod
    def from_counts(cls, embeddings: np.ndarray, counts: Sequence[int]) -> Texts:
        """``counts`` captions of each motion, one after the other."""
        return cls(embeddings, np.concatenate([[0], np.cumsum(counts)]).astype(int))

    def choose(self, choice: str, rng: np.random.Generator) -> np.ndarray:
        """One caption of each motion ``[N, D]``."""
        counts = np.diff(self.starts)
        pick = rng.integers(0, counts) if choice == "random" else np.zeros(len(counts), int)
        return self.embeddings[self.starts[:-1] + pick]


Table = dict[str, dict[str, Interval]]
"""Row name -> metric name -> value with its interval."""


def evaluate(
    protocol: Protocol,
    texts: Texts,
    real: np.ndarray,
    generated: np.ndarray | None = None,
    *,
    bridged: Mapping[str, np.ndarray] | None = None,
    groups: np.ndarray | None = None,
) -> Table:
    """The table of one evaluation.

    Args:
        texts: captions of the N motions.
        real: ``[N, D]`` embeddings of the real motions.
        generated: ``[N, D]`` of the predictions in the same order; only the GT row when None.
        bridged: name of a representation -> ``[N, D]`` of the real motions through it and back;
            each is a row, and predictions get their distance from it as a column.
        groups: ``[N]`` a motion of the same group is as right as the caption's own.

    Raises:
        InvalidRequest: fewer motions than one gallery.
        FormatError: embeddings that are not finite or do not pair.
    """
    protocol.gallery(len(real))
    named = {GT: real, **{BRIDGED.format(k): v for k, v in (bridged or {}).items()}}
    if generated is not None:
        named[PREDICTION] = generated
    if protocol.unit:
        texts = Texts(unit(texts.embeddings), texts.starts)
        named = {name: unit(x) for name, x in named.items()}
    table = {}
    for name, x in named.items():
        table[name] = _row(protocol, texts, named[GT], x, groups)
        others = {n: named[n] for n in (named if name == PREDICTION else [GT]) if n != name}
        for other, reference in others.items():
            table[name] |= _distances(protocol, reference, x, other)
    if generated is not None:
        table[SHUFFLED] = _row(protocol, texts, named[GT], named[PREDICTION], groups, shuffled=True)
    return table


def _row(
    protocol: Protocol,
    texts: Texts,
    real: np.ndarray,
    motion: np.ndarray,
    groups: np.ndarray | None,
    *,
    shuffled: bool = False,
) -> dict[str, Interval]:
    """Metrics of one row; every row sees the same draws."""
    rng, own = np.random.default_rng(protocol.seed), np.random.default_rng((protocol.seed, 1))
    pairs, batch = min(protocol.diversity_pairs, len(motion)), protocol.gallery(len(motion))
    drawn = [texts.choose(protocol.caption, own) for _ in range(protocol.repeats)]
    values: dict[str, list[float]] = {}
    for text in drawn:
        order = rng.permutation(len(motion))
        text = text[own.permutation(len(text))] if shuffled else text
        same = None if groups is None else groups[order]
        found = retrieval.match(text[order], motion[order], batch=batch, groups=same)
        for k, share in enumerate(found.r_precision, 1):
            values.setdefault(f"R@{k}", []).append(float(share))
        values.setdefault("MM-Dist", []).append(found.matching_score)
        if protocol.tmr_score:
            score = float(retrieval.tmr_score(text, motion).mean())
            values.setdefault("TMR-Score", []).append(score)
        spread = [
            retrieval.diversity(x, pairs, rng, unit_l1=protocol.unit_l1) for x in (real, motion)
        ]
        values.setdefault("Diversity", []).append(spread[0 if motion is real else 1])
    return {name: confidence_interval(v) for name, v in values.items()}


def _distances(
    protocol: Protocol, reference: np.ndarray, motion: np.ndarray, name: str
) -> dict[str, Interval]:
    """Columns that compare ``motion`` with a population; ``name`` says with which, but for GT."""
    ours = "" if name == GT else f", {name}"
    row = {f"{FD}{ours}": _frechet(reference, motion, protocol.seed)}
    if not protocol.unit:
        row[f"{FD_UNIT}{ours}"] = _frechet(unit(reference), unit(motion), protocol.seed)
    if not ours and min(len(reference), len(motion)) > protocol.nearest_k:
        shares = distribution.prdc(reference, motion, protocol.nearest_k)
        row |= {share: Interval(v, v, v) for share, v in shares.items()}
    return row


def _frechet(real: np.ndarray, motion: np.ndarray, seed: int) -> Interval:
    """The distance and, for few motions, how far redraws of them spread (1.96 deviations).

    Redraws repeat motions and so lie above the distance itself; their percentiles may not hold it,
    their spread may be laid around it.
    """
    gaussian = distribution.gaussian(real)

    def distance(rows: np.ndarray) -> float:
        return distribution.frechet_of_gaussians(gaussian, distribution.gaussian(motion[rows]))

    value = distance(np.arange(len(motion)))
    if len(motion) >= SMALL:
        return Interval(value, value, value)
    rng = np.random.default_rng((seed, 2))
    redraws = [distance(rng.integers(0, len(motion), len(motion))) for _ in range(BOOTSTRAPS)]
    return around(value, redraws)


def unit(x: np.ndarray) -> np.ndarray:
    """Rows ``[..., D]`` scaled to length 1, float64."""
    x = np.asarray(x, np.float64)
    return x / np.linalg.norm(x, axis=-1, keepdims=True).clip(1e-12)


def as_json(table: Table) -> dict[str, dict[str, dict[str, float]]]:
    """Plain numbers: row -> metric -> mean, low, high."""
    return {
        row: {
            name: {"mean": value.mean, "low": value.low, "high": value.high}
            for name, value in metrics.items()
        }
        for row, metrics in table.items()
    }


def as_text(table: Table, digits: int = 3) -> str:
    """A table for people: rows as :data:`GT` first, a metric per column, ``value ± half``.

    An interval that is not centred on its value (bootstrap) is shown as ``value [low, high]``.
    """
    columns = list(dict.fromkeys(name for row in table.values() for name in row))
    rows = [["", *columns]]
    for name, metrics in table.items():
        cells = [_cell(metrics[c], digits) if c in metrics else "-" for c in columns]
        rows.append([name, *cells])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def _cell(value: Interval, digits: int) -> str:
    half = (value.high - value.low) / 2
    if half == 0:
        return f"{value.mean:.{digits}f}"
    if abs(value.mean - (value.high + value.low) / 2) > 1e-9 + 1e-6 * abs(value.mean):
        return f"{value.mean:.{digits}f} [{value.low:.{digits}f}, {value.high:.{digits}f}]"
    return f"{value.mean:.{digits}f} ± {half:.{digits}f}"
