"""DART-276: the features of DART (Zhao et al., ICLR 2025) and ViMoGen, 20 fps.

``[T - 1, 276]`` of T frames, metres, Z-up: 21 body rot6d (interleaved), 22 joints, their steps to
the next frame, the root's rot6d and its step ``R[t + 1] R[t]^T``, the translation and its step. The
steps of the last row tell the frame after it. Heights are relative to a frame of the data's own, so
the ground is put under the feet here.
"""

from __future__ import annotations

import numpy as np

from ...errors import FormatError
from ...wire.skeleton import NUM_JOINTS
from ..resample import resample_motion135
from ..rotations import matrix_to_rot6d_interleaved, rot6d_interleaved_to_matrix, transpose
from ..skeleton import joint_index, pelvis_at_root
from ..steps import Clip, IkOptions, Steps
from . import motion135
from .spec import RepresentationSpec

SPEC = RepresentationSpec(
    "dart276",
    20.0,
    (
        ("body", 6 * (NUM_JOINTS - 1)),
        ("joints", 3 * NUM_JOINTS),
        ("joint_steps", 3 * NUM_JOINTS),
        ("root", 6),
        ("root_step", 6),
        ("translation", 3),
        ("translation_step", 3),
    ),
)
"""Columns of DART-276."""

_HIPS = (joint_index("left_hip"), joint_index("right_hip"))
TO_Y_UP = np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])


def stored_joints(x: np.ndarray) -> np.ndarray:
    """``[T - 1, 276]`` to joints ``[T - 1, 22, 3]`` (m, Y-up, their own heights), float64."""
    x = SPEC.check(x).astype(np.float64)
    return _points(x, "joints") @ TO_Y_UP.T


def encode(points: np.ndarray, rotations: np.ndarray, trans: np.ndarray) -> np.ndarray:
    """Joints, rotations and translation to features, at the first frame's place and heading.

    The first pelvis becomes the origin, the line from its left to its right hip the x axis.

    Args:
        points: ``[T >= 2, 22, 3]`` metres, Z-up, 20 fps.
        rotations: ``[T, 22, 3, 3]`` parent-relative, the root's in the Z-up world.
        trans: ``[T, 3]`` translation, Z-up.

    Returns:
        ``[T - 1, 276]`` float32.

    Raises:
        FormatError: fewer than 2 frames.
    """
    if len(points) < 2:
        raise FormatError("dart276 needs 2 or more frames.", "Use a longer clip.")
    across = (points[0, _HIPS[1]] - points[0, _HIPS[0]]) * [1.0, 1.0, 0.0]
    length = np.linalg.norm(across)
    x = across / length if length > 1e-8 else np.array([1.0, 0.0, 0.0])
    up = np.array([0.0, 0.0, 1.0])
    turn = np.stack([x, np.cross(up, x), up])
    points, trans = (points - points[0, 0]) @ turn.T, (trans - trans[0]) @ turn.T
    root = turn @ rotations[:, 0]
    parts = [
        matrix_to_rot6d_interleaved(rotations[:-1, 1:]),
        points[:-1],
        np.diff(points, axis=0),
        matrix_to_rot6d_interleaved(root[:-1]),
        matrix_to_rot6d_interleaved(root[1:] @ transpose(root[:-1])),
        trans[:-1],
        np.diff(trans, axis=0),
    ]
    rows = [part.reshape(len(points) - 1, -1) for part in parts]
    return np.concatenate(rows, -1).astype(np.float32)


def to_motion135(x: np.ndarray, *, ground_frames: bool = False) -> np.ndarray:
    """``[T - 1, 276]`` to motion_135 ``[T, 135]`` at 20 fps (float32).

    Args:
        ground_frames: put the lowest joint of every frame at y = 0, as published; else that of the
            clip, which keeps jumps.
    """
    x = SPEC.check(x).astype(np.float64)
    points = _points(x, "joints")
    points = np.concatenate([points, points[-1:] + _points(x[-1:], "joint_steps")]) @ TO_Y_UP.T
    body = rot6d_interleaved_to_matrix(x[:, SPEC.columns("body")].reshape(len(x), -1, 6))
    root, step = (rot6d_interleaved_to_matrix(x[:, SPEC.columns(n)]) for n in ("root", "root_step"))
    root = np.concatenate([root, step[-1:] @ root[-1:]])
    rotations = np.concatenate(
        [(TO_Y_UP @ root)[:, None], np.concatenate([body, body[-1:]])], axis=1
    )
    lowest = points[..., 1].min(axis=1)
    place = points[:, 0].copy()
    place[:, 1] -= lowest if ground_frames else lowest.min()
    return motion135.pack(place, rotations).astype(np.float32)


def _points(x: np.ndarray, name: str) -> np.ndarray:
    return x[:, SPEC.columns(name)].reshape(len(x), NUM_JOINTS, 3)


def _to_motion135(clip: Clip, options: IkOptions) -> Clip:
    data = to_motion135(clip.data, ground_frames=options.ground_frames)
    data = resample_motion135(data, clip.fps, options.target_fps)
    lost = "the stored positions' bone lengths"
    return clip.to(motion135.SPEC, data, lost, fps=options.target_fps)


def _from_motion135(clip: Clip, options: IkOptions) -> Clip:
    x = resample_motion135(clip.data, clip.fps, SPEC.fps).astype(np.float64)
    root, rotations = motion135.unpack(x)
    points = motion135.joints(x, pelvis_at_root(options.offsets)) @ TO_Y_UP
    rotations[:, 0] = TO_Y_UP.T @ rotations[:, 0]
    lost = "heading, place and height of the first frame, frames between 20 fps"
    return clip.to(SPEC, encode(points, rotations, root @ TO_Y_UP), lost)


STEPS: Steps = {
    ("dart276", "motion135"): _to_motion135,
    ("motion135", "dart276"): _from_motion135,
}
