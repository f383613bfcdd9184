"""Two motions at the same time: the legs of one, arms or head of the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .limb_motion import joints_of
from .representations import motion135
from .rotations import matrix_to_quaternion, quaternion_to_matrix, slerp

RAMP_SECONDS = 0.35
"""Over how long the limbs go over from one motion to the other at each end."""


def ramp(frames: int, start: int, stop: int, fps: float) -> np.ndarray:
    """``[frames]`` weights: 1 within ``start .. stop``, smoothly from and to 0 at its ends.

    An end of the stretch that is an end of the motion has no ramp.
    """
    weight = np.zeros(frames)
    weight[start:stop] = 1.0
    width = min(max(2, round(RAMP_SECONDS * fps)), max(1, (stop - start) // 2))
    rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(width) + 0.5) / width)
    if start > 0:
        weight[start : start + width] = rise
    if stop < frames:
        weight[stop - width : stop] = rise[::-1]
    return weight


def layered(
    base: np.ndarray,
    over: np.ndarray,
    limbs: Sequence[str],
    *,
    start: int = 0,
    stop: int | None = None,
    fps: float = 30.0,
) -> np.ndarray:
    """motion_135 of ``base`` with the limbs of ``over``, relative to the body that carries them.

    Args:
        base, over: ``[T, 135]`` each. limbs: keys of :data:`.limb_motion.LIMBS`.
        start, stop: frames in which the limbs are those of ``over``.

    Returns:
        ``[T, 135]`` of the dtype of ``base``; root and all other joints are those of ``base``.
    """
    base, over = motion135.SPEC.check(base), motion135.SPEC.check(over)
    frames = min(len(base), len(over))
    weight = np.zeros(len(base))
    weight[:frames] = ramp(frames, start, min(stop or frames, frames), fps)
    if frames < len(base):  # what is over ends first: its last pose is held to its own ramp
        over = np.pad(over, ((0, len(base) - frames), (0, 0)), mode="edge")
    chosen = joints_of(limbs)
    root, own = motion135.unpack(base.astype(np.float64))
    _, other = motion135.unpack(over[: len(base)].astype(np.float64))
    own_q, other_q = (matrix_to_quaternion(r[:, chosen]) for r in (own, other))
    own[:, chosen] = quaternion_to_matrix(slerp(own_q, other_q, weight[:, None]))
    return motion135.pack(root, own).astype(base.dtype)
