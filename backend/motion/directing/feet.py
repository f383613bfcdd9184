"""Standing feet stay where they stand while the body above them is moved and turned.

Each foot moves as its body does in one frame of each stance, and passes from one stance to the
next while it swings: steps get longer, shorter or turned, and nothing slides that did not before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..contacts import BALLS
from ..limb_ik import ANKLES, HIPS, reach, solve_limbs
from ..rotations import rotation_about, transpose
from ..seams import kept_stretches
from ..skeleton import forward_kinematics, global_rotations
from .fields import ramp, smooth_field

SWING_SECONDS = 0.5
"""In a swing a foot is with its body again after about this time."""
NEAR_SECONDS = 0.15
"""A pose so near to a stance decides where the foot stands."""
STEP_SECONDS, STEP_HEIGHT = 0.45, 0.05
"""Of a foot that poses want in two places in one stance: it steps over."""
_STEPS_AT = (0.4, 0.6)
"""Left and right, as shares of the time between such poses: one foot after the other."""
_STEP = 0.015  # m: below this a foot is not lifted


@dataclass(frozen=True)
class Moved:
    """What was done to a body.

    Attributes:
        before: joints ``[T, 22, 3]`` as they were.
        turn: ``[T]`` rad about y by which it was turned.
        contacts: ``[T, 2]`` which foot stands.
        keys: ``[T]`` frames whose poses are to stay as they are now.
    """

    before: np.ndarray
    turn: np.ndarray
    contacts: np.ndarray
    keys: np.ndarray


def with_held_feet(root: np.ndarray, rotations: np.ndarray, moved: Moved, fps: float) -> np.ndarray:
    """Rotations ``[T, 22, 3, 3]`` whose legs hold the feet; ``rotations`` are of the moved body."""
    now = forward_kinematics(rotations, root)
    world = global_rotations(rotations)[:, ANKLES]
    balls = now[:, BALLS].copy()
    angles = np.zeros((len(root), 2))
    for foot in range(2):
        balls[:, foot], angles[:, foot] = _foot(foot, now, moved, fps)
    turned = rotation_about("y", angles) @ world
    sole = transpose(world) @ (now[:, BALLS] - now[:, ANKLES])[..., None]
    ankles = balls - (turned @ sole)[..., 0]
    limit = reach(now[:, HIPS], now[:, ANKLES])
    out = solve_limbs(rotations, root, ankles, limit)
    above = transpose(global_rotations(out)[:, ANKLES]) @ turned
    out[:, ANKLES] = out[:, ANKLES] @ above
    return out


def _foot(foot: int, now: np.ndarray, moved: Moved, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """Where the ball ``[T, 3]`` is to be, and the further turn ``[T]`` of the foot."""
    old, new = moved.before[:, BALLS[foot]], now[:, BALLS[foot]]
    keys = np.flatnonzero(moved.keys)
    wanted = np.zeros((len(new), 4))  # what the moved foot lacks: a place and a turn
    known = moved.keys.copy()
    for first, last in kept_stretches(moved.contacts[:, foot]):
        near = NEAR_SECONDS * fps
        anchors = keys[(keys > first - near) & (keys < last - 1 + near)]
        if not len(anchors):
            anchors = np.array([(first + last - 1) // 2])
        span = np.arange(min(first, anchors[0]), max(last, anchors[-1] + 1))
        held, turn = _held(span, anchors, old, new, moved.turn, _STEPS_AT[foot], fps)
        wanted[span] = np.concatenate([held - new[span], turn[:, None]], axis=1)
        known[span] = True
    rows = np.flatnonzero(known)
    lacks = smooth_field(len(new), fps, rows, wanted[rows], memory=SWING_SECONDS)
    return new + lacks[:, :3], lacks[:, 3]


def _held(
    span: np.ndarray,
    anchors: np.ndarray,
    old: np.ndarray,
    new: np.ndarray,
    turn: np.ndarray,
    step_at: float,
    fps: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Places ``[n, 3]`` and turns ``[n]`` at the frames ``span`` of a foot held at the anchors."""
    after = np.searchsorted(anchors, span).clip(0, len(anchors) - 1)
    before = np.maximum(after - 1, 0)
    width = np.maximum(anchors[after] - anchors[before], 1).astype(float)
    long = np.minimum(width, STEP_SECONDS * fps)
    begin = anchors[before] + step_at * (width - long)
    share = ramp(np.where(after > before, (span - begin) / long, (span >= anchors[after]) * 1.0))
    places, turns = [], []
    for anchor in (anchors[before], anchors[after]):
        rigid = rotation_about("y", turn[anchor]) @ (old[span] - old[anchor])[..., None]
        places.append(new[anchor] + rigid[..., 0])
        turns.append(turn[anchor] - turn[span])
    way = np.linalg.norm(places[1] - places[0], axis=-1)
    place = places[0] + share[:, None] * (places[1] - places[0])
    place[:, 1] += STEP_HEIGHT * 16.0 * (share * (1.0 - share)) ** 2 * ramp(way / 0.1 - _STEP / 0.1)
    return place, turns[0] + share * (turns[1] - turns[0])
