"""HY-Motion-201: motion_135 with the joints beside it, 30 fps.

``[T, 201]``: motion_135 (root translation, 22 interleaved rot6d), then 22 joints relative to the
pelvis (66), metres, Y-up.
"""

from __future__ import annotations

import numpy as np

from ...wire.skeleton import MOTION_FPS, NUM_JOINTS
from ..resample import resample_motion135
from ..skeleton import pelvis_at_root
from ..steps import Clip, IkOptions, Steps
from . import motion135
from .spec import RepresentationSpec

SPEC = RepresentationSpec(
    "hymotion201", MOTION_FPS, (*motion135.SPEC.blocks, ("joints", 3 * NUM_JOINTS))
)
"""Columns of HY-Motion-201."""


def encode(x: np.ndarray, offsets: np.ndarray | None = None) -> np.ndarray:
    """motion_135 ``[T, 135]`` at 30 fps to ``[T, 201]`` float32.

    Args:
        offsets: ``[22, 3]`` skeleton of the joints; the neutral one when omitted.
    """
    points = motion135.joints(x.astype(np.float64), offsets)
    relative = (points - points[:, :1]).reshape(len(x), -1)
    return np.concatenate([x, relative], -1).astype(np.float32)


def to_motion135(x: np.ndarray) -> np.ndarray:
    """``[T, 201]`` to motion_135: its first columns."""
    return SPEC.check(x)[:, : motion135.SPEC.dim]


def stored_joints(x: np.ndarray) -> np.ndarray:
    """``[T, 201]`` to joints ``[T, 22, 3]``: the stored ones at the root."""
    x = SPEC.check(x)
    points = x[:, SPEC.columns("joints")].reshape(len(x), NUM_JOINTS, 3)
    return points + x[:, None, SPEC.columns("root_translation")]


def _from_motion135(clip: Clip, options: IkOptions) -> Clip:
    x = resample_motion135(clip.data, clip.fps, SPEC.fps)
    return clip.to(SPEC, encode(x, pelvis_at_root(options.offsets)))


def _to_motion135(clip: Clip, options: IkOptions) -> Clip:
    lost = "the stored positions' bone lengths"
    return clip.to(motion135.SPEC, to_motion135(clip.data), lost, fps=clip.fps)


STEPS: Steps = {
    ("hymotion201", "motion135"): _to_motion135,
    ("motion135", "hymotion201"): _from_motion135,
}
