"""How far joints move when a clip changes its representation: MPJPE between two arrays.

Several representations forget where a clip starts and which way it faces, and that is not an error
of the pose. Joints are therefore compared relative to the pelvis, after the one turn about the
vertical that fits the second clip to the first best, at the times of the second.
"""

from __future__ import annotations

import numpy as np

from . import resample, steps
from .representations import motion135
from .rotations import rotation_about
from .skeleton import pelvis_at_root


def joint_positions(
    x: np.ndarray, representation: str, offsets: np.ndarray | None = None
) -> np.ndarray:
    """Joints ``[T, 22, 3]`` (m, Y-up, float64) of an un-normalised array.

    Args:
        x: ``[T, dim]`` (joints also ``[T, 22, 3]``).
        representation: name of its spec.
        offsets: ``[22, 3]`` rest offsets for those that store rotations only; the neutral skeleton
            when omitted. The row of the pelvis does not count.

    Raises:
        KeyError: no such representation.
        FormatError: wrong shape or values that are not finite.
    """
    module = steps.modules()[representation]
    if hasattr(module, "stored_joints"):
        return np.asarray(module.stored_joints(x), dtype=np.float64)
    if module is not motion135:
        x = module.to_motion135(x)
    return motion135.joints(np.asarray(x, dtype=np.float64), pelvis_at_root(offsets))


def mpjpe_mm(before: np.ndarray, before_fps: float, after: np.ndarray, after_fps: float) -> float:
    """Mean distance in mm between joints ``[T, 22, 3]`` and ``[T', 22, 3]`` of the same motion."""
    end = (len(before) - 1) / before_fps
    last = max(int(np.floor(end * after_fps + 1e-6)) + 1, 1)
    after = np.asarray(after[:last], dtype=np.float64)
    times = np.minimum(np.arange(len(after)) / after_fps * before_fps, len(before) - 1.0)
    a, b = (p - p[:, :1] for p in (resample.linear(before, times), after))
    sine = (a[..., 0] * b[..., 2] - a[..., 2] * b[..., 0]).sum()
    cosine = (a[..., 0] * b[..., 0] + a[..., 2] * b[..., 2]).sum()
    turn = rotation_about("y", np.arctan2(sine, cosine))
    return 1000.0 * float(np.linalg.norm(a - b @ turn.T, axis=-1).mean())
