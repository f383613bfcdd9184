"""How well texts and motions find each other, and how much samples differ.

Rows of texts and motions belong together. Sources: Guo et al. 2022 (R-Precision, matching score,
diversity, multimodality), Petrovich et al. 2023 (TMR: retrieval protocols, TMR score).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import FormatError
from .distribution import check_embeddings

BATCH = 32
"""Gallery size of the published R-Precision; samples beyond a multiple of it are dropped."""
RANKS = (1, 2, 3, 5, 10)


@dataclass(frozen=True)
class Matching:
    """Text to motion in galleries of 32.

    ``hits`` ``[batches, top]`` counts of the right motion among the nearest 1, 2, ...;
    ``distance_sum`` ``[batches]`` of the right pairs.
    """

    hits: np.ndarray
    distance_sum: np.ndarray
    batch: int

    @property
    def samples(self) -> int:
        """Pairs that took part."""
        return len(self.hits) * self.batch

    @property
    def r_precision(self) -> np.ndarray:
        """Share of texts whose motion is among the nearest 1, 2, ... ``[top]``."""
        return self.hits.sum(0) / self.samples

    @property
    def matching_score(self) -> float:
        """Mean distance of the right pairs (MM-Dist)."""
        return float(self.distance_sum.sum() / self.samples)


def match(
    text: np.ndarray,
    motion: np.ndarray,
    *,
    top: int = 3,
    batch: int = BATCH,
    groups: np.ndarray | None = None,
) -> Matching:
    """Rank motions by Euclidean distance to each text, in consecutive galleries of ``batch`` rows.

    Args:
        text, motion: ``[N, D]``, row i of one belongs to row i of the other.
        groups: ``[N]``; every motion of a text's group is right, and its nearest one counts.

    Raises:
        FormatError: different shapes, fewer rows than one gallery, or values not finite.
    """
    if np.shape(text) != np.shape(motion):
        raise FormatError(
            f"{np.shape(text)} text embeddings do not pair with {np.shape(motion)} of motion.",
            "Give one caption for each motion, encoded by the same evaluator.",
        )
    text = check_embeddings(text, "The text embeddings", batch).astype(np.float64)
    motion = check_embeddings(motion, "The motion embeddings", batch).astype(np.float64)
    full = len(text) // batch
    t = text[: full * batch].reshape(full, batch, -1)
    m = motion[: full * batch].reshape(full, batch, -1)
    squares = (t**2).sum(-1)[:, :, None] + (m**2).sum(-1)[:, None] - 2 * t @ m.swapaxes(1, 2)
    distance = np.sqrt(squares.clip(0))
    right = np.broadcast_to(np.eye(batch, dtype=bool), distance.shape)
    if groups is not None:
        g = np.asarray(groups)[: full * batch].reshape(full, batch)
        right = g[:, :, None] == g[:, None]
    # ties rank by position, like the stable sort of the published code
    place = np.argsort(np.argsort(distance, axis=-1, kind="stable"), axis=-1)
    rank = np.where(right, place, batch).min(-1)
    own = np.where(right, distance, np.inf).min(-1)
    hits = (rank[:, :, None] < np.arange(1, top + 1)).sum(1)
    return Matching(hits, own.sum(1), batch)


def r_precision(
    text: np.ndarray, motion: np.ndarray, *, top: int = 3, batch: int = BATCH
) -> np.ndarray:
    """R-Precision top-1 .. top-``top`` ``[top]`` in galleries of ``batch``; see :func:`match`."""
    return match(text, motion, top=top, batch=batch).r_precision


def matching_score(text: np.ndarray, motion: np.ndarray, *, batch: int = BATCH) -> float:
    """MM-Dist: mean distance of each motion to its own text; see :func:`match`.

    Args:
        text, motion: embeddings ``[N, D]``, row by row a pair.
        batch: rows of a gallery; a last gallery that is not full is left out, as published.
    """
    return match(text, motion, batch=batch).matching_score


def diversity(
    x: np.ndarray,
    pairs: int = 300,
    rng: np.random.RandomState | np.random.Generator | None = None,
    *,
    unit_l1: bool = False,
) -> float:
    """Mean distance of random pairs of ``[N, D]``: two draws of ``pairs`` rows each.

    Args:
        pairs: at most N; the published protocols take 300.
        rng: ``numpy.random.RandomState(seed)`` draws the indices of published, globally seeded
            runs.
        unit_l1: rows of unit length and their L1 distance, as the MotionCLIP evaluator reports it.

    Raises:
        FormatError: fewer rows than ``pairs``.
    """
    x = check_embeddings(x, "The embeddings", pairs)
    rng = rng or np.random.default_rng()
    first, second = (rng.choice(len(x), pairs, replace=False) for _ in range(2))
    if unit_l1:
        x = x / np.linalg.norm(x, axis=1, keepdims=True).clip(1e-12)
        return float(np.abs(x[first] - x[second]).sum(1).mean())
    return float(np.linalg.norm(x[first] - x[second], axis=1).mean())


def multimodality(
    x: np.ndarray,
    pairs: int = 10,
    rng: np.random.RandomState | np.random.Generator | None = None,
) -> float:
    """Mean distance of samples of one text: ``[texts, samples, D]``, ``pairs`` pairs each.

    The same two draws of sample indices serve all texts.
    """
    x = np.asarray(x)
    if x.ndim != 3 or x.shape[1] < pairs or not np.isfinite(x).all():
        raise FormatError(
            f"Multimodality needs finite [texts, samples >= {pairs}, D], not {list(x.shape)}.",
            "Generate more samples of each text.",
        )
    rng = rng or np.random.default_rng()
    first, second = (rng.choice(x.shape[1], pairs, replace=False) for _ in range(2))
    return float(np.linalg.norm(x[:, first] - x[:, second], axis=2).mean())


# ---------------------------------------------------------------------------- TMR's protocols


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine similarity ``[N, M]`` of the rows of ``[N, D]`` and ``[M, D]``."""
    a = a / np.linalg.norm(a, axis=-1, keepdims=True)
    return a @ (b / np.linalg.norm(b, axis=-1, keepdims=True)).T


def tmr_score(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """``(cos + 1) / 2`` of matched rows ``[N, D]``, in 0..1, ``[N]``."""
    a = a / np.linalg.norm(a, axis=-1, keepdims=True)
    b = b / np.linalg.norm(b, axis=-1, keepdims=True)
    return ((a * b).sum(-1) + 1) / 2


def ranks(similarity: np.ndarray, also_right: np.ndarray | None = None) -> np.ndarray:
    """Place of the right column for each row of ``[N, N]``, 0 is best; ties take their average.

    Args:
        also_right: ``[N, N]`` True where another column counts as right too (near-duplicate
            captions); the best of them counts.
    """
    right = np.eye(len(similarity), dtype=bool)
    if also_right is not None:
        right |= also_right
    best = np.where(right, similarity, -np.inf).max(1)
    ahead = (similarity > best[:, None]).sum(1)
    ties = (similarity == best[:, None]).sum(1)
    return ahead + (ties - 1) / 2


def retrieval_table(rank: np.ndarray) -> dict[str, float]:
    """Recall at 1, 2, 3, 5, 10 in percent and the median rank (1 is best) of :func:`ranks`.

    Args:
        rank: ``[N]``, 0 is best.
    """
    table = {f"R{k:02d}": 100.0 * float((rank < k).mean()) for k in RANKS}
    return table | {"MedR": float(np.median(rank)) + 1.0}
