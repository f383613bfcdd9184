"""MS272: MotionStreamer's features, 272 columns at 30 fps.

Xiao et al., "MotionStreamer", 2025. ``[T, 272]``, metres, Y-up:

- ``root_velocity`` (2): x, z step of the root from the frame BEFORE, in that frame's heading;
- ``heading_change`` (6): turn from the frame before, rot6d in the rows layout;
- ``joints`` (66): 22 joints, heading removed, root x, z removed; heights from the clip's floor;
- ``velocities`` (66): steps of those positions from the frame before (m/frame);
- ``rotations`` (132): 22 parent-relative rot6d in the rows layout; the pelvis without its heading.

Row 0 holds no movement. Rotations are stored, so decoding needs no inverse kinematics. The heading
and place of the first frame are not stored. The decoded root is the PELVIS, not SMPL's ``transl``.
"""

from __future__ import annotations

import numpy as np

from ...errors import FormatError
from ...wire.skeleton import MOTION_FPS, NUM_JOINTS
from ..rotations import (
    matrix_to_rot6d_rows,
    rot6d_rows_to_matrix,
    rotation_about,
    transpose,
)
from .spec import RepresentationSpec, check_shape

SPEC = RepresentationSpec(
    "ms272",
    MOTION_FPS,
    (
        ("root_velocity", 2),
        ("heading_change", 6),
        ("joints", 3 * NUM_JOINTS),
        ("velocities", 3 * NUM_JOINTS),
        ("rotations", 6 * NUM_JOINTS),
    ),
)
"""Columns of MS272."""

MIN_FRAMES = 2


def encode(joints: np.ndarray, local_rotations: np.ndarray) -> np.ndarray:
    """Joints and rotations to features.

    Args:
        joints: ``[T >= 2, 22, 3]`` metres, Y-up, 30 fps.
        local_rotations: ``[T, 22, 3, 3]`` parent-relative; the pelvis is its world rotation.

    Returns:
        ``[T, 272]`` float64. A clip whose first frame does not face +Z comes back turned until
        it does (see :func:`face_z`).

    Raises:
        FormatError: wrong shapes, unequal lengths, fewer than 2 frames, values not finite.
    """
    joints = check_shape(joints, (NUM_JOINTS, 3), "The joints").astype(np.float64)
    rotations = check_shape(local_rotations, (NUM_JOINTS, 3, 3), "The local rotations")
    if len(joints) != len(rotations) or len(joints) < MIN_FRAMES:
        raise FormatError(
            f"ms272 needs {MIN_FRAMES} or more frames and equally many joints and rotations, not "
            f"{len(joints)} and {len(rotations)}.",
            "Use a longer clip.",
        )
    frames = len(joints)
    rotations = rotations.astype(np.float64)
    root = joints[:, 0]
    angle = -_heading(rotations[:, 0])
    unturn = rotation_about("y", angle)

    velocity = np.zeros((frames, 2))
    velocity[1:] = np.einsum("tij,tj->ti", unturn[:-1], np.diff(root, axis=0))[:, [0, 2]]
    change = np.tile(np.eye(3), (frames, 1, 1))
    change[1:] = rotation_about("y", np.diff(angle))
    place = np.stack([root[:, 0], np.full(frames, joints[..., 1].min()), root[:, 2]], -1)
    positions = np.einsum("tij,tkj->tki", unturn, joints - place[:, None])
    steps = np.zeros_like(positions)
    steps[1:] = np.diff(positions, axis=0)
    local = rotations.copy()
    local[:, 0] = unturn @ rotations[:, 0]
    parts = [
        velocity,
        matrix_to_rot6d_rows(change),
        positions.reshape(frames, -1),
        steps.reshape(frames, -1),
        matrix_to_rot6d_rows(local).reshape(frames, -1),
    ]
    return np.concatenate(parts, axis=-1)


def decode(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features (not normalised) to rotations and root, without inverse kinematics.

    Returns:
        ``(local_rotations [T, 22, 3, 3], root [T, 3])`` float64; the root is the pelvis position,
        its height above the floor of the clip.

    Raises:
        FormatError: wrong shape or values that are not finite.
    """
    x = SPEC.check(x).astype(np.float64)
    turn, root = _recover_root(x)
    rot6d = x[:, SPEC.columns("rotations")].reshape(len(x), NUM_JOINTS, 6)
    rotations = rot6d_rows_to_matrix(rot6d)
    rotations[:, 0] = turn @ rotations[:, 0]
    return rotations, root


def decode_joints(x: np.ndarray) -> np.ndarray:
    """Joint positions ``[T, 22, 3]`` (m, Y-up, float64) from the stored positions.

    Raises:
        FormatError: wrong shape or values that are not finite.
    """
    x = SPEC.check(x).astype(np.float64)
    turn, root = _recover_root(x)
    local = x[:, SPEC.columns("joints")].reshape(len(x), NUM_JOINTS, 3)
    joints = np.einsum("tij,tkj->tki", turn, local)
    joints[..., [0, 2]] += root[:, None, [0, 2]]
    return joints


stored_joints = decode_joints


def _recover_root(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Heading ``[T, 3, 3]`` (from canonical to world) and pelvis ``[T, 3]``."""
    changes = rot6d_rows_to_matrix(x[:, SPEC.columns("heading_change")])
    unturn = np.empty_like(changes)
    unturn[0] = changes[0]
    for t in range(1, len(x)):  # a model's turns need not be about one axis, so no shortcut
        unturn[t] = changes[t] @ unturn[t - 1]
    turn = transpose(unturn)
    step = np.zeros((len(x), 3))
    step[:, [0, 2]] = x[:, SPEC.columns("root_velocity")]
    step[1:] = np.einsum("tij,tj->ti", turn[:-1], step[1:])
    root = np.cumsum(step, axis=0)
    root[:, 1] = x[:, SPEC.columns("joints").start + 1]
    return turn, root


def face_z(local_rotations: np.ndarray, root: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn a clip about the origin so that its first frame faces +Z, as MS272's data is.

    Args:
        local_rotations: ``[T, 22, 3, 3]``; root: ``[T, 3]`` SMPL translation (Y-up).

    Returns:
        The same two arrays, turned. Joints turn by the same rotation only when they are computed
        again: SMPL adds the rest pelvis to the translation without turning it.
    """
    turn = rotation_about("y", -_heading(local_rotations[:1, 0])[0])
    rotations = local_rotations.copy()
    rotations[:, 0] = turn.astype(rotations.dtype) @ rotations[:, 0]
    return rotations, root @ turn.T.astype(root.dtype)


def _heading(rotation: np.ndarray) -> np.ndarray:
    """Angle about +Y of where ``[..., 3, 3]`` takes +Z."""
    return np.arctan2(rotation[..., 0, 2], rotation[..., 2, 2])
