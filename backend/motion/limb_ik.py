"""Two-bone inverse kinematics of both legs or both arms at once, closed form, over all frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .filters import gaussian_filter1d
from .rotations import shortest_arc, transpose
from .skeleton import PARENTS, forward_kinematics, global_rotations, joint_index, rest_offsets

_STRAIGHTEST = 0.9985  # of a limb's length; the middle joint of a straighter one jumps
_CLEAR_MOVE = 0.02  # m the end is moved before a straight limb bends as usual
_CLEAR_BEND = 0.03  # m the middle joint stands off the line before its direction is trusted


@dataclass(frozen=True)
class Limbs:
    """A pair of limbs, left and right; joints are SMPL's numbers.

    Attributes:
        firsts, middles, ends: hips, knees, ankles; or shoulders, elbows, wrists.
        lengths: ``[2 bones, 2 sides]`` (m).
        bends: along which way of the first bone's local z a straight limb bends.
    """

    firsts: list[int]
    middles: list[int]
    ends: list[int]
    lengths: np.ndarray
    bends: float

    @classmethod
    def of(cls, names: tuple[str, str, str], bends: float) -> Limbs:
        """Limbs of joints that are called ``left_<name>`` and ``right_<name>``."""
        first, middle, end = (
            [joint_index(f"{side}_{name}") for side in ("left", "right")] for name in names
        )
        lengths = np.linalg.norm(rest_offsets()[[middle, end]], axis=-1)
        return cls(first, middle, end, lengths, bends)


LEGS = Limbs.of(("hip", "knee", "ankle"), 1.0)
ARMS = Limbs.of(("shoulder", "elbow", "wrist"), -1.0)
HIPS, KNEES, ANKLES = LEGS.firsts, LEGS.middles, LEGS.ends
LEG_LENGTHS = LEGS.lengths


def reach(first: np.ndarray, end: np.ndarray, limbs: Limbs = LEGS) -> np.ndarray:
    """How far each limb may stretch ``[T, 2]`` (m): nearly straight, or as far as it already does.

    Args:
        first, end: ``[T, 2, 3]`` positions before any change.
    """
    return np.maximum(limbs.lengths.sum(0) * _STRAIGHTEST, np.linalg.norm(end - first, axis=-1))


def solve_limbs(
    local_rotations: np.ndarray,
    root: np.ndarray,
    targets: np.ndarray,
    limit: np.ndarray,
    limbs: Limbs = LEGS,
    steady: float = 0.0,
) -> np.ndarray:
    """Turn the two bones so that the ends reach their targets; feet and hands keep their direction.

    The middle joint stays in the plane that the limb spans (turned with it); a limb that is
    straight bends as knees and elbows do.

    Args:
        local_rotations: ``[T, 22, 3, 3]``; root: ``[T, 3]``.
        targets: ``[T, 2, 3]`` of the left and right end (m).
        limit: ``[T, 2]`` longest stretch; a target beyond it is approached only.
        steady: standard deviation in frames over which the bend of a nearly straight limb, that
            hardly shows one, is taken.

    Returns:
        ``[T, 22, 3, 3]`` new parent-relative rotations.
    """
    joints = forward_kinematics(local_rotations, root)
    world = global_rotations(local_rotations)
    first, middle, end = joints[:, limbs.firsts], joints[:, limbs.middles], joints[:, limbs.ends]
    upper, lower = limbs.lengths
    aim = targets - first
    wanted = np.linalg.norm(aim, axis=-1)
    distance = np.clip(wanted, np.abs(upper - lower) + 1e-3, limit)
    direction = aim / np.maximum(wanted, 1e-9)[..., None]

    arc = shortest_arc(end - first, aim)
    # a limb that is hardly moved keeps its own bend, however little of it there is
    share = np.clip(np.linalg.norm(targets - end, axis=-1) / _CLEAR_MOVE, 0.0, 1.0)[..., None]
    usual = share * limbs.bends * world[:, limbs.firsts][..., 2]
    bend = _bend_direction((first, middle, end), usual, share, steady)
    bend = (arc @ bend[..., None])[..., 0]
    along = np.clip((upper**2 + distance**2 - lower**2) / (2.0 * distance), -upper, upper)
    aside = np.sqrt(np.maximum(upper**2 - along**2, 0.0))
    new_middle = first + along[..., None] * direction + aside[..., None] * bend
    new_end = first + distance[..., None] * direction

    first_world = shortest_arc(middle - first, new_middle - first) @ world[:, limbs.firsts]
    turn = shortest_arc(end - middle, new_end - new_middle)
    middle_world = turn @ world[:, limbs.middles]
    above = world[:, [PARENTS[joint] for joint in limbs.firsts]]
    out = local_rotations.copy()
    out[:, limbs.firsts] = transpose(above) @ first_world
    out[:, limbs.middles] = transpose(first_world) @ middle_world
    out[:, limbs.ends] = transpose(middle_world) @ world[:, limbs.ends]
    return out


def _bend_direction(
    limb: tuple[np.ndarray, ...], usual: np.ndarray, share: np.ndarray, steady: float
) -> np.ndarray:
    """Unit vectors ``[T, 2, 3]`` from the line of each limb to its middle joint.

    Args:
        limb: its three joints. usual: how it bends where it is straight.
        share: ``[T, 2, 1]`` how much of what neighbouring frames tell counts.
    """
    first, middle, end = limb
    line = end - first
    line = line / np.maximum(np.linalg.norm(line, axis=-1, keepdims=True), 1e-9)

    def across(vector: np.ndarray) -> np.ndarray:
        return vector - (vector * line).sum(-1, keepdims=True) * line

    bend = across(middle - first)
    doubt = np.clip(1.0 - np.linalg.norm(bend, axis=-1, keepdims=True) / _CLEAR_BEND, 0.0, 1.0)
    if steady:
        around = across(gaussian_filter1d(bend, steady, axis=0, mode="nearest"))
        bend = bend + share * doubt * (around - bend)
    bend = bend + doubt**2 * _CLEAR_BEND * across(usual)
    return bend / np.maximum(np.linalg.norm(bend, axis=-1, keepdims=True), 1e-9)
