"""How a body stands at rest: its axes, its size, and what turns its limbs to SMPL's T-pose."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from ...wire.skeleton import JOINT_NAMES, NUM_JOINTS, PARENTS, REST_OFFSETS, SOLE_HEIGHT
from .. import quaternions

SIDES = ("left", "right")
LEGS = tuple(tuple(f"{side}_{p}" for p in ("hip", "knee", "ankle")) for side in SIDES)
ARMS = tuple(tuple(f"{side}_{p}" for p in ("shoulder", "elbow", "wrist")) for side in SIDES)

SMPL_TO_BLENDER = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""``blender = SMPL_TO_BLENDER @ smpl`` for column vectors; a quarter turn about X.

SMPL (and motion_135): X to the character's left, Y up, facing +Z. Blender: X to the character's
left, Z up, facing -Y (the "front" view). Both are right-handed.
"""
POSED_DEGREES = 20.0
"""Limbs of SMPL bodies rest a few degrees apart from each other's, and their rotations mean just
that; a limb this far from the neutral body's was posed on purpose."""
_SNAP_DEGREES = 15.0
_BENT_TRUNK_DEGREES = 18.0
_IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])


def smpl_to_blender(vectors: np.ndarray) -> np.ndarray:
    """Vectors ``[..., 3]`` in SMPL axes to Blender's world axes."""
    return vectors @ SMPL_TO_BLENDER.T


def blender_to_smpl(vectors: np.ndarray) -> np.ndarray:
    """Vectors ``[..., 3]`` in Blender's world axes to SMPL axes."""
    return vectors @ SMPL_TO_BLENDER


def rest_heads() -> np.ndarray:
    """``[22, 3]`` rest joints of the neutral SMPL-22 body in metres, Y-up, soles on y = 0."""
    heads = np.zeros((NUM_JOINTS, 3))
    for joint, parent in enumerate(PARENTS):
        heads[joint] = np.asarray(REST_OFFSETS[joint]) + (heads[parent] if parent >= 0 else 0.0)
    heads[:, 1] += SOLE_HEIGHT - heads[:, 1].min()
    return heads


def neutral() -> dict[str, np.ndarray]:
    """Joint name to its place in :func:`rest_heads`."""
    return dict(zip(JOINT_NAMES, rest_heads(), strict=True))


def leg_length(at: Mapping[str, np.ndarray]) -> float:
    """Thigh plus shin, mean of both legs; without ankles twice the thighs."""
    whole = [
        sum(float(np.linalg.norm(at[b] - at[a])) for a, b in pairwise(chain))
        for chain in LEGS
        if all(joint in at for joint in chain)
    ]
    if whole:
        return sum(whole) / len(whole)
    return float(np.mean([2.0 * np.linalg.norm(at[c[1]] - at[c[0]]) for c in LEGS]))


def body_scale(heads: np.ndarray) -> float:
    """How many units one metre of the motion is, by the legs of joints ``[22, 3]``."""
    return leg_length(dict(zip(JOINT_NAMES, heads, strict=True))) / leg_length(neutral())


def measure_basis(
    at: Mapping[str, np.ndarray], up: np.ndarray | None = None
) -> tuple[np.ndarray, bool]:
    """How SMPL's axes lie in a skeleton's own space, read from its rest pose.

    Some rigs keep Y-up bones under a rotated object, others are Z-up; the joints themselves say
    which, compared with where SMPL's neutral body has them. A body whose trunk leans in its rest
    pose still stands on the floor: the vertical then decides.

    Args:
        at: rest positions of the joints that there are.
        up: the vertical, if it is known.

    Returns:
        ``[3, 3]`` rotation B with ``skeleton = B @ smpl``, and whether the trunk leans. B is
        snapped to the nearest quarter turns when it is within 15 degrees of them, because the hips
        of a real body are never quite level.
    """
    by_neck = "neck" in at
    basis = _body_frame(at, by_neck) @ _body_frame(neutral(), by_neck).T
    snapped, angle = _quarter_turns(basis)
    if angle < _SNAP_DEGREES:
        return snapped, False
    if up is not None:
        up = np.asarray(up, np.float64) / np.linalg.norm(up)
        lean = np.degrees(np.arccos(np.clip(basis[:, 1] @ up, -1.0, 1.0)))
        if lean < 60.0:
            left = basis[:, 0] - (basis[:, 0] @ up) * up
            left /= np.linalg.norm(left)
            upright = np.stack([left, up, np.cross(left, up)], axis=1)
            snapped, angle = _quarter_turns(upright)
            leans = lean > _BENT_TRUNK_DEGREES
            return (snapped if angle < (45.0 if leans else _SNAP_DEGREES) else upright), leans
    return basis, False


def _quarter_turns(basis: np.ndarray) -> tuple[np.ndarray, float]:
    """The nearest rotation that maps axes to axes, and how far away it is (degrees)."""
    snapped = np.zeros((3, 3))
    left = basis.copy()
    for _ in range(3):
        row, column = np.unravel_index(int(np.abs(left).argmax()), (3, 3))
        snapped[row, column] = np.sign(basis[row, column])
        left[row, :], left[:, column] = 0.0, 0.0
    if np.linalg.det(snapped) < 0.0:
        return basis, 180.0
    cosine = (np.trace(basis.T @ snapped) - 1) / 2
    return snapped, float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))


def _body_frame(at: Mapping[str, np.ndarray], by_neck: bool) -> np.ndarray:
    """``[3, 3]`` columns: left, up along the spine, forward."""
    left = (at["left_hip"] - at["right_hip"]) + (at["left_shoulder"] - at["right_shoulder"])
    top = at["neck"] if by_neck else 0.5 * (at["left_shoulder"] + at["right_shoulder"])
    up = top - 0.5 * (at["left_hip"] + at["right_hip"])
    up = up / np.linalg.norm(up)
    left = left - (left @ up) * up
    left = left / np.linalg.norm(left)
    return np.stack([left, up, np.cross(left, up)], axis=1)


def limb_turns(at: Mapping[str, np.ndarray], posed_degrees: float = POSED_DEGREES) -> np.ndarray:
    """What turns each limb of a body from its rest to SMPL's T-pose, ``[22, 4]``.

    Args:
        at: joint positions in SMPL axes; limbs that lack a joint are left as they are.
        posed_degrees: a limb that rests nearer to SMPL's is left as it is.
    """
    limbs = np.tile(_IDENTITY, (NUM_JOINTS, 1))
    theirs = neutral()
    for chain in (*LEGS, *ARMS):
        for start, end in pairwise(chain):
            if start in at and end in at:
                ours, wanted = at[end] - at[start], theirs[end] - theirs[start]
                limbs[JOINT_NAMES.index(start)] = _turn(ours, wanted, posed_degrees)
        if chain in ARMS:  # a hand rests in line with its forearm, a foot flat on the floor
            middle, last = map(JOINT_NAMES.index, chain[1:])
            limbs[last] = limbs[middle]
    return limbs


def _turn(start: np.ndarray, end: np.ndarray, at_least: float) -> np.ndarray:
    """The smallest turn between two directions if it has these degrees, else none."""
    start, end = start / np.linalg.norm(start), end / np.linalg.norm(end)
    if start @ end > np.cos(np.radians(at_least)):
        return _IDENTITY
    return quaternions.shortest_turn(start, end)
