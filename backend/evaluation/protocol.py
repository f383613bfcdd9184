"""The protocol: which embeddings are compared, how often, and the table that comes of it.

Embeddings are made once; every repeat draws captions, the galleries of 32 and the pairs of the
diversity again, from one seeded generator. Rows, always in this order: ground truth, predictions,
and predictions with their captions shuffled, which is what a metric reads when text means nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InvalidRequest
from . import distribution, retrieval
from .intervals import Interval, bootstrap, confidence_interval

GT, PREDICTION, SHUFFLED = "ground truth", "predictions", "shuffled captions"
DIVERSITY_PAIRS = 300
SMALL = 1000
"""Below this many samples a Frechet distance gets a bootstrap interval."""
BOOTSTRAPS = 100
CAPTION_CHOICES = ("first", "random")


@dataclass(frozen=True)
class Protocol:
    """How a table is made; written beside its numbers.

    Attributes:
        caption: ``first`` caption of each motion, or a ``random`` one in each repeat.
        unit: embeddings are scaled to length 1 first (cosine evaluators).
        unit_l1: diversity by the L1 norm of unit vectors (MotionCLIP).
        tmr_score: also report mean ``(cos + 1) / 2`` of text and motion.
    """

    evaluator: str
    repeats: int = 20
    seed: int = 0
    caption: str = "first"
    batch: int = retrieval.BATCH
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
    protocol: Protocol, texts: Texts, real: np.ndarray, generated: np.ndarray | None = None
) -> Table:
    """The table of one evaluation.

    Args:
        texts: captions of the N motions.
        real: ``[N, D]`` embeddings of the real motions.
        generated: ``[N, D]`` of the predictions in the same order; only the GT row when None.

    Raises:
        InvalidRequest: fewer motions than one gallery.
        FormatError: embeddings that are not finite or do not pair.
    """
    if len(real) < protocol.batch:
        raise InvalidRequest(
            f"{len(real)} motions are too few: R-Precision needs galleries of {protocol.batch}.",
            "Evaluate more motions, or use --evaluator physical, which judges each alone.",
        )
    if protocol.unit:
        texts = Texts(unit(texts.embeddings), texts.starts)
        real = unit(real)
        generated = None if generated is None else unit(generated)
    rng = np.random.default_rng(protocol.seed)
    orders = [rng.permutation(len(real)) for _ in range(protocol.repeats)]
    drawn = [texts.choose(protocol.caption, rng) for _ in range(protocol.repeats)]
    table = {GT: _row(protocol, drawn, orders, real, None, rng)}
    if generated is not None:
        table[PREDICTION] = _row(protocol, drawn, orders, generated, real, rng)
        mixed = [text[rng.permutation(len(text))] for text in drawn]
        table[SHUFFLED] = _row(protocol, mixed, orders, generated, None, rng)
    return table


def _row(
    protocol: Protocol,
    drawn: Sequence[np.ndarray],
    orders: Sequence[np.ndarray],
    motion: np.ndarray,
    real: np.ndarray | None,
    rng: np.random.Generator,
) -> dict[str, Interval]:
    values: dict[str, list[float]] = {}
    pairs = min(protocol.diversity_pairs, len(motion))
    for text, order in zip(drawn, orders, strict=True):
        found = retrieval.match(text[order], motion[order], batch=protocol.batch)
        for k, share in enumerate(found.r_precision, 1):
            values.setdefault(f"R@{k}", []).append(float(share))
        values.setdefault("MM-Dist", []).append(found.matching_score)
        if protocol.tmr_score:
            score = float(retrieval.tmr_score(text, motion).mean())
            values.setdefault("TMR-Score", []).append(score)
        spread = retrieval.diversity(motion, pairs, rng, unit_l1=protocol.unit_l1)
        values.setdefault("Diversity", []).append(spread)
    row = {name: confidence_interval(v) for name, v in values.items()}
    if real is not None:
        row["FD"] = _frechet(real, motion)
        if min(len(real), len(motion)) > protocol.nearest_k:
            shares = distribution.prdc(real, motion, protocol.nearest_k)
            row |= {name: Interval(v, v, v) for name, v in shares.items()}
    return row


def _frechet(real: np.ndarray, motion: np.ndarray) -> Interval:
    gaussian = distribution.gaussian(real)

    def distance(rows: np.ndarray) -> float:
        return distribution.frechet_of_gaussians(gaussian, distribution.gaussian(motion[rows]))

    if len(motion) >= SMALL:
        value = distance(np.arange(len(motion)))
        return Interval(value, value, value)
    return bootstrap(distance, len(motion), repeats=BOOTSTRAPS)


def unit(x: np.ndarray) -> np.ndarray:
    """Rows ``[..., D]`` scaled to length 1."""
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
