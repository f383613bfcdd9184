"""Hands that touch the body in a motion touch it on a body of other proportions, too.

A hand on the hip, on the head or on the other hand is known by how near it is to that part of
SMPL's body. There the wrist is brought, by two-bone IK, to where it was beside the part: as far
from it, scaled, in the same direction. It is eased there and back; feet stay where they stand.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...wire.skeleton import HAND_OFFSETS, PARENTS, REST_OFFSETS
from .. import quaternions
from .body import Body
from .directed import chain_of
from .easing import faded, runs, smooth
from .keys import Pose, carried, world_turns
from .legs import Chain, reach
from .stance import SIDES
from .tracks import AT

_PARTS = (
    ("left_hip", "left_knee", 0.09), ("right_hip", "right_knee", 0.09),
    ("pelvis", "spine2", 0.14), ("spine2", "neck", 0.14), ("neck", "head", 0.11),
    ("left_shoulder", "left_elbow", 0.06), ("right_shoulder", "right_elbow", 0.06),
    ("left_elbow", "left_wrist", 0.05), ("right_elbow", "right_wrist", 0.05),
)  # fmt: skip
"""Two ends of a part and how thick it is, metres: SMPL's neutral body, rounded."""
_HAND = 0.04
"""m: half of a hand's thickness and how near counts as touching."""
_HANDS = 0.15
"""m between the palms of two hands that touch, which goes before a hand at a forearm."""
_LEAST = 0.15
"""s: a shorter touch is one in passing."""
_FIRM, _EASE, _ROUNDS = 100.0, 0.12, 2


def touch(
    body: Body, pose: Pose, root: np.ndarray, local: np.ndarray, fps: float, strength: float
) -> Pose:
    """A pose whose hands touch what they touch in the motion.

    Args:
        root: ``[T, 3]``; local: ``[T, 22, 4]`` of the motion, at the pose's frames.
        strength: share of the way, 0 to 1.
    """
    if strength <= 0.0 or len(root) < 3:
        return pose
    joints, palms = _places(root, local)
    there = {joint: pose.places[:, track] for joint, track in body.of_joint.items()}
    goals: dict[Chain, np.ndarray] = {}
    for number, side in enumerate(SIDES):
        chain = chain_of(body, f"{side}-hand")
        if chain is None:
            continue
        wanted, near = _wanted(body, joints, palms, there, number)
        near = _lasting(near, fps)
        if not near.any():
            continue
        shift = np.where(near[:, None], wanted - there[f"{side}_wrist"], 0.0)
        shift = smooth(shift, _FIRM * near, fps, _EASE) * faded(near, fps)[:, None]
        goals[chain] = there[f"{side}_wrist"] + strength * shift
    for _ in range(_ROUNDS if goals else 0):
        turns = pose.turns.copy()
        for chain, goal in goals.items():
            reach(body, turns, pose.places, pose, chain, goal - pose.places[:, chain[2]], -1.0)
        pose = Pose(turns, carried(body, turns, pose.places[:, body.of_joint["pelvis"]]))
    return pose


def _places(root: np.ndarray, local: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Joints ``[T, 22, 3]`` and palms ``[T, 2, 3]`` of the motion on SMPL's body, metres."""
    turns = world_turns(local)
    joints = np.empty((len(root), len(PARENTS), 3))
    joints[:, 0] = root
    for joint, parent in enumerate(PARENTS[1:], start=1):
        step = np.broadcast_to(np.asarray(REST_OFFSETS[joint]), (len(root), 3))
        joints[:, joint] = joints[:, parent] + quaternions.rotate(turns[:, parent], step)
    palms = []
    for number, side in enumerate(SIDES):
        wrist = AT[f"{side}_wrist"]
        hand = np.broadcast_to(np.asarray(HAND_OFFSETS[number]), (len(root), 3))
        palms.append(joints[:, wrist] + quaternions.rotate(turns[:, wrist], hand))
    return joints, np.stack(palms, axis=1)


def _wanted(
    body: Body,
    joints: np.ndarray,
    palms: np.ndarray,
    there: Mapping[str, np.ndarray],
    hand: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Where the wrist belongs ``[T, 3]``, and on which frames it touches something."""
    side, palm = SIDES[hand], palms[:, hand]
    wrist = joints[:, AT[f"{side}_wrist"]]
    # how near each part is, and where beside it the wrist is on the body
    gaps, places = [], []
    for first, last, thick in _PARTS:
        if first.startswith(side) and not first.endswith("hip"):
            continue  # its own arm
        if first not in there or last not in there:
            continue
        a, b = joints[:, AT[first]], joints[:, AT[last]]
        way = b - a
        share = ((palm - a) * way).sum(-1) / np.maximum((way * way).sum(-1), 1e-9)
        share = np.clip(share, 0.0, 1.0)[:, None]
        nearest = a + share * way
        gaps.append(_nearest(wrist, palm, a, b) - thick)
        beside = there[first] + share * (there[last] - there[first])
        places.append(beside + body.scale * (wrist - nearest))
    other = SIDES[1 - hand]
    if f"{other}_wrist" in there:
        across = joints[:, AT[f"{other}_wrist"]]
        gaps.append(np.linalg.norm(palm - palms[:, 1 - hand], axis=-1) - _HANDS)
        middle = 0.5 * (there[f"{side}_wrist"] + there[f"{other}_wrist"])
        places.append(middle + 0.5 * body.scale * (wrist - across))
    if not gaps:
        return wrist, np.zeros(len(wrist), bool)
    apart = np.stack(gaps)
    nearest_part = apart.argmin(0)
    rows = np.arange(len(palm))
    return np.stack(places)[nearest_part, rows], apart[nearest_part, rows] < _HAND


def _nearest(wrist: np.ndarray, palm: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """``[T]`` how near a hand comes to a line from a to b: its wrist, palm or fingers."""
    way = b - a
    length = np.maximum((way * way).sum(-1), 1e-9)
    gaps = []
    for point in (wrist, palm, 2.0 * palm - wrist):
        share = np.clip(((point - a) * way).sum(-1) / length, 0.0, 1.0)[:, None]
        gaps.append(np.linalg.norm(point - a - share * way, axis=-1))
    return np.min(gaps, axis=0)


def _lasting(near: np.ndarray, fps: float) -> np.ndarray:
    """Only touches that last."""
    kept = np.zeros_like(near)
    for start, end in runs(near):
        if end - start >= _LEAST * fps:
            kept[start:end] = True
    return kept
