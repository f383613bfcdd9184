"""Smoothing of rotations over time by averages of quaternions."""

from __future__ import annotations

import numpy as np

from .rotations import make_continuous, matrix_to_quaternion, quaternion_to_matrix


def smooth_rotations(rotations: np.ndarray, sigma: float = 1.0, radius: int = 4) -> np.ndarray:
    """Gaussian average over frames of rotations ``[T, ..., 3, 3]``, the same shape.

    Each result is the rotation with the least weighted squared distance to its neighbours, the
    first eigenvector of the sum of ``q q^T`` (Markley et al. 2007). First and last frame are
    repeated beyond the ends.

    Args:
        sigma: standard deviation in frames.
        radius: how many frames on each side count.
    """
    frames = len(rotations)
    quaternions = make_continuous(matrix_to_quaternion(rotations))
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    weights /= weights.sum()
    outer = quaternions[..., :, None] * quaternions[..., None, :]
    total = np.zeros_like(outer)
    for offset, weight in zip(offsets, weights, strict=True):
        total += weight * outer[np.clip(np.arange(frames) + offset, 0, frames - 1)]
    _, vectors = np.linalg.eigh(total)
    return quaternion_to_matrix(vectors[..., -1])
