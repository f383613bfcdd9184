"""joints66: joint positions as the joint-position evaluator reads them, 30 fps.

Positions of the neutral SMPL body, brought to one place and heading: the pelvis of the first frame
stands above the origin, the body's left is +x, its front +z, and the lowest foot joint of the clip
is at y = 0. ``[T, 66]``, 22 joints x xyz in metres.
"""

from __future__ import annotations

import numpy as np

from ...wire.skeleton import MOTION_FPS, NUM_JOINTS
from ..resample import resample_motion135
from ..skeleton import FOOT_JOINTS, joint_index
from ..steps import Clip, IkOptions, Steps
from . import joints, motion135
from .spec import RepresentationSpec

SPEC = RepresentationSpec("joints66", MOTION_FPS, (("joints", 3 * NUM_JOINTS),), guessed=False)
"""Columns of joints66."""

_ACROSS = (("left_hip", "right_hip"), ("left_shoulder", "right_shoulder"))


def canonicalise(points: np.ndarray, *, floor_align: bool = True) -> np.ndarray:
    """Joints ``[T, 22, 3]`` (m, Y-up) at the place and heading of this representation.

    Args:
        floor_align: also put the lowest foot joint of the clip at y = 0.

    Returns:
        ``[T, 22, 3]`` float32. Where hips and shoulders do not tell left from right, +x is left.

    Raises:
        FormatError: another shape, or values that are not finite.
    """
    points = joints.as_joints(points).astype(np.float64)
    points = points - points[:1, :1] * [1.0, 0.0, 1.0]
    first = points[0]
    left = sum(first[joint_index(a)] - first[joint_index(b)] for a, b in _ACROSS) * [1.0, 0.0, 1.0]
    length = np.linalg.norm(left)
    left = left / length if length > 1e-8 else np.array([1.0, 0.0, 0.0])
    up = np.array([0.0, 1.0, 0.0])
    points = points @ np.stack([left, up, np.cross(left, up)], -1)
    if floor_align:
        points[..., 1] -= points[:, FOOT_JOINTS, 1].min()
    return points.astype(np.float32)


def stored_joints(x: np.ndarray) -> np.ndarray:
    """``[T, 66]`` to ``[T, 22, 3]``."""
    return SPEC.check(x).reshape(len(x), NUM_JOINTS, 3)


def _from_motion135(clip: Clip, options: IkOptions) -> Clip:
    x = resample_motion135(clip.data, clip.fps, SPEC.fps)
    points = canonicalise(motion135.joints(x.astype(np.float64)))
    lost = "rotations, heading and place of the first frame"
    return clip.to(SPEC, points.reshape(len(points), -1), lost)


def _to_joints(clip: Clip, options: IkOptions) -> Clip:
    return clip.to(joints.SPEC, stored_joints(clip.data), fps=clip.fps)


STEPS: Steps = {
    ("motion135", "joints66"): _from_motion135,
    ("joints66", "joints"): _to_joints,
}
