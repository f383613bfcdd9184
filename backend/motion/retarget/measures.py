"""How well a body stands on its feet: the figures of a retargeted take against its motion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..contacts import contacts_of_joints
from .body import Body
from .keys import Pose, joint_places, limb_chain
from .planting import motion_feet, sole_points
from .stance import SIDES, leg_length, neutral
from .tracks import AT

_TALL = 1.70
"""m: heights are told for a body of this size."""
_LIMBS = [
    (f"{side}_{a}", f"{side}_{b}")
    for side in SIDES
    for a, b in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"))
]


@dataclass(frozen=True)
class Standing:
    """Figures of one take.

    Attributes:
        limbs_deg: largest angle between a limb and the motion's.
        planted_cm: how far the ball of a standing foot is off its height at rest, at most.
        penetration_cm: deepest point of the soles below the floor.
        sliding: mean speed of standing balls over that of the motion's (scaled).
        flips: frames in which a knee bends to another side than the motion's does.
        acceleration: largest of the joints of the legs, over the largest of the motion's joints.
    """

    limbs_deg: float
    planted_cm: float
    penetration_cm: float
    sliding: float
    flips: int
    acceleration: float


def measure(body: Body, pose: Pose, root: np.ndarray, local: np.ndarray, fps: float) -> Standing:
    """The figures of a pose for the motion ``root [T, 3]``, ``local [T, 22, 4]`` at ``fps``."""
    motion = motion_feet(root, local)
    contacts = contacts_of_joints(motion.joints, fps)
    joints = joint_places(body, pose) @ body.basis
    to_cm = 100.0 * _TALL / (_TALL * body.scale)
    planted, deepest, slides, theirs = 0.0, 0.0, [0.0], [0.0]
    for foot, sole in enumerate(body.feet):
        if sole is None:
            continue
        points = sole_points(body, pose.turns, pose.places, sole)
        lowest = np.minimum(np.minimum(points.heel, points.ball), points.tip)[:, 1]
        deepest = max(deepest, float(body.ground - lowest.min()))
        touch = points.ball[:, 1]
        if not sole.has_toe:
            touch = np.minimum(touch, points.tip[:, 1])
        stands = contacts[:, foot]
        if stands.any():
            planted = max(planted, float(np.abs(touch[stands] - body.ground).max()))
        both = stands[1:] & stands[:-1]
        slides += _steps(points.ball, both)
        theirs += _steps(body.scale * motion.balls[:, foot], both)
    legs = [AT[f"{s}_{p}"] for s in SIDES for p in ("hip", "knee", "ankle", "foot")]
    ours = _acceleration(joints[:, legs]) / body.scale
    return Standing(
        _limbs(body, joints, motion.joints),
        planted * to_cm,
        deepest * to_cm,
        (sum(slides) + 1e-9) / (sum(theirs) + 1e-9),
        _flips(body, pose, motion.joints),
        ours / max(_acceleration(motion.joints), 1e-9),
    )


def _steps(points: np.ndarray, rows: np.ndarray) -> list[float]:
    return np.linalg.norm(np.diff(points[:, [0, 2]], axis=0), axis=-1)[rows].tolist()


def _acceleration(joints: np.ndarray) -> float:
    return float(np.linalg.norm(np.diff(joints, 2, axis=0), axis=-1).max(initial=0.0))


def _limbs(body: Body, ours: np.ndarray, theirs: np.ndarray) -> float:
    worst = 0.0
    for start, end in _LIMBS:
        if start in body.of_joint and end in body.of_joint:
            a = ours[:, AT[end]] - ours[:, AT[start]]
            b = theirs[:, AT[end]] - theirs[:, AT[start]]
            cosine = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
            worst = max(worst, float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).max()))
    return worst


def _flips(body: Body, pose: Pose, motion: np.ndarray) -> int:
    """Frames in which a clearly bent knee points away from where the motion's points."""
    count, clear = 0, 0.02 * leg_length(neutral())
    for side in SIDES:
        chain = limb_chain(body, side)
        if chain is None:
            continue
        ours = _bend(*(pose.places[:, k] for k in chain)) / body.scale
        theirs = _bend(*(motion[:, AT[f"{side}_{p}"]] for p in ("hip", "knee", "ankle")))
        bent = (np.linalg.norm(ours, axis=-1) > clear) & (np.linalg.norm(theirs, axis=-1) > clear)
        count += int(((ours * theirs).sum(-1)[bent] < 0.0).sum())
    return count


def _bend(hip: np.ndarray, knee: np.ndarray, ankle: np.ndarray) -> np.ndarray:
    """``[T, 3]`` from the line of a leg to its knee."""
    line = ankle - hip
    line = line / np.maximum(np.linalg.norm(line, axis=-1, keepdims=True), 1e-9)
    away = knee - hip
    return away - (away * line).sum(-1, keepdims=True) * line


@dataclass(frozen=True)
class FloorContact:
    """How a body meets the floor in a take.

    Attributes:
        sliding_cm_s: mean speed of the balls of standing feet, at a body of 1.7 m.
        below_cm: deepest point of the soles below the floor.
    """

    sliding_cm_s: float
    below_cm: float


def floor_contact(body: Body, pose: Pose, fps: float) -> FloorContact:
    """The figures of a pose by itself; which foot stands, its own joints say."""
    joints = joint_places(body, pose) @ body.basis / body.scale
    joints[..., 1] -= body.ground / body.scale
    contacts = contacts_of_joints(joints, fps)
    speeds, deepest = [0.0], 0.0
    for foot, sole in enumerate(body.feet):
        if sole is None:
            continue
        points = sole_points(body, pose.turns, pose.places, sole)
        lowest = np.minimum(np.minimum(points.heel, points.ball), points.tip)[:, 1]
        deepest = max(deepest, float(body.ground - lowest.min()))
        speeds += _steps(points.ball, contacts[1:, foot] & contacts[:-1, foot])
    moving = speeds[1:] or [0.0]
    to_cm = 100.0 / body.scale
    return FloorContact(float(np.mean(moving)) * to_cm * fps, deepest * to_cm)
