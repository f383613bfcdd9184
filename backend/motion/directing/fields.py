"""Smooth corrections over time: exact or near at some frames, easy everywhere else."""

from __future__ import annotations

import numpy as np

from ..filters import banded_difference, banded_second_difference, solveh_banded

EXACT = 1e9
"""Weight of a value that is to be met."""
_CALM_SECONDS = 1.0
"""Beyond its last value a correction without memory becomes constant in about this time."""


def smooth_field(
    frames: int,
    fps: float,
    rows: np.ndarray,
    values: np.ndarray,
    *,
    memory: float | None = None,
    weights: np.ndarray | float = EXACT,
) -> np.ndarray:
    """The field ``a [frames, ...]`` with the least acceleration that takes ``values`` at ``rows``.

    It minimises the time integral of ``|a''|^2``, plus ``weights`` times the squared misses.

    Args:
        rows: ``[K]`` frames, each once; values: ``[K, ...]``.
        memory: seconds in which the field dies away between and beyond the rows; when None it goes
            on as it is.
        weights: ``[K]`` or one, per s^3.
    """
    if not len(rows):
        return np.zeros((frames, *values.shape[1:]))
    if frames < 3:
        return np.broadcast_to(values.mean(0), (frames, *values.shape[1:])).copy()
    # as sums over frames of the integrals: 1/fps of the squares of differences times fps^order
    band = banded_second_difference(np.full(frames - 2, fps**3), frames)
    if memory is None:
        band = band + banded_difference(np.full(frames - 1, fps / _CALM_SECONDS**2), frames)
    else:
        band[2] += 1.0 / (fps * memory**4)
    strength = np.broadcast_to(np.asarray(weights, dtype=np.float64), len(rows))
    band[2, rows] += strength
    right = np.zeros((frames, int(np.prod(values.shape[1:], initial=1))))
    right[rows] = strength[:, None] * values.reshape(len(rows), -1)
    return solveh_banded(band, right).reshape(frames, *values.shape[1:])


def ramp(u: np.ndarray) -> np.ndarray:
    """From 0 at 0 to 1 at 1 with no speed at both ends."""
    u = np.clip(u, 0.0, 1.0)
    return u**2 * (3.0 - 2.0 * u)
