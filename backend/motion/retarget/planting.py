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
from .body import AT, Body
from .floor import Foot
from .keys import Pose, carried, limb_chain
from .stance import SIDES

__all__ = ["MotionFeet", "SolePoints", "motion_feet", "plant_feet", "sole_points"]

_EASE = 0.05  # s: how fast a foot may be moved away from where it was
_BODY_EASE = 0.08  # s: the same for the pelvis
_MEMORY = 0.35  # s: how long a swinging foot may stay displaced
_FIRM = 3000.0  # weight of a standing foot against that smoothness
_STRAIGHTNESS = 0.01  # of the leg's length
_TOLERANCE = 0.0025  # m (on the neutral body) that a standing sole may be off the floor
_HEEL_DIP = 0.003  # m that the heel of a standing foot may be lower than its ball
_FOLLOW = 300.0  # the same for the pelvis above standing feet
_CLEAR = 300.0  # the same for a sole that must be lifted out of the floor
_TREND = 6.0  # weight of a foot that has just left the floor: its ball rises as the motion's does
_TREND_TIME = 0.2  # s
_FADE = 0.12  # s of a contact's beginning and end
_STRAIGHT = 0.9985  # of the leg's length; the knee of a straighter leg jumps at small moves
_CLEAR_BEND = 0.006  # of the leg's length the knee stands off its line before it shows a direction
_SINK = 0.12  # s: how smoothly the pelvis sinks
_MOST_SINK = 0.12  # of the leg's length
_WINDOW = 480  # frames that are solved together
_OVERLAP = 60
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
) -> Pose:
    """The pose with its standing feet on the floor and in place.

    Args:
        pose: of :func:`keys.perform` for the motion ``root [T, 3]``, ``local [T, 22, 4]`` at
            ``fps``.
        strength: 0 leaves the pose exactly as it is, 1 holds the feet.
        where: ``[T]`` weights 0 to 1 of the frames that may change.
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
        stands = contacts[:, foot]
        _flatten(body, turns, places, sole, chain, _faded(stands, fps) * share * allowed)
        shifts[:, foot] = _foot_shift(body, turns, places, sole, chain, ideal, stands, fps)
    shifts *= (share * allowed)[:, None, None]
    places = _followed(body, places, chains, shifts, contacts, fps)
    places = _sunk(body, turns, places, chains, shifts, fps)
    for foot, chain in enumerate(chains):
        if chain is not None and body.feet[foot] is not None:
            _reach(body, turns, places, pose, chain, foot, shifts[:, foot])
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


def _faded(flags: np.ndarray, fps: float) -> np.ndarray:
    """Weights 0 to 1: 1 in a contact, rising before it and falling after it."""
    steps = max(1, round(_FADE * fps))
    kernel = np.hanning(2 * steps + 3)[1:-1]
    wide = np.pad(flags.astype(np.float64), steps, mode="edge")
    grown = np.lib.stride_tricks.sliding_window_view(wide, 2 * steps + 1).max(-1)
    blurred = np.convolve(np.pad(grown, steps, mode="edge"), kernel / kernel.sum(), "valid")
    return np.where(flags, 1.0, blurred)


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
    for start, stop in _runs(stands):
        gap = ideal[start:stop] - ball[start:stop]
        wanted[start:stop, 0] = gap[:, 0] - gap[:, 0].mean()
        wanted[start:stop, 2] = gap[:, 2] - gap[:, 2].mean()
    out = np.empty_like(ball)
    pull = np.where(stands, _FIRM, 0.0)
    trend = _TREND * _near(stands, fps)
    rising = (ideal[:, 1] + body.ground) - ball[:, 1]
    out[:, [0, 2]] = _smooth(wanted[:, [0, 2]], pull, fps)
    lowest = np.minimum(soles.heel[:, 1], touch)
    need = body.ground - lowest - slack
    target = np.where(stands, wanted[:, 1], rising)
    pull = np.where(stands, pull, trend)
    for _ in range(_ROUNDS):
        out[:, 1] = _smooth(target[:, None], pull, fps)[:, 0]
        sunk = (out[:, 1] < need - 2e-3 * body.scale) & ~stands
        if not sunk.any():
            break
        pull = np.where(sunk, _CLEAR, pull)
        target = np.where(sunk, need, target)
    return out


def _near(stands: np.ndarray, fps: float) -> np.ndarray:
    """``[T]`` 1 at the end of a contact, falling to 0 within the time that a foot remembers it."""
    steps = max(1, round(_TREND_TIME * fps))
    kernel = 1.0 - np.abs(np.arange(-steps, steps + 1)) / (steps + 1)
    kernel[steps + 1 :] = 0.0
    wide = np.pad(stands.astype(np.float64), steps)
    windows = np.lib.stride_tricks.sliding_window_view(wide, 2 * steps + 1)
    near = (windows * kernel).max(-1)
    return near * near * (3.0 - 2.0 * near)


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """First and one past the last frame of each stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _smooth(wanted: np.ndarray, pull: np.ndarray, fps: float, ease: float = _EASE) -> np.ndarray:
    """``[T, C]`` nearest to ``wanted`` where ``pull [T]`` says so, smooth, and small elsewhere.

    Minimises ``sum pull (c - wanted)^2 + sum (ease / memory)^2 c^2 + sum ease^4 (d2c/dt2)^2``.
    """
    frames = len(wanted)
    if not np.any(pull[:, None] * np.abs(wanted) > 0):
        return np.zeros_like(wanted)
    if frames <= _WINDOW + _OVERLAP:
        return _solved(wanted, pull, fps, ease)
    out, start = np.zeros_like(wanted), 0
    while start < frames:
        first, last = max(0, start - _OVERLAP), min(frames, start + _WINDOW + _OVERLAP)
        part = _solved(wanted[first:last], pull[first:last], fps, ease)
        ramp = np.clip((np.arange(first, last) - start + _OVERLAP / 2) / _OVERLAP, 0.0, 1.0)
        ramp = np.ones(last - first) if start == 0 else ramp * ramp * (3.0 - 2.0 * ramp)
        out[first:last] += ramp[:, None] * (part - out[first:last])
        start += _WINDOW
    return out


def _solved(wanted: np.ndarray, pull: np.ndarray, fps: float, ease: float) -> np.ndarray:
    frames = len(wanted)
    matrix = np.zeros((frames, frames))
    rows = np.arange(frames)
    rest = (ease / _MEMORY) ** 2
    matrix[rows, rows] = pull + rest * (pull == 0.0) + 1e-6
    if frames > 2:
        second = np.zeros((frames - 2, frames))
        middle = np.arange(frames - 2)
        for offset, value in enumerate((1.0, -2.0, 1.0)):
            second[middle, middle + offset] = value
        bend = (ease * fps) ** 4
        for near in range(3):  # the product of the banded matrix with itself, band by band
            band = (second[:, : frames - near] * second[:, near:]).sum(0)
            matrix[rows[: frames - near], rows[near:]] += bend * band
            if near:
                matrix[rows[near:], rows[: frames - near]] += bend * band
    return np.linalg.solve(matrix, pull[:, None] * wanted)


# --------------------------------------------------------------------------- pelvis and legs


def _lengths(body: Body, chain: tuple[int, int, int]) -> tuple[float, float]:
    hip, knee, ankle = (body.places[k] for k in chain)
    return float(np.linalg.norm(knee - hip)), float(np.linalg.norm(ankle - knee))


def _followed(
    body: Body,
    places: np.ndarray,
    chains: list[tuple[int, int, int] | None],
    shifts: np.ndarray,
    contacts: np.ndarray,
    fps: float,
) -> np.ndarray:
    """Places with the pelvis moved up and down with the standing feet: knees keep their bend.

    A leg that is nearly straight answers a millimetre at the foot with a centimetre at the knee, so
    the straightest of the standing legs counts most.
    """
    total, wanted = np.zeros(len(places)), np.zeros(len(places))
    for foot, chain in enumerate(chains):
        if chain is None:
            continue
        hip, ankle = places[:, chain[0]], places[:, chain[2]]
        now = np.linalg.norm(ankle - hip, axis=-1)
        gap = hip - ankle - shifts[:, foot]
        level = (gap[:, [0, 2]] ** 2).sum(-1)
        rise = np.sqrt(np.maximum(now**2 - level, 0.0)) - gap[:, 1]
        bent = np.clip(1.0 - now / sum(_lengths(body, chain)), 0.0, 1.0)
        weight = contacts[:, foot] * (level < 0.8 * now**2) / (bent + _STRAIGHTNESS)
        total += weight
        wanted += weight * rise
    wanted /= np.maximum(total, 1e-9)
    rise = _smooth(
        wanted[:, None], _FOLLOW * np.minimum(total * _STRAIGHTNESS, 1.0), fps, _BODY_EASE
    )[:, 0]
    shifts[..., 1] -= rise[:, None]
    out = places.copy()
    out[..., 1] += rise[:, None]
    return out


def _sunk(
    body: Body,
    turns: np.ndarray,
    places: np.ndarray,
    chains: list[tuple[int, int, int] | None],
    shifts: np.ndarray,
    fps: float,
) -> np.ndarray:
    """Places with the pelvis so much lower that both feet can reach where they should."""
    need = np.zeros(len(places))
    for foot, chain in enumerate(chains):
        if chain is None:
            continue
        hip, ankle = places[:, chain[0]], places[:, chain[2]]
        target = ankle + shifts[:, foot]
        whole = sum(_lengths(body, chain))
        limit = np.maximum(whole * _STRAIGHT, np.linalg.norm(ankle - hip, axis=-1))
        gap = hip - target
        level = (gap[:, [0, 2]] ** 2).sum(-1)
        reach = np.sqrt(np.maximum(limit**2 - level, 0.0))
        short = np.clip(gap[:, 1] - reach, 0.0, _MOST_SINK * whole)
        need = np.maximum(need, short)
    if not need.any():
        return places
    steps = max(1, round(_SINK * fps))
    padded = np.pad(need, steps, mode="edge")
    held = np.lib.stride_tricks.sliding_window_view(padded, 2 * steps + 1).max(-1)
    kernel = np.hanning(2 * steps + 3)[1:-1]
    drop = np.convolve(np.pad(held, steps, mode="edge"), kernel / kernel.sum(), "valid")
    out = places.copy()
    out[..., 1] -= drop[:, None]
    for foot, chain in enumerate(chains):
        if chain is not None:
            shifts[:, foot, 1] += drop
    return out


def _reach(
    body: Body,
    turns: np.ndarray,
    places: np.ndarray,
    pose: Pose,
    chain: tuple[int, int, int],
    foot: int,
    shift: np.ndarray,
) -> None:
    """Turn hip and knee so that the ankle moves by ``shift``; the foot keeps its turn; in place."""
    hip_k, knee_k, ankle_k = chain
    hip, knee, ankle = places[:, hip_k], places[:, knee_k], places[:, ankle_k]
    if np.abs(shift).max() < 1e-9:
        return
    thigh, shin = _lengths(body, chain)
    now = ankle - hip
    aim = now + shift
    wanted = np.linalg.norm(aim, axis=-1)
    limit = np.maximum((thigh + shin) * _STRAIGHT, np.linalg.norm(now, axis=-1))
    distance = np.clip(wanted, abs(thigh - shin) + 1e-3 * thigh, np.minimum(limit, thigh + shin))
    direction = aim / np.maximum(wanted, 1e-9)[:, None]
    swing = quaternions.shortest_turn(now, aim)
    forward = quaternions.rotate(pose.turns[:, ankle_k], np.array([0.0, 0.0, 1.0]))
    bend = quaternions.rotate(swing, _bend(hip, knee, ankle, forward, thigh + shin))
    along = np.clip((thigh**2 + distance**2 - shin**2) / (2.0 * distance), -thigh, thigh)
    aside = np.sqrt(np.maximum(thigh**2 - along**2, 0.0))
    new_knee = hip + along[:, None] * direction + aside[:, None] * bend
    new_ankle = hip + distance[:, None] * direction
    first = quaternions.shortest_turn(knee - hip, new_knee - hip)
    second = quaternions.shortest_turn(ankle - knee, new_ankle - new_knee)
    turns[:, hip_k] = quaternions.multiply(first, turns[:, hip_k])
    turns[:, knee_k] = quaternions.multiply(second, turns[:, knee_k])


def _bend(
    hip: np.ndarray, knee: np.ndarray, ankle: np.ndarray, forward: np.ndarray, length: float
) -> np.ndarray:
    """Unit vectors ``[T, 3]`` from the hip-ankle line to the knee."""
    line = ankle - hip
    line = line / np.maximum(np.linalg.norm(line, axis=-1, keepdims=True), 1e-9)

    def across(vector: np.ndarray) -> np.ndarray:
        return vector - (vector * line).sum(-1, keepdims=True) * line

    clear = _CLEAR_BEND * length
    bend = across(knee - hip)
    doubt = np.clip(1.0 - np.linalg.norm(bend, axis=-1, keepdims=True) / clear, 0.0, 1.0)
    bend = bend + doubt**2 * clear * across(forward)
    return bend / np.maximum(np.linalg.norm(bend, axis=-1, keepdims=True), 1e-9)


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
