"""A motion performed by a body, as keys of its bones, and back.

Blender composes a bone's pose as ``pose = parent_pose @ parent_rest^-1 @ rest @ basis``; the keys
are ``basis``. With ``D`` the turn of a bone away from rest in the skeleton's space,
``basis = rest^-1 @ D_holder^-1 @ D @ rest``. Bones in between that are not keyed drop out because
their own basis is the identity.

SMPL rests in a T-pose. Where a limb rests elsewhere (arms hanging, legs apart), C turns it from its
rest to the T-pose first: ``D = W C``, with W the joint's turn in the motion.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from ...errors import FormatError
from ...wire.skeleton import (
    JOINT_NAMES,
    MOTION_DIM,
    NUM_JOINTS,
    PARENTS,
    ROOT_COLUMNS,
    ROT6D_COLUMNS,
)
from .. import quaternions
from ..resample import phase_grid
from .body import Body
from .stance import LEGS, neutral
from .tracks import Track


@dataclass(frozen=True, eq=False)
class Pose:
    """What a body does, in SMPL axes and the skeleton's unit.

    Attributes:
        turns: ``[T, K, 4]`` of each track away from rest.
        places: ``[T, K, 3]`` of each track's joint.
    """

    turns: np.ndarray
    places: np.ndarray


@dataclass(frozen=True, eq=False)
class BoneKeys:
    """Keyframe values, one row per frame.

    Attributes:
        bones: names of the ``K`` keyed bones.
        rotations: ``[T, K, 4]`` unit quaternions in each bone's own rest frame, sign-continuous.
        locations: bone name to ``[T, 3]``; one of them carries the body.
        fps: rate of the rows.
    """

    bones: tuple[str, ...]
    rotations: np.ndarray
    locations: Mapping[str, np.ndarray]
    fps: float

    def __len__(self) -> int:
        return len(self.rotations)


def unpack(motion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns of motion_135 ``[T, 135]`` as (root ``[T, 3]``, quaternions ``[T, 22, 4]``), float64.

    Raises:
        FormatError: wrong shape, or values that are not finite.
    """
    motion = np.asarray(motion, np.float64)
    if motion.ndim != 2 or motion.shape[1] != MOTION_DIM or len(motion) == 0:
        raise FormatError(
            f"A motion must have shape [T, {MOTION_DIM}], not {list(motion.shape)}.",
            "Convert it to motion_135 first.",
        )
    if not np.isfinite(motion).all():
        raise FormatError(
            "The motion contains values that are not finite.",
            "Generate it again with another seed, and report the model if it persists.",
        )
    rot6d = motion[:, ROT6D_COLUMNS].reshape(len(motion), NUM_JOINTS, 6)
    return motion[:, ROOT_COLUMNS], quaternions.from_rot6d(rot6d)


def sampled(
    root: np.ndarray, local: np.ndarray, source_fps: float, target_fps: float
) -> tuple[np.ndarray, np.ndarray]:
    """A motion (``[T, 3]``, ``[T, 22, 4]``) at times ``k / target_fps``; it is not stretched."""
    if len(root) == 1:
        return root, local
    grid = phase_grid(len(root), source_fps, target_fps)
    # steps of 30 / 30 or 30 / 60 land on source frames up to rounding; take those unchanged
    whole = np.round(grid)
    grid = np.where(np.abs(grid - whole) < 1e-9 * len(root), whole, grid)
    before = np.floor(grid).astype(np.intp)
    weight = grid - before
    if not weight.any():
        return root[before], local[before]
    after = np.minimum(before + 1, len(root) - 1)
    turned = quaternions.slerp(local[before], local[after], weight[:, None])
    share = weight[:, None]
    return (1 - share) * root[before] + share * root[after], turned


def world_turns(local: np.ndarray) -> np.ndarray:
    """Parent-relative quaternions ``[T, 22, 4]`` as turns in the motion's space."""
    whole = np.empty_like(local)
    whole[:, 0] = local[:, 0]
    for joint, parent in enumerate(PARENTS[1:], start=1):
        whole[:, joint] = quaternions.multiply(whole[:, parent], local[:, joint])
    return whole


def chain_to(joint: int) -> list[int]:
    """The joints from the pelvis to one, both included; none for -1."""
    chain = []
    while joint >= 0:
        chain.append(joint)
        joint = PARENTS[joint]
    return chain[::-1]


# --------------------------------------------------------------------------- motion to keys


def perform(body: Body, root: np.ndarray, local: np.ndarray) -> Pose:
    """The body doing a motion, its feet where the lengths of its legs put them.

    The motion's floor becomes the floor of the body, and its origin the point below the hips of the
    rest pose. Distances are scaled by the length of the legs.

    Args:
        root: ``[T, 3]``; local: ``[T, 22, 4]`` parent-relative.
    """
    whole = world_turns(local)
    turned = quaternions.multiply(whole, body.limbs)
    columns = []
    for track in body.tracks:
        turn = turned[:, track.low]
        if track.share:
            turn = quaternions.slerp(turn, turned[:, track.high], np.full(len(turn), track.share))
        if track.twist:
            turn = quaternions.multiply(turn, _roll(body, track, turned))
        columns.append(turn)
    turns = np.stack(columns, axis=1)
    pelvis = turned[:, 0]
    place = _pelvis_places(body, root, whole[:, 0], pelvis)
    return Pose(turns, carried(body, turns, place))


def _roll(body: Body, track: Track, turned: np.ndarray) -> np.ndarray:
    """``[T, 4]`` what a twist bone adds: a share of the roll between two joints about the limb."""
    start, end = track.rolls
    between = quaternions.multiply(quaternions.conjugate(turned[:, start]), turned[:, end])
    axis = np.asarray(track.axis) @ body.basis
    part = np.concatenate([between[:, :1], (between[:, 1:] @ axis)[:, None] * axis], -1)
    return quaternions.power(quaternions.normalise(part), track.twist)


def carried(body: Body, turns: np.ndarray, pelvis: np.ndarray) -> np.ndarray:
    """Places ``[T, K, 3]`` of the tracks, from their turns and the places of the pelvis.

    In a control rig the pelvis may hang on the mover: it is still the pelvis that is given.
    """
    rest = body.places
    places = np.empty((len(turns), len(body.tracks), 3))
    start = body.of_joint["pelvis"]
    done = {start}
    places[:, start] = pelvis
    _spread(body, turns, places, rest, done)
    return places


def _spread(
    body: Body, turns: np.ndarray, places: np.ndarray, rest: np.ndarray, done: set[int]
) -> None:
    """Fill in the places of all tracks from those that are known, along what carries what."""
    todo = [k for k in range(len(body.tracks)) if k not in done]
    while todo:
        left = []
        for k in todo:
            above = body.tracks[k].carrier
            below = next((c for c in done if body.tracks[c].carrier == k), -1)
            if above in done:
                step = quaternions.rotate(turns[:, above], rest[k] - rest[above])
                places[:, k] = places[:, above] + step
                done.add(k)
            elif below >= 0:  # towards the mover: a bone upside down turns about its upper joint
                step = quaternions.rotate(turns[:, below], rest[k] - rest[below])
                places[:, k] = places[:, below] + step
                done.add(k)
            else:
                left.append(k)
        todo = left


def _hips(at: Mapping[str, np.ndarray]) -> np.ndarray:
    return 0.5 * (at["left_hip"] + at["right_hip"])


def lever(body: Body) -> tuple[np.ndarray, np.ndarray]:
    """``[3]`` from the pelvis to the middle of the hips: of the body, of the motion (scaled)."""
    if body.rig.own_shape:  # pelvis on pelvis
        return np.zeros(3), np.zeros(3)
    own = {joint: body.at(joint) for joint in ("left_hip", "right_hip")}
    theirs = neutral()
    return _hips(own) - body.at("pelvis"), body.scale * (_hips(theirs) - theirs["pelvis"])


def origin(body: Body) -> np.ndarray:
    """``[3]`` the motion's origin: on the floor, below where its pelvis is at rest."""
    ours, theirs = lever(body)
    below = body.at("pelvis") + ours - theirs
    return np.array([below[0], body.ground, below[2]])


def _pelvis_places(
    body: Body, root: np.ndarray, whole: np.ndarray, turned: np.ndarray
) -> np.ndarray:
    ours, theirs = lever(body)
    hips = origin(body) + body.scale * root + quaternions.rotate(whole, theirs)
    hips[:, 1] += body.ankle_lift
    return hips - quaternions.rotate(turned, ours)


def keys_of(body: Body, pose: Pose, fps: float) -> BoneKeys:
    """Keyframe values that make the body's bones show a pose."""
    turns = pose.turns
    against = np.empty_like(turns)
    for k, track in enumerate(body.tracks):
        if track.holder < 0:
            against[:, k] = turns[:, k]
        else:
            above = quaternions.conjugate(turns[:, track.holder])
            against[:, k] = quaternions.multiply(above, turns[:, k])
    change = body.changes
    keys = quaternions.multiply(
        quaternions.multiply(change, against), quaternions.conjugate(change)
    )
    locations = {
        body.names[k]: _location(body, pose, k)
        for k, track in enumerate(body.tracks)
        if track.located
    }
    return BoneKeys(body.names, quaternions.make_continuous(keys), locations, fps)


def _location(body: Body, pose: Pose, k: int) -> np.ndarray:
    track = body.tracks[k]
    head = pose.places[:, k]
    arm = (track.head - track.place) @ body.basis
    if np.any(arm):
        head = head + quaternions.rotate(pose.turns[:, k], arm)
    delta = head @ body.basis.T - track.head
    skeleton = body.skeleton
    if not skeleton.local or skeleton.local[track.bone]:
        delta = delta @ skeleton.rest[track.bone]
    return delta


def joint_places(body: Body, pose: Pose) -> np.ndarray:
    """``[T, 22, 3]`` joints in the skeleton's space; an absent joint lies on the one above it."""
    found = np.empty((len(pose.turns), NUM_JOINTS, 3))
    for joint, name in enumerate(JOINT_NAMES):
        if name in body.of_joint:
            found[:, joint] = pose.places[:, body.of_joint[name]]
        else:
            found[:, joint] = found[:, max(PARENTS[joint], 0)]
    return found @ body.basis.T


# --------------------------------------------------------------------------- what changes


def keyed_anew(body: Body, changed: Collection[int]) -> tuple[set[int], bool]:
    """What other rotations of some joints change of a body's keys.

    Returns:
        The tracks whose bones turn otherwise against what carries them, and whether locations
        change.
    """

    def depends(track: int) -> set[int]:
        if track < 0:
            return set()
        own = body.tracks[track]
        rolls = own.rolls if own.twist else ()
        return {j for joint in (own.low, own.high, *rolls) for j in chain_to(joint)}

    found = set()
    for k, track in enumerate(body.tracks):
        apart = depends(k).symmetric_difference(depends(track.holder))
        if track.share or (track.holder >= 0 and body.tracks[track.holder].share):
            apart |= {track.low, track.high}
        if not apart.isdisjoint(changed):
            found.add(k)
    moved = any(not depends(k).isdisjoint(changed) for k, t in enumerate(body.tracks) if t.located)
    return found, moved


def posed_anew(
    body: Body, changed: Collection[int], limbs: Iterable[Collection[int]] = ()
) -> tuple[set[int], bool]:
    """As :func:`keyed_anew`, for a pose that other controls made than those that are keyed.

    What hangs on a change must then be keyed, since its present keys say nothing.

    Args:
        limbs: joints that other controls move together; the trunk is one, too.
    """
    turned = {joint for joint in range(NUM_JOINTS) if not {*chain_to(joint)}.isdisjoint(changed)}
    trunk = {*chain_to(JOINT_NAMES.index("spine3"))}
    moved = not trunk.isdisjoint(turned)
    for limb in (trunk, *limbs):
        if not turned.isdisjoint(limb):
            turned |= {*limb}
    tracks = {k for k, t in enumerate(body.tracks) if t.low in turned or t.high in turned}
    return tracks, moved


def limb_chain(body: Body, side: str) -> tuple[int, int, int] | None:
    """Tracks of hip, knee and ankle of one side; None where one is absent."""
    names = LEGS[0] if side == "left" else LEGS[1]
    if all(name in body.of_joint for name in names):
        hip, knee, ankle = (body.of_joint[name] for name in names)
        return hip, knee, ankle
    return None
