"""Soles: how high a body stands above the floor, and which points of its feet touch it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...wire.skeleton import JOINT_NAMES, SOLE_HEIGHT
from .. import quaternions
from .presets import Rig
from .skeleton import Skeleton
from .stance import SIDES, leg_length, neutral

HEEL, TOE_TIP = 0.062, 0.075
"""How far (m, on the neutral body) the sole reaches behind the ankle and past the ball."""
_BALL, _TIP_ALONE = 0.12, 0.19
"""The same ahead of the ankle for a foot without a toe bone."""
_ANKLE_HEIGHT = 0.06
"""Of such a foot (m), where nothing else tells."""
_HIGHEST_ANKLE = 0.32
"""Of the leg's length: an ankle higher above the floor contradicts it."""
_NEAR_SOLE = 0.2
"""Of the ankle's height: points of the mesh within it belong to the sole."""
_POSED_SHIN_DEGREES = 28.0
_FOLDED_SHIN_DEGREES = 60.0
_HANGING_DEGREES = 75.0


@dataclass(frozen=True, eq=False)
class Foot:
    """Points of one sole, as offsets from the ankle in SMPL axes and in the rest pose.

    Attributes:
        side: "left" or "right".
        heel, ball: ``[3]`` turned by the ankle.
        tip: ``[3]`` turned by the toe where there is one, else by the ankle.
        has_toe: whether there is one.
        width: ``[3]`` axis across the foot, about which it is tilted.
    """

    side: str
    heel: np.ndarray
    ball: np.ndarray
    tip: np.ndarray
    has_toe: bool
    width: np.ndarray


def sole_level(
    skeleton: Skeleton, rig: Rig, basis: np.ndarray, own: Mapping[str, np.ndarray], scale: float
) -> float:
    """Height of the soles in the rest pose, in SMPL axes and the skeleton's unit.

    From the mesh of the feet if there is one, else from the whole mesh or the floor, if the bones
    do not contradict them, else from the bones.
    """
    leg = scale * leg_length(neutral())
    if rig.own_shape:
        return float(min(p[1] for p in own.values())) - SOLE_HEIGHT * scale
    bones = [p[1] for j, p in own.items() if j.endswith(("_ankle", "_foot"))]
    ankles = [p[1] for j, p in own.items() if j.endswith("_ankle")]
    if not ankles:
        return min(p[1] for j, p in own.items() if j.endswith("_knee")) - 0.5 * leg
    lowest = float(min(bones))
    meshes = [
        points for bone, points in skeleton.soles.items() if bone in _foot_bones(skeleton, rig)
    ]
    options = []
    if meshes:
        options.append(float((np.concatenate(meshes) @ basis)[:, 1].min()))
    if skeleton.lowest is not None:
        options.append(float(skeleton.lowest))
    options.append(float(skeleton.floor))
    pelvis = skeleton.chains[skeleton.index[rig.bones["pelvis"]]][:-1]
    options += [float(skeleton.heads[bone] @ basis[:, 1]) for bone in pelvis]
    for level in options:
        if -0.02 * leg < lowest - level < 0.2 * leg and min(ankles) - level < _HIGHEST_ANKLE * leg:
            return level
    has_toe = any(j.endswith("_foot") for j in own)
    return lowest - scale * (SOLE_HEIGHT if has_toe else _ANKLE_HEIGHT)


def _foot_bones(skeleton: Skeleton, rig: Rig) -> set[str]:
    found: set[str] = set()
    for side in SIDES:
        name = rig.bones.get(f"{side}_ankle")
        if name is not None:
            bone = skeleton.index[name]
            found |= {skeleton.names[b] for b in (bone, *skeleton.below(bone))}
    return found


def is_flat(limbs: np.ndarray, own: Mapping[str, np.ndarray], side: str) -> bool:
    """Whether a foot rests flat: its shin stands, more or less, and it does not hang down."""
    return _shin_angle(limbs, side) < _POSED_SHIN_DEGREES and not says_nothing(limbs, own, side)


def _shin_angle(limbs: np.ndarray, side: str) -> float:
    """Degrees between a shin at rest and SMPL's."""
    turn = limbs[JOINT_NAMES.index(f"{side}_knee")]
    return float(2.0 * np.degrees(np.arccos(min(abs(turn[0]), 1.0))))


def says_nothing(limbs: np.ndarray, own: Mapping[str, np.ndarray], side: str) -> bool:
    """Whether the rest pose does not tell how high an ankle stands: the shin rests elsewhere, or

    the foot lies in line with it, as where all bones lie along one axis.
    """
    if _shin_angle(limbs, side) > _FOLDED_SHIN_DEGREES:
        return True
    ankle, toe = own.get(f"{side}_ankle"), own.get(f"{side}_foot")
    if ankle is None or toe is None:
        return False
    bone = toe - ankle
    return bool(-bone[1] > np.sin(np.radians(_HANGING_DEGREES)) * np.linalg.norm(bone))


def foot_turns(limbs: np.ndarray, own: Mapping[str, np.ndarray], ankle_height: float) -> None:
    """Feet that rest flat stay flat and turn out as SMPL's do; posed ones are laid flat; in place.

    Args:
        ankle_height: of the body, above its soles.
    """
    theirs = neutral()
    for side in SIDES:
        ankle, toe = f"{side}_ankle", f"{side}_foot"
        if ankle not in own:
            continue
        turn = np.array([1.0, 0.0, 0.0, 0.0])
        if toe in own:
            wanted = (theirs[toe] - theirs[ankle]) * [1.0, 0.0, 1.0]
            bone = own[toe] - own[ankle]
            if is_flat(limbs, own, side):
                level = bone * [1.0, 0.0, 1.0]
                if np.linalg.norm(level) > 0.2 * np.linalg.norm(bone):
                    turn = quaternions.shortest_turn(level, wanted)
            else:
                length = float(np.linalg.norm(bone))
                drop = min(0.7 * ankle_height, 0.6 * length)
                flat = wanted / np.linalg.norm(wanted) * np.sqrt(length**2 - drop**2)
                turn = quaternions.shortest_turn(bone, flat - [0.0, drop, 0.0])
        elif not is_flat(limbs, own, side):
            turn = limbs[JOINT_NAMES.index(f"{side}_knee")]
        for joint in (ankle, toe):
            limbs[JOINT_NAMES.index(joint)] = turn


def feet_of(
    skeleton: Skeleton,
    rig: Rig,
    basis: np.ndarray,
    own: Mapping[str, np.ndarray],
    limbs: np.ndarray,
    ankle_height: float | None,
    sole: float,
    scale: float,
) -> tuple[Foot | None, Foot | None]:
    """The soles of both feet; None where there is no ankle.

    Args:
        ankle_height: above the soles when the feet stand flat; as at rest when None.
    """
    made: list[Foot | None] = []
    for side in SIDES:
        if f"{side}_ankle" not in own:
            made.append(None)
            continue
        made.append(_foot(skeleton, rig, basis, own, limbs, ankle_height, sole, scale, side))
    return made[0], made[1]


def _foot(
    skeleton: Skeleton,
    rig: Rig,
    basis: np.ndarray,
    own: Mapping[str, np.ndarray],
    limbs: np.ndarray,
    ankle_height: float | None,
    sole: float,
    scale: float,
    side: str,
) -> Foot:
    ankle, toe = own[f"{side}_ankle"], own.get(f"{side}_foot")
    turn = limbs[JOINT_NAMES.index(f"{side}_ankle")]
    back = quaternions.conjugate(turn)
    theirs = neutral()
    heading = (theirs[f"{side}_foot"] - theirs[f"{side}_ankle"]) * [1.0, 0.0, 1.0]
    heading = heading / np.linalg.norm(heading)
    down = ankle[1] - sole if ankle_height is None else ankle_height
    flat = toe is not None
    bone = quaternions.rotate(turn, toe - ankle) if toe is not None else None
    ball = float(bone @ heading) if bone is not None else _BALL * scale
    heel, tip = -HEEL * scale, ball + TOE_TIP * scale if flat else _TIP_ALONE * scale
    points = _mesh_points(skeleton, rig, side)
    if points is not None and ankle_height is None:
        placed = quaternions.rotate(turn, points @ basis - ankle)
        low = placed[placed[:, 1] < -down + _NEAR_SOLE * max(down, 1e-9)]
        if len(low) > 2:
            along = low @ heading
            heel, tip = min(float(along.min()), 0.0), max(float(along.max()), 0.6 * ball)
            if not flat:
                ball = heel + 0.7 * (tip - heel)
    floor = np.array([0.0, -down, 0.0])

    def at(distance: float) -> np.ndarray:
        return quaternions.rotate(back, heading * distance + floor)

    width = quaternions.rotate(back, np.cross([0.0, 1.0, 0.0], heading))
    return Foot(side, at(heel), at(ball), at(tip), flat, width)


def _mesh_points(skeleton: Skeleton, rig: Rig, side: str) -> np.ndarray | None:
    bone = skeleton.index[rig.bones[f"{side}_ankle"]]
    names = [skeleton.names[b] for b in (bone, *skeleton.below(bone))]
    found = [skeleton.soles[name] for name in names if name in skeleton.soles]
    return np.concatenate(found) if found else None
