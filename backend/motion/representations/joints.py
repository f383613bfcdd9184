"""Joint positions as a representation: ``[T, 22, 3]`` metres, Y-up, or ``[T, 66]`` flattened."""

from __future__ import annotations

import numpy as np

from ...errors import FormatError
from ...wire.skeleton import NUM_JOINTS
from .spec import RepresentationSpec, check_shape

SPEC = RepresentationSpec("joints", 20.0, (("joints", 3 * NUM_JOINTS),))
"""Columns of flattened joints; 20 fps is HumanML3D's rate, which most joint files have."""


def as_joints(x: np.ndarray) -> np.ndarray:
    """``[T, 22, 3]``, ``[T, 66]`` or ``[T, J > 22, 3]`` (the first 22 are kept) as ``[T, 22, 3]``.

    Raises:
        FormatError: another shape, or values that are not finite.
    """
    x = np.asarray(x)
    if x.ndim == 2 and x.shape[1] == SPEC.dim:
        x = x.reshape(len(x), NUM_JOINTS, 3)
    if x.ndim != 3 or x.shape[1] < NUM_JOINTS or x.shape[2] != 3:
        raise FormatError(
            f"Joints must have shape [T, {NUM_JOINTS}, 3] or [T, {SPEC.dim}], not {list(x.shape)}.",
            "Check which representation the array is in.",
        )
    return check_shape(x[:, :NUM_JOINTS], (NUM_JOINTS, 3), "The joints")


stored_joints = as_joints
