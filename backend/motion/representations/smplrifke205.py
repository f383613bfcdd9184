"""smplrifke205: the rotation- and translation-invariant SMPL features of STMC.

``[T, 205]`` at 20 fps, **Z-up** (Petrovich et al., "Multi-Track Timeline Control for Text-Driven 3D
Human Motion Generation", 2024). Positions and the root are stored without the heading, the heading
as a speed:

- ``root_height`` (1): pelvis above the lowest joint of the clip (m);
- ``root_velocity`` (2): forward difference of the pelvis xy in the heading frame (m/frame);
- ``yaw_velocity`` (1): forward difference of the heading about +Z (rad/frame);
- ``rotations`` (132): 22 rot6d in the rows layout; the pelvis without its heading;
- ``joints`` (69): 23 joints (all but the pelvis, hands last) relative to the pelvis (m).

The heading is the Z angle of the ZYX Euler angles of the pelvis. SMPL's body frame stays Y-up, so
an upright pelvis is a quarter turn about X, and heading 0 faces -Y, which is +Z in Y-up axes.
"""

from __future__ import annotations

import numpy as np

from ...errors import FormatError
from ...wire.skeleton import MOTION_FPS, NUM_JOINTS, SOLE_HEIGHT
from ..resample import resample_motion135
from ..rotations import (
    matrix_to_euler_zyx,
    matrix_to_rot6d_rows,
    rot6d_rows_to_matrix,
    rotation_about,
)
from ..skeleton import HAND_OFFSETS, forward_kinematics, global_rotations, joint_index
from . import motion135
from .spec import RepresentationSpec, check_shape

NUM_JOINTS_24 = NUM_JOINTS + 2

SPEC = RepresentationSpec(
    "smplrifke205",
    20.0,
    (
        ("root_height", 1),
        ("root_velocity", 2),
        ("yaw_velocity", 1),
        ("rotations", 6 * NUM_JOINTS),
        ("joints", 3 * (NUM_JOINTS_24 - 1)),
    ),
)
"""Columns of smplrifke205."""

MIN_FRAMES = 3
"""The last velocity is extrapolated from the two before it."""

Z_UP_FROM_Y_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""(x, y, z) of Y-up axes becomes (x, -z, y) of Z-up axes."""


def _wrap(angle: np.ndarray) -> np.ndarray:
    return (angle + np.pi) % (2.0 * np.pi) - np.pi


def _forward_difference(values: np.ndarray) -> np.ndarray:
    """``v[t] = x[t+1] - x[t]``; the last one continues the trend of the two before it."""
    steps = np.diff(values, axis=0)
    return np.concatenate([steps, 2.0 * steps[-1:] - steps[-2:-1]])


def _turn(vectors: np.ndarray, yaw: np.ndarray) -> np.ndarray:
    """Turn the xy of ``[T, ..., 3]`` (or ``[T, ..., 2]``) about +Z by ``yaw [T]``."""
    shape = (-1,) + (1,) * (vectors.ndim - 2)
    c, s = np.cos(yaw).reshape(shape), np.sin(yaw).reshape(shape)
    x, y = vectors[..., 0], vectors[..., 1]
    turned = np.stack([c * x - s * y, s * x + c * y], -1)
    return np.concatenate([turned, vectors[..., 2:]], -1)


def encode(local_rotations: np.ndarray, trans: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Z-up poses and joints to features.

    Args:
        local_rotations: ``[T, 22, 3, 3]`` parent-relative; the pelvis is its world rotation (Z-up).
        trans: ``[T, 3]`` SMPL translation (m); it may differ from the pelvis by a constant only.
        joints: ``[T, 24, 3]`` world positions (m), hands last.

    Returns:
        ``[T, 205]`` float64.

    Raises:
        FormatError: fewer than 3 frames, wrong shapes, or a translation that is not the pelvis's.
    """
    rotations = check_shape(local_rotations, (NUM_JOINTS, 3, 3), "The local rotations")
    trans = check_shape(trans, (3,), "The translation")
    joints = check_shape(joints, (NUM_JOINTS_24, 3), "The joints").astype(np.float64)
    if not len(rotations) == len(trans) == len(joints) or len(joints) < MIN_FRAMES:
        raise FormatError(
            f"smplrifke205 needs {MIN_FRAMES} or more frames and equally many rotations, "
            f"translations and joints, not {len(rotations)}, {len(trans)} and {len(joints)}.",
            "Use a longer clip.",
        )
    drift = joints[:, 0] - trans
    # float32 input at 10 m from the origin is good to 1e-6 m, hence not a tighter bound
    if np.abs(drift - drift.mean(0)).max() > 1e-4:
        raise FormatError(
            "The translation and the pelvis position drift apart.",
            "Compute the joints from the same translation and rotations.",
        )
    pelvis = joints[:, 0].copy()
    pelvis[:, 2] -= joints[..., 2].min()
    yaw, pitch, roll = np.moveaxis(matrix_to_euler_zyx(rotations[:, 0].astype(np.float64)), -1, 0)
    local = rotations.astype(np.float64)
    local[:, 0] = rotation_about("y", pitch) @ rotation_about("x", roll)
    turns = _wrap(np.diff(yaw))
    turns = np.append(turns, _wrap(2.0 * turns[-1] - turns[-2]))
    velocity = _turn(_forward_difference(pelvis[:, :2]), -yaw)
    relative = _turn(joints[:, 1:] - joints[:, :1], -yaw)
    frames = len(joints)
    parts = [
        pelvis[:, 2:],
        velocity,
        turns[:, None],
        matrix_to_rot6d_rows(local).reshape(frames, -1),
        relative.reshape(frames, -1),
    ]
    return np.concatenate(parts, axis=-1)


def decode(x: np.ndarray, first_angle: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features to Z-up poses and joints; the pelvis starts above the origin.

    Args:
        x: ``[T, 205]``, un-normalised.
        first_angle: heading of the first frame about +Z in radians; 0 faces -Y.

    Returns:
        ``(local_rotations [T, 22, 3, 3], trans [T, 3], joints [T, 24, 3])``, float64. ``trans`` is
        the pelvis position.

    Raises:
        FormatError: wrong shape or values that are not finite.
    """
    x = SPEC.check(x).astype(np.float64)
    frames = len(x)
    yaw = first_angle + _from_start(x[:, SPEC.columns("yaw_velocity")])[:, 0]
    trajectory = _from_start(_turn(x[:, SPEC.columns("root_velocity")], yaw))
    trans = np.concatenate([trajectory, x[:, SPEC.columns("root_height")]], -1)
    rot6d = x[:, SPEC.columns("rotations")].reshape(frames, NUM_JOINTS, 6)
    rotations = rot6d_rows_to_matrix(rot6d)
    _, pitch, roll = np.moveaxis(matrix_to_euler_zyx(rotations[:, 0]), -1, 0)
    rotations[:, 0] = (
        rotation_about("z", yaw) @ rotation_about("y", pitch) @ rotation_about("x", roll)
    )
    relative = x[:, SPEC.columns("joints")].reshape(frames, NUM_JOINTS_24 - 1, 3)
    others = _turn(relative, yaw) + trans[:, None]
    return rotations, trans, np.concatenate([trans[:, None], others], axis=1)


def _from_start(steps: np.ndarray) -> np.ndarray:
    """Running sum that starts at zero and leaves the last step out."""
    return np.concatenate([np.zeros_like(steps[:1]), np.cumsum(steps[:-1], axis=0)])


def joints24(local_rotations: np.ndarray, root: np.ndarray) -> np.ndarray:
    """FK of the neutral skeleton with hands: ``[T, 22, 3, 3]`` and ``[T, 3]`` -> ``[T, 24, 3]``.

    The hands (22 left, 23 right) follow the wrists rigidly.
    """
    body = forward_kinematics(local_rotations, root)
    wrists = [joint_index("left_wrist"), joint_index("right_wrist")]
    world = global_rotations(local_rotations)[:, wrists]
    hands = body[:, wrists] + (world @ np.array(HAND_OFFSETS)[..., None])[..., 0]
    return np.concatenate([body, hands], axis=1)


def from_motion135(x: np.ndarray, source_fps: float = MOTION_FPS) -> np.ndarray:
    """motion_135 ``[T, 135]`` at ``source_fps`` to ``[T', 205]`` at 20 fps, dtype kept.

    Heading and ground position of the first frame are not part of the features; heights become
    relative to the lowest joint of the clip.

    Raises:
        FormatError: wrong shape, or too short for three frames at 20 fps.
    """
    x = motion135.SPEC.check(x)
    slow = resample_motion135(x.astype(np.float64), source_fps, SPEC.fps)
    root, rotations = motion135.unpack(slow)
    joints = joints24(rotations, root) @ Z_UP_FROM_Y_UP.T
    rotations[:, 0] = Z_UP_FROM_Y_UP @ rotations[:, 0]
    return encode(rotations, joints[:, 0], joints).astype(x.dtype)


def to_motion135(
    x: np.ndarray,
    target_fps: float = MOTION_FPS,
    first_angle: float = 0.0,
    frames: int | None = None,
) -> np.ndarray:
    """``[T, 205]`` at 20 fps to motion_135 ``[T', 135]`` at ``target_fps``, dtype kept.

    The first frame stands above the origin with heading ``first_angle`` about +Y (0 faces +Z); the
    lowest joint of a clip that came from :func:`from_motion135` is put at the height that the
    neutral body's lowest joint has when it stands on the ground.

    Args:
        frames: exact number of output frames (see :func:`resample_motion135`).

    Raises:
        FormatError: wrong shape or values that are not finite.
    """
    x = SPEC.check(x)
    rotations, trans, _ = decode(x, first_angle)
    rotations[:, 0] = Z_UP_FROM_Y_UP.T @ rotations[:, 0]
    root = trans @ Z_UP_FROM_Y_UP
    root[:, 1] += SOLE_HEIGHT
    fast = resample_motion135(motion135.pack(root, rotations), SPEC.fps, target_fps, frames)
    return fast.astype(x.dtype)


def stored_joints(x: np.ndarray) -> np.ndarray:
    """``[T, 205]`` to joints ``[T, 22, 3]`` (m, Y-up): the stored ones without the hands."""
    _, _, points = decode(x)
    return points[:, :NUM_JOINTS] @ Z_UP_FROM_Y_UP
