"""SMPL-85: the parameter files of the MS272 data set.

``[T, 85]`` Y-up: 22 axis-angles (66), 6 zeros (two hands), SMPL translation (3), betas (10). The
translation is used as the pelvis. Files that MS272 was decoded to hold just that. In files that the
data set's script made of AMASS the body is a constant 3 cm lower and 22 cm further back that way,
because SMPL adds the rest pelvis in the Z-up axes of AMASS.
"""

from __future__ import annotations

import numpy as np

from ...wire.skeleton import MOTION_FPS, NUM_JOINTS
from ..mirror import mirror_positions, mirror_rotations
from ..rotations import axis_angle_to_matrix, matrix_to_axis_angle
from . import motion135
from .spec import RepresentationSpec, check_shape

SPEC = RepresentationSpec(
    "smpl85",
    MOTION_FPS,
    (("rotations", 3 * NUM_JOINTS), ("hands", 6), ("translation", 3), ("betas", 10)),
)
"""Columns of SMPL-85."""


def unpack(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``[T, 85]`` to local rotations ``[T, 22, 3, 3]``, translation ``[T, 3]``, betas ``[T, 10]``.

    Raises:
        FormatError: wrong shape or values that are not finite.
    """
    x = SPEC.check(x)
    axis_angles = x[:, SPEC.columns("rotations")].reshape(len(x), NUM_JOINTS, 3)
    trans, betas = x[:, SPEC.columns("translation")], x[:, SPEC.columns("betas")]
    return axis_angle_to_matrix(axis_angles), trans.copy(), betas.copy()


def pack(
    local_rotations: np.ndarray, trans: np.ndarray, betas: np.ndarray | None = None
) -> np.ndarray:
    """Rotations ``[T, 22, 3, 3]``, translation ``[T, 3]`` and betas ``[10]`` to ``[T, 85]``."""
    rotations = check_shape(local_rotations, (NUM_JOINTS, 3, 3), "The local rotations")
    out = np.zeros((len(rotations), SPEC.dim), dtype=rotations.dtype)
    out[:, SPEC.columns("rotations")] = matrix_to_axis_angle(rotations).reshape(len(out), -1)
    out[:, SPEC.columns("translation")] = check_shape(trans, (3,), "The translation")
    if betas is not None:
        out[:, SPEC.columns("betas")] = betas
    return out


def to_motion135(x: np.ndarray) -> np.ndarray:
    """``[T, 85]`` to motion_135 ``[T, 135]``; betas and hands are left out."""
    rotations, trans, _ = unpack(x)
    return motion135.pack(trans, rotations)


def mirror(x: np.ndarray) -> np.ndarray:
    """The "M" clip of ``[T, 85]``: left and right swapped; betas stay."""
    rotations, trans, betas = unpack(x)
    return pack(mirror_rotations(rotations), mirror_positions(trans), betas)
