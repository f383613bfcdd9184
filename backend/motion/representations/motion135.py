"""motion_135: the hub that every model ends in and every format starts from.

``[T, 135]`` at 30 fps, metres, Y-up: the pelvis position (3), then 22 parent-relative rot6d in the
interleaved layout ``R00 R01 R10 R11 R20 R21`` (called "row-major" by its authors, see
:mod:`backend.motion.rotations`). Bone lengths are not stored; the neutral SMPL rest offsets apply.
"""

from __future__ import annotations

import numpy as np

from ...errors import FormatError
from ...wire.skeleton import JOINT_NAMES, MOTION_FPS, NUM_JOINTS
from ..rotations import matrix_to_rot6d_interleaved, rot6d_interleaved_to_matrix
from ..skeleton import forward_kinematics
from .spec import RepresentationSpec, check_shape

SPEC = RepresentationSpec(
    "motion135", MOTION_FPS, (("root_translation", 3), ("rotations", 6 * NUM_JOINTS))
)
"""Columns of motion_135."""


def pack(root: np.ndarray, local_rotations: np.ndarray) -> np.ndarray:
    """Root ``[T, 3]`` (m, Y-up) and parent-relative matrices ``[T, 22, 3, 3]`` to ``[T, 135]``.

    Raises:
        FormatError: wrong shapes, unequal lengths or values that are not finite.
    """
    root = check_shape(root, (3,), "The root translation")
    local_rotations = check_shape(local_rotations, (NUM_JOINTS, 3, 3), "The local rotations")
    rot6d = matrix_to_rot6d_interleaved(local_rotations)
    return np.concatenate([root, rot6d.reshape(len(rot6d), -1)], axis=-1)


def check_rotations(x: np.ndarray) -> np.ndarray:
    """``[T, 135]`` as an array, when the six numbers of each joint make a rotation.

    Raises:
        FormatError: those of a joint are zero or parallel, a wrong shape, or not finite.
    """
    x = SPEC.check(x)
    matrices = rot6d_interleaved_to_matrix(
        x[:, SPEC.columns("rotations")].reshape(len(x), NUM_JOINTS, 6).astype(np.float64)
    )
    # where two columns give no plane, Gram-Schmidt leaves one of length zero instead of one
    bad = np.argwhere(np.linalg.norm(matrices, axis=-2).min(-1) < 0.5)
    if len(bad):
        frame, joint = bad[0]
        raise FormatError(
            f"The rotation of {JOINT_NAMES[joint]} in frame {frame} is none: its six numbers are "
            "zero or parallel.",
            "The clip is damaged, or it is not motion_135.",
        )
    return x


def unpack(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``[T, 135]`` to the root ``[T, 3]`` and parent-relative matrices ``[T, 22, 3, 3]``.

    The six numbers of a joint need not be orthonormal (a model's output is not); Gram-Schmidt
    makes them so.

    Raises:
        FormatError: wrong shape or values that are not finite.
    """
    x = SPEC.check(x)
    rot6d = x[:, SPEC.columns("rotations")].reshape(len(x), NUM_JOINTS, 6)
    return x[:, SPEC.columns("root_translation")].copy(), rot6d_interleaved_to_matrix(rot6d)


def joints(x: np.ndarray, offsets: np.ndarray | None = None) -> np.ndarray:
    """Joint positions ``[T, 22, 3]`` (m, Y-up) of ``[T, 135]`` by forward kinematics.

    Args:
        offsets: ``[22, 3]`` rest offsets; the neutral skeleton when omitted.
    """
    root, local_rotations = unpack(x)
    return forward_kinematics(local_rotations, root, offsets)
