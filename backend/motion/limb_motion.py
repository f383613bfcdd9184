"""More or less movement of chosen limbs: turned further from, or closer to, their mean pose."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .contacts import BALLS
from .filters import gaussian_filter1d
from .representations import motion135
from .rotations import axis_angle_to_matrix, matrix_to_axis_angle, orthonormalise, transpose
from .skeleton import joint_index

ARM = ("collar", "shoulder", "elbow", "wrist")
LIMBS: dict[str, tuple[str, ...]] = {
    "left_arm": tuple(f"left_{n}" for n in ARM),
    "right_arm": tuple(f"right_{n}" for n in ARM),
    "arms": tuple(f"{s}_{n}" for s in ("left", "right") for n in ARM),
    "legs": tuple(f"{s}_{n}" for s in ("left", "right") for n in ("hip", "knee", "ankle", "foot")),
    "spine": ("spine1", "spine2", "spine3"),
    "head": ("neck", "head"),
}
"""Joints of what can be held still or moved more."""
RADIANS_MOST = 2.6
"""No joint is turned further than this from its mean pose."""

_STANDS = 0.1
"""A foot is on the floor in at least this part of a motion."""
_ON_TOES = 0.05
"""Metres that the ball of a foot rises while the body stands on it."""
_EASE = 0.03
"""Seconds."""


def joints_of(limbs: Sequence[str]) -> list[int]:
    """Joint numbers of limbs by name (:data:`LIMBS`)."""
    return sorted({joint_index(name) for limb in limbs for name in LIMBS[limb]})


def scaled(x: np.ndarray, limbs: Sequence[str], factor: float) -> np.ndarray:
    """motion_135 in which limbs move ``factor`` times as far from their mean pose.

    Each joint's rotation is taken relative to its mean over the motion, and its angle is scaled; 0
    holds the limb in that pose. Root and other joints stay as they are.

    Args:
        x: ``[T, 135]``. limbs: keys of :data:`LIMBS`.
    """
    root, rotations = motion135.unpack(motion135.SPEC.check(x).astype(np.float64))
    chosen = joints_of(limbs)
    moved = rotations[:, chosen]
    mean = orthonormalise(moved.mean(axis=0))
    turn = matrix_to_axis_angle(transpose(mean)[None] @ moved)
    angle = np.linalg.norm(turn, axis=-1, keepdims=True)
    wanted = np.minimum(angle * factor, np.maximum(angle, RADIANS_MOST))
    turn = turn * np.where(angle > 1e-9, wanted / np.maximum(angle, 1e-9), factor)
    rotations[:, chosen] = mean[None] @ axis_angle_to_matrix(turn)
    return motion135.pack(root, rotations).astype(x.dtype)


def held(x: np.ndarray, limbs: Sequence[str]) -> np.ndarray:
    """motion_135 whose limbs do not move: they stay in their mean pose relative to the body."""
    return scaled(x, limbs, 0.0)


def higher(x: np.ndarray, factor: float) -> np.ndarray:
    """motion_135 whose flights are ``factor`` times as high over the height of standing.

    Only what the pelvis rises above the height that it has most of the time is scaled, so that
    take-off and landing stay where they are.
    """
    out = motion135.SPEC.check(x).copy()
    column = motion135.SPEC.columns("root_translation").start + 1
    height = out[:, column]
    standing = np.quantile(height, 0.6)
    rise = np.maximum(height - standing, 0.0)
    out[:, column] = height + rise * (factor - 1.0)
    return out


def leaping(x: np.ndarray, factor: float, fps: float = 30.0) -> np.ndarray:
    """motion_135 that leaves the floor ``factor`` times as high; standing frames stay as they are.

    A flight is where both feet are above what they stand on, so that standing up is none.
    """
    out = motion135.SPEC.check(x).copy()
    lowest = motion135.joints(x.astype(np.float64))[:, BALLS, 1].min(axis=1)
    rise = np.maximum(lowest - np.quantile(lowest, _STANDS) - _ON_TOES, 0.0)
    flight = gaussian_filter1d(rise, _EASE * fps)
    out[:, motion135.SPEC.columns("root_translation").start + 1] += (factor - 1.0) * flight
    return out
