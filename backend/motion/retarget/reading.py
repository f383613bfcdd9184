"""Keyframe values or poses back to motion_135: the inverse of :mod:`keys`."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from ...wire.skeleton import MOTION_DIM, NUM_JOINTS, PARENTS, ROOT_COLUMNS, ROT6D_COLUMNS
from .. import quaternions
from .body import Body
from .keys import Pose, carried, lever, origin
from .tracks import AT, SPINE


def to_motion(body: Body, rotations: np.ndarray, locations: Mapping[str, np.ndarray]) -> np.ndarray:
    """What a body's keys perform, as motion_135.

    Args:
        rotations: ``[T, K, 4]`` quaternions of ``body.names`` in each bone's own rest frame.
        locations: of the bones that are located; the one that carries the body is needed.

    Returns:
        ``[T, 135]`` float32 at the rate of the rows; performed again it gives the same keys.
    """
    pose = pose_of(body, rotations, locations)
    return motion_of(body, pose.turns, pose.places[:, body.of_joint["pelvis"]])


def pose_of(body: Body, rotations: np.ndarray, locations: Mapping[str, np.ndarray]) -> Pose:
    """What a body's keys show; arguments as for :func:`to_motion`."""
    change = body.changes
    keys = quaternions.normalise(np.asarray(rotations, np.float64))
    against = quaternions.multiply(
        quaternions.multiply(quaternions.conjugate(change), keys), change
    )
    turns = np.empty_like(against)
    done: set[int] = set()

    def turn_of(k: int) -> np.ndarray:
        if k not in done:
            holder = body.tracks[k].holder
            own = against[:, k]
            turns[:, k] = own if holder < 0 else quaternions.multiply(turn_of(holder), own)
            done.add(k)
        return turns[:, k]

    for k in range(len(body.tracks)):
        turn_of(k)
    pelvis = _pelvis_of_location(body, turns, np.asarray(locations[body.names[body.root]]))
    return Pose(turns, carried(body, turns, pelvis))


def _pelvis_of_location(body: Body, turns: np.ndarray, location: np.ndarray) -> np.ndarray:
    """Places ``[T, 3]`` of the pelvis (SMPL axes) from the location of the bone that is moved."""
    k = body.root
    track, skeleton = body.tracks[k], body.skeleton
    delta = location.astype(np.float64)
    if not skeleton.local or skeleton.local[track.bone]:
        delta = delta @ skeleton.rest[track.bone].T
    place = (track.head + delta) @ body.basis
    arm = (track.head - track.place) @ body.basis
    place = place - quaternions.rotate(turns[:, k], arm)
    rest, pelvis = body.places, body.of_joint["pelvis"]
    chain = [pelvis]
    while chain[-1] != k:
        chain.append(body.tracks[chain[-1]].carrier)
    for above, below in zip(chain[:0:-1], chain[-2::-1], strict=True):
        place = place - quaternions.rotate(turns[:, below], rest[above] - rest[below])
    return place


def motion_of(body: Body, turns: np.ndarray, pelvis: np.ndarray) -> np.ndarray:
    """motion_135 of turns ``[T, K, 4]`` away from rest and places of the pelvis, in SMPL axes."""
    whole = _joint_turns(body, turns)
    local = whole.copy()
    above = quaternions.conjugate(whole[:, list(PARENTS[1:])])
    local[:, 1:] = quaternions.multiply(above, whole[:, 1:])
    ours, theirs = lever(body)
    carried_by = turns[:, body.of_joint["pelvis"]]
    hips = pelvis + quaternions.rotate(carried_by, ours)
    hips[:, 1] -= body.ankle_lift
    root = (hips - quaternions.rotate(whole[:, 0], theirs) - origin(body)) / body.scale
    motion = np.empty((len(local), MOTION_DIM), np.float32)
    motion[:, ROOT_COLUMNS] = root
    motion[:, ROT6D_COLUMNS] = quaternions.to_rot6d(local).reshape(len(local), NUM_JOINTS * 6)
    return motion


def _joint_turns(body: Body, turns: np.ndarray) -> np.ndarray:
    """Turns ``[T, 22, 4]`` of all joints in the motion's space; absent ones follow above."""
    exact = {t.low: k for k, t in reversed(list(enumerate(body.tracks))) if not t.share}
    undo = quaternions.conjugate(body.limbs)
    whole = np.empty((len(turns), NUM_JOINTS, 4))
    for joint, parent in enumerate(PARENTS):
        if joint in exact:
            whole[:, joint] = quaternions.multiply(turns[:, exact[joint]], undo[joint])
        else:
            whole[:, joint] = whole[:, max(parent, 0)]
    knots = _spine_knots(body, turns, whole)
    for place, name in enumerate(SPINE):
        if AT[name] not in exact and len(knots) > 1:
            whole[:, AT[name]] = _at_knot(knots, float(place))
            if name == "spine3":  # what hung on it was measured by itself, if it is there
                for joint, parent in enumerate(PARENTS):
                    if parent == AT[name] and joint not in exact:
                        whole[:, joint] = whole[:, parent]
    return whole


def _spine_knots(
    body: Body, turns: np.ndarray, whole: np.ndarray
) -> list[tuple[float, np.ndarray]]:
    """Turns along the spine at places from 0 (pelvis) to 3 (chest), from below."""
    columns = {AT[name]: place for place, name in enumerate(SPINE)}
    knots = {0.0: whole[:, 0]}
    for k, track in enumerate(body.tracks):
        if (track.low in columns and track.low != 0) or (track.low == 0 and track.share):
            undo = quaternions.conjugate(body.limbs[track.high])
            knots[columns[track.low] + track.share] = quaternions.multiply(turns[:, k], undo)
    return sorted(knots.items(), key=lambda knot: knot[0])


def _at_knot(knots: list[tuple[float, np.ndarray]], place: float) -> np.ndarray:
    for (low, a), (high, b) in pairwise(knots):
        if low <= place <= high:
            weight = np.full(len(a), (place - low) / (high - low))
            return quaternions.slerp(a, b, weight)
    return knots[-1][1]


def from_pose(body: Body, turns: np.ndarray, pelvis: np.ndarray) -> np.ndarray:
    """What a body shows, as motion_135: for poses that were not made with the keyed bones.

    Args:
        turns: ``[T, 22, 4]`` of each joint's bone away from rest, in the skeleton's space.
        pelvis: ``[T, 3]`` where the pelvis is, in the skeleton's space.

    Returns:
        ``[T, 135]`` float32 at the rate of the rows.
    """
    whole = _in_smpl_axes(body, turns)
    tracks = np.stack([whole[:, t.low] for t in body.tracks], axis=1)
    return motion_of(body, tracks, np.asarray(pelvis, np.float64) @ body.basis)


def posed(body: Body, turns: np.ndarray, pelvis: np.ndarray) -> Pose:
    """What a body shows, of its own bones: as for :func:`from_pose`, but ``turns [T, K, 4]`` of
    ``body.names``. Nothing is lost in a spine of more bones than SMPL's.
    """
    own = _in_smpl_axes(body, turns)
    return Pose(own, carried(body, own, np.asarray(pelvis, np.float64) @ body.basis))


def _in_smpl_axes(body: Body, turns: np.ndarray) -> np.ndarray:
    change = quaternions.from_matrix(body.basis)
    turned = quaternions.normalise(np.asarray(turns, np.float64))
    return quaternions.multiply(quaternions.multiply(quaternions.conjugate(change), turned), change)
