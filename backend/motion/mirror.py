"""Swap left and right."""

from __future__ import annotations

import numpy as np

from .representations import motion135
from .skeleton import MIRROR_ORDER


def mirror_rotations(local_rotations: np.ndarray) -> np.ndarray:
    """Parent-relative ``[..., 22, 3, 3]`` reflected at the plane x = 0, left and right swapped.

    Conjugation with diag(-1, 1, 1): an axis-angle (x, y, z) becomes (x, -y, -z).
    """
    sign = np.array([-1.0, 1.0, 1.0], dtype=local_rotations.dtype)
    return local_rotations[..., MIRROR_ORDER, :, :] * sign[:, None] * sign


def mirror_positions(points: np.ndarray) -> np.ndarray:
    """Points ``[..., 3]`` reflected at the plane x = 0; joints are not swapped."""
    return points * np.array([-1.0, 1.0, 1.0], dtype=points.dtype)


def mirror_motion135(x: np.ndarray) -> np.ndarray:
    """motion_135 ``[T, 135]`` of the mirrored person, who waves with the other hand.

    Raises:
        FormatError: wrong shape or values that are not finite.
    """
    root, rotations = motion135.unpack(x)
    return motion135.pack(mirror_positions(root), mirror_rotations(rotations))
