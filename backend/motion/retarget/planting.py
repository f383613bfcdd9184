"""Planted feet stay planted: contacts of the motion, held by the legs of another body.

What a retargeted foot does wrong is small and known: its sole is not where the motion's sole is,
because the foot has another size and the hips another width. For every frame a displacement of
each foot is sought that puts a standing sole on the floor and lets it slide no more than the
motion's does, keeps a swinging sole out of the floor, and changes smoothly in between, so that
nothing pops. Two-bone IK then gives it to the legs; where a leg is too short the pelvis sinks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...wire.skeleton import NUM_JOINTS, PARENTS, REST_OFFSETS, SOLE_HEIGHT
from .. import quaternions
from ..contacts import contacts_of_joints
from .body import Body
from .easing import after, faded, runs, smooth
from .floor import Foot
from .keys import Pose, carried, limb_chain
from .legs import follow_feet, reach, sink
from .stance import SIDES
from .tracks import AT

__all__ = ["MotionFeet", "SolePoints", "motion_feet", "plant_feet", "sole_points"]

_FIRM = 3000.0  # weight of a standing foot against that smoothness
_TOLERANCE = 0.0025  # m (on the neutral body) that a standing sole may be off the floor
_HEEL_DIP = 0.003  # m that the heel of a standing foot may be lower than its ball
_CLEAR = 300.0  # the same for a sole that must be lifted out of the floor
_TREND = 6.0  # weight of a foot that has just left the floor: its ball rises as the motion's does
_ROUNDS = 3


@dataclass(frozen=True, eq=False)
class SolePoints:
    """``[T, 3]`` points of one foot in SMPL axes, from the floor up."""

    heel: np.ndarray
    ball: np.ndarray
    tip: np.ndarray


def plant_feet(
    body: Body,
    pose: Pose,
    root: np.ndarray,
    local: np.ndarray,
    fps: float,
    strength: float = 1.0,
    where: np.ndarray | None = None,
    lock: bool = False,
) -> Pose:
    """The pose with its standing feet on the floor and in place.

    Args:
        pose: of :func:`keys.perform` for the motion ``root [T, 3]``, ``local [T, 22, 4]`` at
            ``fps``.
        strength: 0 leaves the pose exactly as it is, 1 holds the feet.
        where: ``[T]`` weights 0 to 1 of the frames that may change.
        lock: a standing foot does not move at all; else it slides as the motion's does.
    """
    chains = [limb_chain(body, side) for side in SIDES]
    if strength <= 0.0 or len(root) < 2 or not any(chains):
        return pose
    share = min(float(strength), 1.0)
    motion = motion_feet(root, local)
    contacts = contacts_of_joints(motion.joints, fps)
    allowed = np.ones(len(root)) if where is None else np.asarray(where, np.float64)
    turns, places = pose.turns.copy(), pose.places.copy()
    shifts = np.zeros((len(root), 2, 3))
    for foot, chain in enumerate(chains):
        sole = body.feet[foot]
        if chain is None or sole is None:
            continue
        ideal = body.scale * motion.balls[:, foot]
        if lock:
            ideal = ideal * [0.0, 1.0, 0.0]
        stands = contacts[:, foot]
        _flatten(body, turns, places, sole, chain, faded(stands, fps) * share * allowed)
        shifts[:, foot] = _foot_shift(body, turns, places, sole, chain, ideal, stands, fps)
    shifts *= (share * allowed)[:, None, None]
    places = follow_feet(body, places, chains, shifts, contacts, fps)
    places = sink(body, turns, places, chains, shifts, fps)
    for foot, chain in enumerate(chains):
        if chain is not None and body.feet[foot] is not None:
            reach(body, turns, places, pose, chain, shifts[:, foot])
    pelvis = places[:, body.of_joint["pelvis"]]
    moved = Pose(turns, carried(body, turns, pelvis))
    return _bent_toes(body, moved, share * allowed)


# --------------------------------------------------------------------------- the motion's own feet


@dataclass(frozen=True, eq=False)
class MotionFeet:
    """Joints ``[T, 22, 3]`` of a motion (m), and the points ``[T, 2, 3]`` below its balls."""

    joints: np.ndarray
    balls: np.ndarray


def motion_feet(root: np.ndarray, local: np.ndarray) -> MotionFeet:
    """Joints ``[T, 22, 3]`` of the motion (m) and the points ``[T, 2, 3]`` below its balls."""
    offsets = np.array(REST_OFFSETS)
    whole = [local[:, 0]]
    joints = np.empty((len(root), NUM_JOINTS, 3))
    joints[:, 0] = root
    for joint, parent in enumerate(PARENTS[1:], start=1):
        joints[:, joint] = joints[:, parent] + quaternions.rotate(whole[parent], offsets[joint])
        whole.append(quaternions.multiply(whole[parent], local[:, joint]))
    toes = [AT[f"{side}_foot"] for side in SIDES]
    return MotionFeet(joints, joints[:, toes] - [0.0, SOLE_HEIGHT, 0.0])


# --------------------------------------------------------------------------- one foot


def sole_points(body: Body, turns: np.ndarray, places: np.ndarray, foot: Foot) -> SolePoints:
    """Where the sole of a foot is, from the turns and places of all tracks."""
    ankle = body.of_joint[f"{foot.side}_ankle"]
    at, turn = places[:, ankle], turns[:, ankle]
    heel = at + quaternions.rotate(turn, foot.heel)
    ball = at + quaternions.rotate(turn, foot.ball)
    toe = body.of_joint.get(f"{foot.side}_foot") if foot.has_toe else None
    if toe is None:
        tip = at + quaternions.rotate(turn, foot.tip)
    else:
        arm = body.places[ankle] + foot.tip - body.places[toe]
        base = at + quaternions.rotate(turn, body.places[toe] - body.places[ankle])
        # toes lie flat while a foot rolls over them, so their joint keeps its height
        rest_height = (body.places[toe] - body.places[ankle] - foot.ball)[1]
        ball = base - [0.0, rest_height, 0.0]
        tip = base + quaternions.rotate(turns[:, toe], arm)
    return SolePoints(heel, ball, tip)


def _flatten(
    body: Body,
    turns: np.ndarray,
    places: np.ndarray,
    foot: Foot,
    chain: tuple[int, int, int],
    weight: np.ndarray,
) -> None:
    """Tilt a standing foot until its heel is not below its ball; in place."""
    ankle = chain[2]
    soles = sole_points(body, turns, places, foot)
    along = soles.ball - soles.heel
    length = np.linalg.norm(along, axis=-1)
    dip = np.clip(along[:, 1] / np.maximum(length, 1e-9), 0.0, 0.9)
    free = _HEEL_DIP * body.scale / np.maximum(length, 1e-9)
    angle = np.maximum(np.arcsin(dip) - free, 0.0) * weight
    if not np.any(angle > 1e-4):
        return
    level = along * [1.0, 0.0, 1.0]
    axis = np.cross(
        [0.0, 1.0, 0.0], level / np.maximum(np.linalg.norm(level, axis=-1), 1e-9)[:, None]
    )
    half = 0.5 * angle
    turn = np.concatenate([np.cos(half)[:, None], np.sin(half)[:, None] * axis], -1)
    turns[:, ankle] = quaternions.multiply(turn, turns[:, ankle])
    toe = body.of_joint.get(f"{foot.side}_foot")
    if toe is not None:
        turns[:, toe] = quaternions.multiply(turn, turns[:, toe])


def _foot_shift(
    body: Body,
    turns: np.ndarray,
    places: np.ndarray,
    foot: Foot,
    chain: tuple[int, int, int],
    ideal: np.ndarray,
    stands: np.ndarray,
    fps: float,
) -> np.ndarray:
    """How far ``[T, 3]`` a foot is to be moved: smooth, and right while it stands."""
    soles = sole_points(body, turns, places, foot)
    ball = soles.ball
    if not foot.has_toe:  # it rolls over its tip
        lower = soles.tip[:, 1] < ball[:, 1]
        touch = np.where(lower, soles.tip[:, 1], ball[:, 1])
    else:
        touch = ball[:, 1]
    wanted = np.zeros_like(ball)
    slack = _TOLERANCE * body.scale
    wanted[:, 1] = body.ground - touch
    wanted[:, 1] -= np.clip(wanted[:, 1], -slack, slack)
    for start, stop in runs(stands):
        gap = ideal[start:stop] - ball[start:stop]
        wanted[start:stop, 0] = gap[:, 0] - gap[:, 0].mean()
        wanted[start:stop, 2] = gap[:, 2] - gap[:, 2].mean()
    out = np.empty_like(ball)
    pull = np.where(stands, _FIRM, 0.0)
    trend = _TREND * after(stands, fps)
    rising = (ideal[:, 1] + body.ground) - ball[:, 1]
    out[:, [0, 2]] = smooth(wanted[:, [0, 2]], pull, fps)
    lowest = np.minimum(soles.heel[:, 1], touch)
    need = body.ground - lowest - slack
    target = np.where(stands, wanted[:, 1], rising)
    pull = np.where(stands, pull, trend)
    for _ in range(_ROUNDS):
        out[:, 1] = smooth(target[:, None], pull, fps)[:, 0]
        sunk = (out[:, 1] < need - 2e-3 * body.scale) & ~stands
        if not sunk.any():
            break
        pull = np.where(sunk, _CLEAR, pull)
        target = np.where(sunk, need, target)
    return out


# --------------------------------------------------------------------------- pelvis and legs


def _bent_toes(body: Body, pose: Pose, share: np.ndarray) -> Pose:
    """The pose with toes bent up where their tips would be in the floor."""
    turns = pose.turns.copy()
    for foot in body.feet:
        if foot is None or not foot.has_toe:
            continue
        toe = body.of_joint[f"{foot.side}_foot"]
        soles = sole_points(body, turns, pose.places, foot)
        base = pose.places[:, toe]
        arm = soles.tip - base
        low = body.ground - soles.tip[:, 1]
        level = arm * [1.0, 0.0, 1.0]
        reach = np.linalg.norm(arm, axis=-1)
        now = np.arcsin(np.clip(arm[:, 1] / np.maximum(reach, 1e-9), -1.0, 1.0))
        need = np.arcsin(np.clip((arm[:, 1] + low) / np.maximum(reach, 1e-9), -0.99, 0.99))
        angle = np.clip(need - now, 0.0, 1.2) * share
        if not np.any(angle > 1e-5):
            continue
        ahead = level / np.maximum(np.linalg.norm(level, axis=-1, keepdims=True), 1e-9)
        axis = np.cross(ahead, [0.0, 1.0, 0.0])
        half = 0.5 * angle[:, None]
        turn = np.concatenate([np.cos(half), np.sin(half) * axis], -1)
        for k, track in enumerate(body.tracks):
            if track.low == AT[f"{foot.side}_foot"]:
                turns[:, k] = quaternions.multiply(turn, turns[:, k])
    return Pose(turns, pose.places)
