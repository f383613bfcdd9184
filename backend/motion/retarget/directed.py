"""What a person wants of a body, brought onto it after its proportions had their say.

A motion that meets its wishes as a motion of SMPL's body misses them by centimetres on a body of
other proportions. Poses are met by easing the whole body over to them, hands and feet by two-bone
IK and, where they cannot reach, by moving the body; the feet stay where they stood.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .. import quaternions
from .body import Body
from .easing import smooth
from .keys import Pose, carried, limb_chain
from .legs import Chain, limb_length, reach
from .stance import ARMS, SIDES

LIMBS = ("left-hand", "right-hand", "left-foot", "right-foot")
_EASE = 0.3  # s: how long a displacement takes to come and to go, at least
_LEVEL_SPEED = 0.8  # m/s: no faster is a body moved over to a pose
_LIMB_SPEED = 2.0  # m/s: the same of a hand or a foot
_TURN_SPEED = 4.0  # rad/s
_REACH = 0.985  # of a limb's length: farther away the body comes along
_MOST_LEAN = 0.6  # of the limb's length
_LEAN_EASE = 0.12  # s
_FIRM = 100.0
_ROUNDS = 3


@dataclass(frozen=True, eq=False)
class Pin:
    """A wrist or ankle at places.

    Attributes:
        limb: one of :data:`LIMBS`.
        first: row of the first place.
        places: ``[N, 3]`` in SMPL axes and the skeleton's unit, one a row.
    """

    limb: str
    first: int
    places: np.ndarray


def chain_of(body: Body, limb: str) -> Chain | None:
    """Tracks of a limb's three joints; None where one is absent."""
    side, _, end = limb.partition("-")
    if end == "foot":
        return limb_chain(body, side)
    names = ARMS[SIDES.index(side)]
    if all(name in body.of_joint for name in names):
        first, middle, last = (body.of_joint[name] for name in names)
        return first, middle, last
    return None


# --------------------------------------------------------------------------- poses


def held(
    body: Body,
    pose: Pose,
    rows: Sequence[int],
    wanted: Pose,
    fps: float,
    *,
    through: bool = False,
) -> Pose:
    """A pose that shows others on some rows and is eased over to them around.

    Args:
        rows: ascending, inside the pose. wanted: one row for each.
        through: what is amiss on two rows is amiss between them, too; else it fades away.
    """
    at, pelvis = np.asarray(rows, int), body.of_joint["pelvis"]
    turns, places = pose.turns.copy(), pose.places[:, pelvis].copy()
    turn = quaternions.multiply(wanted.turns, quaternions.conjugate(pose.turns[at]))
    shift = wanted.places[:, pelvis] - places[at]
    turns[at] = quaternions.multiply(turn, turns[at])
    places[at] += shift
    bounds = [-1, *rows, len(turns)]
    for i, row in enumerate(rows):
        for end, way in ((bounds[i], -1), (bounds[i + 2], 1)):
            gap = abs(end - row)
            open_end = end in (-1, len(turns))
            if gap == 1:
                continue
            steps = len(turns) + 1 if open_end else gap
            if not through:
                steps = min(steps, _fade(body, turn[i], shift[i], fps))
            apart = np.arange(1, min(gap, steps))
            near = 1.0 - apart / steps
            weight = near * near * (3.0 - 2.0 * near)
            beside = row + way * apart
            whole = np.broadcast_to(turn[i], (len(apart), *turn[i].shape))
            part = quaternions.power(whole, weight[:, None, None])
            turns[beside] = quaternions.multiply(part, turns[beside])
            places[beside] += weight[:, None] * shift[i]
    return Pose(turns, carried(body, turns, places))


def _fade(body: Body, turn: np.ndarray, shift: np.ndarray, fps: float) -> int:
    """Rows in which a displacement comes and goes: the larger, the longer."""
    angle = 2.0 * float(np.arccos(np.clip(np.abs(turn[:, 0]).min(), 0.0, 1.0)))
    way = float(np.linalg.norm(shift)) / body.scale
    # a smooth step is at most half as fast again as a straight one
    seconds = max(_EASE, 1.5 * way / _LEVEL_SPEED, 1.5 * angle / _TURN_SPEED)
    return max(1, round(seconds * fps))


# --------------------------------------------------------------------------- hands and feet


def pinned(body: Body, pose: Pose, pins: Sequence[Pin], fps: float) -> Pose:
    """A pose whose wrists and ankles are at some places on some rows, and eased to them around.

    Pins of a limb that the body lacks, and rows outside the pose, are left out.
    """
    wanted = [(pin, chain) for pin in pins if (chain := chain_of(body, pin.limb)) is not None]
    if not wanted:
        return pose
    shifts: dict[Chain, np.ndarray] = {}
    for pin, chain in wanted:
        shift = _shift(pose.places[:, chain[2]], pin, fps, body.scale)
        known = shifts.get(chain)
        shifts[chain] = shift if known is None else known + shift
    legs = [c for side in SIDES if (c := limb_chain(body, side)) is not None]
    goals = {c: pose.places[:, c[2]] + shifts.get(c, 0.0) for c in (*legs, *shifts)}
    active = np.any([np.abs(shift).max(-1) > 0 for shift in shifts.values()], axis=0)
    pelvis = body.of_joint["pelvis"]
    upright = pose.places[:, pelvis]
    most = _MOST_LEAN * max(limb_length(body, chain) for chain in shifts)
    for _ in range(_ROUNDS):
        lean = _lean(body, pose, {c: goals[c] for c in shifts}, active, fps)
        if np.any(lean):
            # who stands too far away is told so: the feet do not come along
            lean = pose.places[:, pelvis] - upright + lean
            far = np.linalg.norm(lean, axis=-1, keepdims=True)
            lean = lean * np.minimum(1.0, most / np.maximum(far, 1e-9))
            pose = Pose(pose.turns, carried(body, pose.turns, upright + lean))
        turns = pose.turns.copy()
        for chain, goal in goals.items():
            ahead = 1.0 if chain in legs else -1.0
            reach(body, turns, pose.places, pose, chain, goal - pose.places[:, chain[2]], ahead)
        pose = Pose(turns, carried(body, turns, pose.places[:, pelvis]))
    return pose


def _shift(places: np.ndarray, pin: Pin, fps: float, scale: float) -> np.ndarray:
    """``[T, 3]`` how far a joint at ``places [T, 3]`` is moved."""
    count = len(places)
    out = np.zeros((count, 3))
    rows = np.arange(pin.first, pin.first + len(pin.places))
    inside = (rows >= 0) & (rows < count)
    if not inside.any():
        return out
    rows = rows[inside]
    out[rows] = pin.places[inside] - places[rows]
    for edge, way in ((rows[0], -1), (rows[-1], 1)):
        distance = float(np.linalg.norm(out[edge])) / scale
        steps = max(1, round(max(_EASE, 1.5 * distance / _LIMB_SPEED) * fps))
        at = edge + way * np.arange(1, steps)
        at = at[(at >= 0) & (at < count)]
        near = 1.0 - np.abs(at - edge) / steps
        out[at] = (near * near * (3.0 - 2.0 * near))[:, None] * out[edge]
    return out


def _lean(
    body: Body, pose: Pose, goals: dict[Chain, np.ndarray], active: np.ndarray, fps: float
) -> np.ndarray:
    """``[T, 3]`` how the body moves so that its limbs reach."""
    need = np.zeros((len(pose.turns), 3))
    for chain, goal in goals.items():
        whole = limb_length(body, chain)
        gap = goal - pose.places[:, chain[0]]
        far = np.linalg.norm(gap, axis=-1)
        short = np.clip(far - _REACH * whole, 0.0, _MOST_LEAN * whole) * active
        step = gap * (short / np.maximum(far, 1e-9))[:, None]
        need = np.where(
            np.linalg.norm(step, axis=-1, keepdims=True)
            > np.linalg.norm(need, axis=-1, keepdims=True),
            step,
            need,
        )
    return smooth(need, _FIRM * active, fps, _LEAN_EASE)
