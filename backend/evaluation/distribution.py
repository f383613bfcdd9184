"""Distances between two sets of embeddings: Frechet distance, PRDC.

Sources: Heusel et al. 2017 (Frechet inception distance); Kynkaanniemi et al. 2019 (precision,
recall); Naeem et al. 2020 (density, coverage).
"""

from __future__ import annotations

import numpy as np

from ..errors import FormatError


def check_embeddings(x: np.ndarray, what: str, at_least: int = 2) -> np.ndarray:
    """``[N, D]`` of finite numbers, or :class:`FormatError` that says what is wrong."""
    x = np.asarray(x)
    if x.ndim != 2 or len(x) < at_least:
        raise FormatError(
            f"{what} must be [N >= {at_least}, D], not {list(x.shape)}.",
            "Evaluate more samples.",
        )
    bad = ~np.isfinite(x).all(1)
    if bad.any():
        raise FormatError(
            f"{what} hold {int(bad.sum())} rows that are not finite (first: row {bad.argmax()}).",
            "Look for NaN in the predictions; they must be un-normalised motion.",
        )
    return x


def gaussian(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean ``[D]`` and unbiased covariance ``[D, D]``, float64.

    The mean is taken in the dtype of ``x``, as the published evaluations do.
    """
    x = check_embeddings(x, "The embeddings")
    return x.mean(0).astype(np.float64), np.atleast_2d(np.cov(x, rowvar=False))


def frechet_distance(real: np.ndarray, generated: np.ndarray) -> float:
    """Frechet distance of the Gaussians of two sets, ``[N, D]`` and ``[M, D]``.

    ``|m1 - m2|^2 + tr C1 + tr C2 - 2 tr (C1^{1/2} C2 C1^{1/2})^{1/2}``. The symmetric form needs
    only eigenvalues of positive matrices, so it also stands where the covariance is singular (fewer
    samples than dimensions, constant columns), where the published ``sqrtm(C1 C2)`` turns complex.

    Raises:
        FormatError: fewer than two samples, different widths, or values that are not finite.
    """
    return frechet_of_gaussians(gaussian(real), gaussian(generated))


def frechet_of_gaussians(
    real: tuple[np.ndarray, np.ndarray], generated: tuple[np.ndarray, np.ndarray]
) -> float:
    """:func:`frechet_distance` of two results of :func:`gaussian`, for reuse of one of them.

    Args:
        real, generated: mean ``[D]`` and covariance ``[D, D]``.

    Raises:
        FormatError: of different width.
    """
    (m1, c1), (m2, c2) = real, generated
    if m1.shape != m2.shape:
        raise FormatError(
            f"The embeddings have {len(m1)} and {len(m2)} dimensions.",
            "Both sets must come from the same evaluator.",
        )
    values, vectors = np.linalg.eigh(c1)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    overlap = np.sqrt(np.linalg.eigvalsh(root @ c2 @ root).clip(0)).sum()
    gap = m1 - m2
    return float(gap @ gap + np.trace(c1) + np.trace(c2) - 2 * overlap)


def euclidean(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Distances ``[N, M]`` of the rows of ``[N, D]`` and ``[M, D]``, in float64, clamped at 0."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    return np.sqrt(squares.clip(0))


def prdc(real: np.ndarray, fake: np.ndarray, nearest_k: int = 5) -> dict[str, float]:
    """Precision, recall, density and coverage of ``fake`` ``[M, D]`` against ``real`` ``[N, D]``.

    A ball around each sample reaches to its ``nearest_k``-th neighbour in its own set; the
    comparisons are strict.

    Raises:
        FormatError: a set has no more than ``nearest_k`` samples, or is not finite.
    """
    real = check_embeddings(real, "The real embeddings", nearest_k + 1)
    fake = check_embeddings(fake, "The generated embeddings", nearest_k + 1)
    between = euclidean(real, fake)
    real_radius = _neighbour_radius(real, nearest_k)
    fake_radius = _neighbour_radius(fake, nearest_k)
    inside_real = between < real_radius[:, None]
    return {
        "precision": float(inside_real.any(0).mean()),
        "recall": float((between < fake_radius).any(1).mean()),
        "density": float(inside_real.sum() / (nearest_k * len(fake))),
        "coverage": float((between.min(1) < real_radius).mean()),
    }


def _neighbour_radius(x: np.ndarray, k: int) -> np.ndarray:
    distance = euclidean(x, x)
    np.fill_diagonal(distance, 0.0)
    # place 0 is the sample itself
    return np.partition(distance, k, axis=1)[:, k]
