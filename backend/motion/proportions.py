"""A foreign body's joints at SMPL's proportions: every limb keeps its direction.

Positions alone cannot be met by another body; what people see is where limbs point. The root path
is scaled by the length of the legs, so that steps fit the legs that make them.
"""

from __future__ import annotations

import numpy as np

from ..wire.skeleton import JOINT_NAMES, PARENTS, REST_OFFSETS

OWN = 0.02
"""Limbs that differ less than this share from SMPL's are SMPL's: bodies of its own shapes."""

_REST = np.array(REST_OFFSETS)
_INDEX = {name: index for index, name in enumerate(JOINT_NAMES)}
_LIMBS = tuple(
    _INDEX[f"{side}_{part}"]
    for side in ("left", "right")
    for part in ("knee", "ankle", "elbow", "wrist")
)
_LEGS = tuple(_INDEX[f"{side}_{part}"] for side in ("left", "right") for part in ("knee", "ankle"))
_TRUNK = tuple(
    _INDEX[name] for name in ("spine1", "spine2", "spine3", "neck", "left_collar", "right_collar")
)


def lengths(joints: np.ndarray) -> np.ndarray:
    """Median length ``[22]`` of the bone that ends in each joint of ``[T, 22, 3]``."""
    parents = np.maximum(PARENTS, 0)
    return np.median(np.linalg.norm(joints - joints[:, parents], axis=-1), axis=0)


def difference(joints: np.ndarray) -> float:
    """How far the limb that differs most from SMPL's is from its length, relative; size counts."""
    rest = np.linalg.norm(_REST, axis=-1)
    limbs = list(_LIMBS)
    return float(np.abs(lengths(joints)[limbs] / rest[limbs] - 1).max())


def leg_scale(joints: np.ndarray) -> float:
    """SMPL's legs relative to these."""
    legs = list(_LEGS)
    return float(
        np.linalg.norm(_REST[legs], axis=-1).sum() / max(lengths(joints)[legs].sum(), 1e-9)
    )


def at_smpl_proportions(joints: np.ndarray) -> np.ndarray:
    """``[T, 22, 3]`` metres, Y-up, of any body as those of SMPL's rest body in the same pose.

    Limbs, feet and head keep their directions exactly; hips and trunk turn with the frames that the
    hips and shoulders span, because SMPL's spine and hips lie differently in the body.
    """
    if difference(joints) < OWN:
        return joints
    scale = leg_scale(joints)
    hips = (joints[:, _INDEX["left_hip"]] + joints[:, _INDEX["right_hip"]]) / 2
    across = joints[:, _INDEX["left_hip"]] - joints[:, _INDEX["right_hip"]]
    shoulders = (joints[:, _INDEX["left_shoulder"]] + joints[:, _INDEX["right_shoulder"]]) / 2
    pelvis = body_frame(across, shoulders - hips)
    chest = body_frame(
        joints[:, _INDEX["left_shoulder"]] - joints[:, _INDEX["right_shoulder"]], shoulders - hips
    )
    out = np.zeros_like(joints)
    rest_hips = (_REST[_INDEX["left_hip"]] + _REST[_INDEX["right_hip"]]) / 2
    out[:, 0] = scale * hips - pelvis @ rest_hips
    for index in range(1, len(JOINT_NAMES)):
        parent = PARENTS[index]
        name = JOINT_NAMES[index]
        if name.endswith("hip"):
            step = pelvis @ _REST[index]
        elif index in _TRUNK:
            # the spine bends from the frame of the hips into that of the shoulders
            step = _turned(pelvis, chest, _share(name)) @ _REST[index]
        else:
            bone = joints[:, index] - joints[:, parent]
            far = np.linalg.norm(bone, axis=-1, keepdims=True)
            step = np.linalg.norm(_REST[index]) * bone / np.maximum(far, 1e-9)
        out[:, index] = out[:, parent] + step
    lowest = np.quantile(joints[..., 1].min(axis=1), 0.02)
    out[..., 1] += lowest - np.quantile(out[..., 1].min(axis=1), 0.02)
    return out


def _share(name: str) -> float:
    return {"spine1": 0.25, "spine2": 0.5, "spine3": 0.75}.get(name, 1.0)


def _turned(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    """Frames between ``[T, 3, 3]`` a and b, made orthonormal."""
    mixed = (1 - share) * a + share * b
    return body_frame(mixed[..., 0], mixed[..., 1])


def body_frame(left: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Rotations ``[T, 3, 3]`` whose columns are left, up and forward of a part of the body.

    Args:
        left, up: ``[T, 3]`` of any length; up is kept, left made square to it.
    """
    y = _unit(up)
    x = _unit(left - (left * y).sum(-1, keepdims=True) * y)
    return np.stack([x, y, np.cross(x, y)], axis=-1)


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-9)
