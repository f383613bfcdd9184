"""BABEL-135: the features of BABEL models (PRISM, FlowMDM), 30 fps.

``[T, 135]``, metres, Z-up: height of the root, its x, y step from the frame before, and 22
parent-relative rot6d in the rows layout. As wide as motion_135, so it must be named.
"""

from __future__ import annotations

import numpy as np

from ...wire.skeleton import MOTION_FPS, NUM_JOINTS
from ..resample import resample_motion135
from ..rotations import matrix_to_rot6d_rows, rot6d_rows_to_matrix
from ..steps import Clip, IkOptions, Steps
from . import motion135
from .spec import RepresentationSpec

SPEC = RepresentationSpec(
    "babel135",
    MOTION_FPS,
    (("height", 1), ("step", 2), ("rotations", 6 * NUM_JOINTS)),
    guessed=False,
)
"""Columns of BABEL-135."""

TO_Y_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


def to_motion135(x: np.ndarray) -> np.ndarray:
    """``[T, 135]`` to motion_135 at 30 fps (float32)."""
    x = SPEC.check(x).astype(np.float64)
    rotations = rot6d_rows_to_matrix(x[:, SPEC.columns("rotations")].reshape(len(x), NUM_JOINTS, 6))
    rotations[:, 0] = TO_Y_UP @ rotations[:, 0]
    place = np.cumsum(x[:, SPEC.columns("step")], axis=0)
    root = np.concatenate([place, x[:, SPEC.columns("height")]], -1) @ TO_Y_UP.T
    return motion135.pack(root, rotations).astype(np.float32)


def from_motion135(x: np.ndarray) -> np.ndarray:
    """motion_135 ``[T, 135]`` at 30 fps to ``[T, 135]`` (float32); the first place is lost."""
    root, rotations = motion135.unpack(x.astype(np.float64))
    rotations[:, 0] = TO_Y_UP.T @ rotations[:, 0]
    place = root @ TO_Y_UP
    step = np.diff(place[:, :2], axis=0, prepend=place[:1, :2])
    rot6d = matrix_to_rot6d_rows(rotations).reshape(len(x), -1)
    return np.concatenate([place[:, 2:], step, rot6d], -1).astype(np.float32)


def _to_motion135(clip: Clip, options: IkOptions) -> Clip:
    return clip.to(motion135.SPEC, to_motion135(clip.data), fps=clip.fps)


def _from_motion135(clip: Clip, options: IkOptions) -> Clip:
    x = resample_motion135(clip.data, clip.fps, SPEC.fps)
    return clip.to(SPEC, from_motion135(x), "place of the first frame")


STEPS: Steps = {
    ("babel135", "motion135"): _to_motion135,
    ("motion135", "babel135"): _from_motion135,
}
