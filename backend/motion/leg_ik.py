"""Two-bone inverse kinematics of both legs at once, closed form, batched over frames."""

from __future__ import annotations

import numpy as np

from .rotations import shortest_arc, transpose
from .skeleton import forward_kinematics, global_rotations, joint_index, rest_offsets

HIPS, KNEES, ANKLES = (
    [joint_index(f"{side}_{name}") for side in ("left", "right")]
    for name in ("hip", "knee", "ankle")
)
LEG_LENGTHS = np.linalg.norm(rest_offsets()[[KNEES, ANKLES]], axis=-1)
"""``[2 bones, 2 sides]`` thigh and shin (m)."""

_STRAIGHTEST = 0.9985  # of the leg's length; the knee of a straighter leg jumps at small moves
_CLEAR_BEND = 0.03  # m the knee stands off the hip-ankle line before its direction is trusted


def reach(hip: np.ndarray, ankle: np.ndarray) -> np.ndarray:
    """How far each leg may stretch ``[T, 2]`` (m): nearly straight, or as far as it already does.

    Args:
        hip, ankle: ``[T, 2, 3]`` positions before any change.
    """
    return np.maximum(LEG_LENGTHS.sum(0) * _STRAIGHTEST, np.linalg.norm(ankle - hip, axis=-1))


def solve_legs(
    local_rotations: np.ndarray, root: np.ndarray, ankles: np.ndarray, limit: np.ndarray
) -> np.ndarray:
    """Turn hips and knees so that the ankles reach their targets; feet keep their orientation.

    The knee stays in the plane that hip, knee and ankle span (turned with the leg); a leg that is
    straight bends forward.

    Args:
        local_rotations: ``[T, 22, 3, 3]``; root: ``[T, 3]``.
        ankles: ``[T, 2, 3]`` targets of the left and right ankle (m).
        limit: ``[T, 2]`` longest hip-ankle distance; a target beyond it is approached only.

    Returns:
        ``[T, 22, 3, 3]`` new parent-relative rotations.
    """
    joints = forward_kinematics(local_rotations, root)
    world = global_rotations(local_rotations)
    hip, knee, ankle = joints[:, HIPS], joints[:, KNEES], joints[:, ANKLES]
    thigh, shin = LEG_LENGTHS
    aim = ankles - hip
    wanted = np.linalg.norm(aim, axis=-1)
    distance = np.clip(wanted, np.abs(thigh - shin) + 1e-3, limit)
    direction = aim / np.maximum(wanted, 1e-9)[..., None]

    arc = shortest_arc(ankle - hip, aim)
    bend = _bend_direction(hip, knee, ankle, world[:, HIPS][..., 2])
    bend = (arc @ bend[..., None])[..., 0]
    along = np.clip((thigh**2 + distance**2 - shin**2) / (2.0 * distance), -thigh, thigh)
    aside = np.sqrt(np.maximum(thigh**2 - along**2, 0.0))
    new_knee = hip + along[..., None] * direction + aside[..., None] * bend
    new_ankle = hip + distance[..., None] * direction

    hip_world = shortest_arc(knee - hip, new_knee - hip) @ world[:, HIPS]
    knee_turn = shortest_arc(ankle - knee, new_ankle - new_knee)
    knee_world = knee_turn @ world[:, KNEES]
    out = local_rotations.copy()
    out[:, HIPS] = transpose(world[:, :1]) @ hip_world
    out[:, KNEES] = transpose(hip_world) @ knee_world
    out[:, ANKLES] = transpose(knee_world) @ world[:, ANKLES]
    return out


def _bend_direction(
    hip: np.ndarray, knee: np.ndarray, ankle: np.ndarray, forward: np.ndarray
) -> np.ndarray:
    """Unit vectors ``[T, 2, 3]`` from the hip-ankle line to the knee."""
    line = ankle - hip
    line = line / np.maximum(np.linalg.norm(line, axis=-1, keepdims=True), 1e-9)

    def across(vector: np.ndarray) -> np.ndarray:
        return vector - (vector * line).sum(-1, keepdims=True) * line

    bend = across(knee - hip)
    doubt = np.clip(1.0 - np.linalg.norm(bend, axis=-1, keepdims=True) / _CLEAR_BEND, 0.0, 1.0)
    bend = bend + doubt**2 * _CLEAR_BEND * across(forward)
    return bend / np.maximum(np.linalg.norm(bend, axis=-1, keepdims=True), 1e-9)
