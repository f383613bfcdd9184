"""Fewer keys: those that straight lines between the others replace, up to an error in space."""

from __future__ import annotations

import numpy as np

from .. import quaternions
from .body import Body
from .keys import BoneKeys
from .reading import pose_of

_TRIES = 12
_SHRINK = 0.7


def thinned(body: Body, keys: BoneKeys, error: float) -> dict[str, np.ndarray]:
    """Which rows of each bone's keys are enough.

    All channels of a bone keep the same rows. What is left out is interpolated linearly, as
    Blender does with linear keys; the rows are chosen so that no joint of the body is moved by
    more than ``error``.

    Args:
        error: in the skeleton's unit.

    Returns:
        Bone name to the rows ``[n]`` that stay, first and last among them.
    """
    reach = _reaches(body)
    wanted = _places(body, keys)
    share = 1.0
    rows: dict[str, np.ndarray] = {}
    for _ in range(_TRIES):
        rows = {}
        for column, bone in enumerate(keys.bones):
            values = keys.rotations[:, column] * (2.0 * max(reach[column], 1e-9))
            place = keys.locations.get(bone)
            if place is not None:
                values = np.concatenate([values, place], -1)
            rows[bone] = _kept(values, share * error)
        if np.abs(_places(body, filled(keys, rows)) - wanted).max() <= error:
            return rows
        share *= _SHRINK
    every = np.arange(len(keys))
    return dict.fromkeys(keys.bones, every)


def filled(keys: BoneKeys, rows: dict[str, np.ndarray]) -> BoneKeys:
    """The keys that linear interpolation between some of the rows gives."""
    every = np.arange(len(keys))
    rotations = np.empty_like(keys.rotations)
    locations = {}
    for column, bone in enumerate(keys.bones):
        at = rows[bone]
        for channel in range(4):
            rotations[:, column, channel] = np.interp(
                every, at, keys.rotations[at, column, channel]
            )
        if bone in keys.locations:
            place = keys.locations[bone]
            locations[bone] = np.stack(
                [np.interp(every, at, place[at, axis]) for axis in range(3)], -1
            )
    return BoneKeys(keys.bones, rotations, locations, keys.fps)


def _places(body: Body, keys: BoneKeys) -> np.ndarray:
    """``[T, K, 3]`` ends of the bones of each track, that turn with it, in the skeleton's space."""
    pose = pose_of(body, keys.rotations, keys.locations)
    tips = np.array([_tip(body, k) for k in range(len(body.tracks))])
    return pose.places + quaternions.rotate(pose.turns, tips)


def _tip(body: Body, k: int) -> np.ndarray:
    """``[3]`` from a track to the end of its bone, in SMPL axes."""
    bone = body.tracks[k].bone
    tails = body.skeleton.tails
    end = body.skeleton.heads[bone] if tails is None else tails[bone]
    return (end - body.tracks[k].place) @ body.basis


def _reaches(body: Body) -> list[float]:
    """How far from each track the farthest place lies that it turns."""
    found = []
    for k in range(len(body.tracks)):
        below = [j for j in range(len(body.tracks)) if _hangs(body, j, k)]
        ends = [body.places[j] + _tip(body, j) for j in below]
        found.append(float(max(np.linalg.norm(end - body.places[k]) for end in ends)))
    return found


def _hangs(body: Body, below: int, above: int) -> bool:
    while below >= 0:
        if below == above:
            return True
        below = body.tracks[below].carrier
    return False


def _kept(values: np.ndarray, error: float) -> np.ndarray:
    """Rows of ``[T, C]`` such that lines between them stay within ``error`` (Douglas-Peucker)."""
    keep = np.zeros(len(values), bool)
    keep[[0, -1]] = True
    todo = [(0, len(values) - 1)]
    while todo:
        first, last = todo.pop()
        if last - first < 2:
            continue
        share = (np.arange(first + 1, last) - first)[:, None] / (last - first)
        line = (1.0 - share) * values[first] + share * values[last]
        apart = np.linalg.norm(values[first + 1 : last] - line, axis=-1)
        worst = int(apart.argmax())
        if apart[worst] > error:
            middle = first + 1 + worst
            keep[middle] = True
            todo += [(first, middle), (middle, last)]
    return np.flatnonzero(keep)
