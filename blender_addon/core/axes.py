"""The one change of basis between SMPL and Blender.

SMPL (and motion_135): X to the character's left, Y up, facing +Z. Blender: X to the character's
left, Z up, facing -Y (the "front" view). Both are right-handed.
"""

from __future__ import annotations

import numpy as np

from ..backend_access import JOINT_NAMES
from .neutral import rest_heads

SMPL_TO_BLENDER = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""``blender = SMPL_TO_BLENDER @ smpl`` for column vectors; a quarter turn about X."""

_SNAP_DEGREES = 15.0


def smpl_to_blender(vectors: np.ndarray) -> np.ndarray:
    """Vectors ``[..., 3]`` in SMPL axes to Blender's world axes."""
    return vectors @ SMPL_TO_BLENDER.T


def blender_to_smpl(vectors: np.ndarray) -> np.ndarray:
    """Vectors ``[..., 3]`` in Blender's world axes to SMPL axes."""
    return vectors @ SMPL_TO_BLENDER


def measure_basis(heads: np.ndarray) -> np.ndarray:
    """How SMPL's axes lie in an armature's own space, read from its rest pose.

    Some SMPL rigs keep Y-up bones under a rotated object, others are Z-up; the joints themselves
    say which, compared with where SMPL's neutral body has them.

    Args:
        heads: ``[22, 3]`` rest positions of the joints in armature space.

    Returns:
        ``[3, 3]`` rotation B with ``armature = B @ smpl``. Snapped to the nearest quarter turns
        when it is within 15 degrees of them, because the hips of a real body are never quite level.
    """
    basis = _body_frame(heads) @ _body_frame(rest_heads()).T
    snapped = np.zeros((3, 3))
    strongest = np.argmax(np.abs(basis), axis=0)
    columns = np.arange(3)
    snapped[strongest, columns] = np.sign(basis[strongest, columns])
    cosine = (np.trace(basis.T @ snapped) - 1) / 2
    return snapped if cosine > np.cos(np.radians(_SNAP_DEGREES)) else basis


def _body_frame(heads: np.ndarray) -> np.ndarray:
    """``[3, 3]`` columns: left, up along the spine, forward."""
    at = {name: heads[i] for i, name in enumerate(JOINT_NAMES)}
    left = (at["left_hip"] - at["right_hip"]) + (at["left_shoulder"] - at["right_shoulder"])
    up = at["neck"] - 0.5 * (at["left_hip"] + at["right_hip"])
    up = up / np.linalg.norm(up)
    left = left - (left @ up) * up
    left = left / np.linalg.norm(left)
    return np.stack([left, up, np.cross(left, up)], axis=1)
