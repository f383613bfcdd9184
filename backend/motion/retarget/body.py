"""A skeleton and its map, made ready: which bones are keyed, what turns them, what carries them.

Every keyed bone is a track. It performs the turn of one joint, or a share of the way from one
joint to the next (spines and necks of more bones than SMPL's). Rotations are held in "the body's
own SMPL axes": the skeleton's space turned by ``basis``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...errors import ArmatureError
from ...wire.skeleton import JOINT_NAMES, PARENTS
from .. import quaternions
from .floor import Foot, feet_of, foot_turns, is_flat, sole_level
from .palms import palm_rolls
from .presets import Rig
from .skeleton import Skeleton
from .stance import LEGS, POSED_DEGREES, leg_length, limb_turns, measure_basis, neutral

_IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])
_SPINE = ("pelvis", "spine1", "spine2", "spine3")
_SAME_PLACE = 1e-6
AT = {name: index for index, name in enumerate(JOINT_NAMES)}


@dataclass(frozen=True, eq=False)
class Track:
    """A bone that is keyed.

    Attributes:
        bone: number of the bone in the skeleton.
        low, high, share: it turns as joint ``low``, or that share of the way to joint ``high``.
        head: ``[3]`` where it begins; place: where the joint is that it turns about.
        holder: the track whose turn Blender hands down to it, -1 for none.
        carrier: the track that carries its place, -1 for the one that carries the body.
        located: whether its location is keyed.
    """

    bone: int
    low: int
    high: int
    share: float
    head: np.ndarray
    place: np.ndarray
    holder: int
    carrier: int
    located: bool = False


@dataclass(frozen=True, eq=False)
class Body:
    """See the module. Lengths are in the skeleton's unit.

    Attributes:
        of_joint: joint name to its track; joints may be absent.
        basis: ``[3, 3]``, ``skeleton = basis @ smpl``.
        limbs: ``[22, 4]`` from the rest pose to SMPL's T-pose.
        scale: units per metre of motion.
        sole: height (SMPL axes) of the soles in the rest pose; ground: of the floor.
        ankle_lift: how much higher than the motion's (scaled) the ankles are above the soles.
        feet: the soles, left and right; None where there is no ankle.
        still: bones that get one key at rest.
    """

    skeleton: Skeleton
    rig: Rig
    tracks: tuple[Track, ...]
    of_joint: Mapping[str, int]
    basis: np.ndarray
    limbs: np.ndarray
    scale: float
    sole: float
    ground: float
    ankle_lift: float
    feet: tuple[Foot | None, Foot | None]
    still: tuple[str, ...] = ()
    leans: bool = False

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Bone names of the tracks."""
        return tuple(self.skeleton.names[track.bone] for track in self.tracks)

    @cached_property
    def places(self) -> np.ndarray:
        """``[K, 3]`` places of the tracks at rest, in SMPL axes."""
        return np.array([track.place for track in self.tracks]) @ self.basis

    @cached_property
    def changes(self) -> np.ndarray:
        """``[K, 4]`` from a bone's own axes to SMPL axes: conjugate turns into keys."""
        rest = self.skeleton.rest[[track.bone for track in self.tracks]]
        return quaternions.from_matrix(np.swapaxes(rest, -1, -2) @ self.basis)

    @property
    def root(self) -> int:
        """The track that carries the body and takes the location."""
        return next(k for k, t in enumerate(self.tracks) if t.carrier < 0)

    def at(self, joint: str) -> np.ndarray:
        """``[3]`` rest place of a joint in SMPL axes."""
        return self.places[self.of_joint[joint]]


def make_body(skeleton: Skeleton, rig: Rig) -> Body:
    """A body that can be moved.

    Raises:
        ArmatureError: joints are missing, their bones do not hang together as in a body, or they
            lie in one line, so that the rest pose is none.
    """
    at = _joint_places(skeleton, rig)
    basis, leans = measure_basis(at, None if rig.own_shape else np.asarray(skeleton.up))
    own = {joint: place @ basis for joint, place in at.items()}
    limbs = limb_turns(own, POSED_DEGREES if rig.own_shape else 0.0)
    if not rig.own_shape:
        _turn_hands(limbs, skeleton, rig, basis, own)
        if leans:
            _straighten_trunk(limbs, own)
    tracks = _tracks(skeleton, rig, at)
    of_joint = {
        joint: next(k for k, t in enumerate(tracks) if t.bone == skeleton.index[bone])
        for joint, bone in rig.bones.items()
    }
    scale = leg_length(own) / leg_length(neutral())
    sole = sole_level(skeleton, rig, basis, own, scale)
    ground = _ground(skeleton, rig, basis, sole, scale)
    height = _ankle_height(own, limbs, sole)
    lift = 0.0
    posed = None
    if not rig.own_shape and height is not None:
        if not all(is_flat(limbs, side) for side in ("left", "right")):
            posed = height
        foot_turns(limbs, own, height)
        lift = height - scale * float(np.mean([neutral()[chain[2]][1] for chain in LEGS]))
    feet = feet_of(skeleton, rig, basis, own, limbs, posed, sole, scale)
    return Body(
        skeleton, rig, tuple(tracks), of_joint, basis, limbs, scale, sole, ground, lift, feet,
        _still_bones(skeleton, rig, tracks), leans,
    )  # fmt: skip


# --------------------------------------------------------------------------- the rest pose


def _joint_places(skeleton: Skeleton, rig: Rig) -> dict[str, np.ndarray]:
    """Joint name to ``[3]`` where it lies in the skeleton's space."""
    names = {joint: rig.places.get(joint, bone) for joint, bone in rig.bones.items()}
    at = {
        joint: skeleton.heads[skeleton.index[name]].astype(np.float64)
        for joint, name in names.items()
    }
    for joint, place in at.items():
        parent = PARENTS[AT[joint]]
        above = JOINT_NAMES[parent] if parent >= 0 else ""
        limb = joint.split("_")[-1] in ("knee", "ankle", "elbow", "wrist")
        if above in at and (limb or rig.own_shape) and np.array_equal(at[above], place):
            raise ArmatureError(
                f"The bones {names[above]!r} and {names[joint]!r} begin at the same place.",
                "Give the bones the joints of a body in Edit Mode, choose other bones in the list "
                "of joints, or use a new mannequin.",
            )
    _refuse_heaps(at)
    return at


def _refuse_heaps(at: Mapping[str, np.ndarray]) -> None:
    """A rest pose in which all bones lie along one line says nothing about a body."""
    points = np.array(list(at.values()))
    points = points - points.mean(0)
    spread = np.linalg.svd(points, compute_uv=False)
    hips = np.linalg.norm(at["left_hip"] - at["right_hip"])
    arms = np.linalg.norm(at["left_shoulder"] - at["right_shoulder"])
    length = max(leg_length(at), 1e-12)
    if spread[1] < 0.06 * spread[0] or max(hips, arms) < 0.02 * length:
        raise ArmatureError(
            "The rest pose is no body: its bones lie along one line, so nothing tells where legs "
            "and arms point.",
            "Pose the armature as a body (a T-pose of its action) and apply it as the rest pose: "
            "Pose > Apply > Apply Pose as Rest Pose.",
        )


def _straighten_trunk(limbs: np.ndarray, own: Mapping[str, np.ndarray]) -> None:
    """Turn a trunk that rests bent upright, bone by bone; in place."""
    theirs = neutral()
    hips = 0.5 * (own["left_hip"] + own["right_hip"])
    top = own.get("neck", 0.5 * (own["left_shoulder"] + own["right_shoulder"]))
    wanted = theirs["neck"] - 0.5 * (theirs["left_hip"] + theirs["right_hip"])
    turn = quaternions.shortest_turn(top - hips, wanted)
    for joint in (*_SPINE[1:], "pelvis", "left_collar", "right_collar", "neck", "head"):
        limbs[AT[joint]] = turn
    if "neck" in own and "head" in own:
        limbs[AT["neck"]] = quaternions.shortest_turn(
            own["head"] - own["neck"], theirs["head"] - theirs["neck"]
        )
    for side in ("left", "right"):
        for part in ("ankle", "foot"):
            limbs[AT[f"{side}_{part}"]] = limbs[AT[f"{side}_knee"]]


def _turn_hands(
    limbs: np.ndarray,
    skeleton: Skeleton,
    rig: Rig,
    basis: np.ndarray,
    own: Mapping[str, np.ndarray],
) -> None:
    """Roll forearms and hands until the palms look down in the T-pose, as SMPL's do; in place."""
    for side, roll in palm_rolls(skeleton, rig, basis, own, limbs).items():
        for part in ("elbow", "wrist"):
            joint = AT[f"{side}_{part}"]
            limbs[joint] = quaternions.multiply(roll, limbs[joint])


def _ankle_height(own: Mapping[str, np.ndarray], limbs: np.ndarray, sole: float) -> float | None:
    """How high the ankles are above the soles; of a posed body the lower one tells."""
    heights = [own[chain[2]][1] - sole for chain in LEGS if chain[2] in own]
    if not heights:
        return None
    flat = all(is_flat(limbs, side) for side in ("left", "right"))
    return float(np.mean(heights) if flat else min(heights))


def _ground(skeleton: Skeleton, rig: Rig, basis: np.ndarray, sole: float, scale: float) -> float:
    """Height of the floor that the take is played on, in SMPL axes.

    It is the object's own (height 0), whatever height the rest pose has, unless the floor of the
    room or a root bone below the body says that the rig stands where its soles are.
    """
    leg = leg_length(neutral()) * scale
    for floor in (skeleton.floor, skeleton.world_floor):
        if floor is not None and abs(sole - floor) < 0.03 * leg:
            return sole
    for bone in skeleton.chains[skeleton.index[rig.bones["pelvis"]]][:-1]:
        if abs(float(skeleton.heads[bone] @ basis[:, 1]) - sole) < 0.08 * leg:
            return sole
    return float(skeleton.floor)


# --------------------------------------------------------------------------- tracks


def _tracks(skeleton: Skeleton, rig: Rig, at: Mapping[str, np.ndarray]) -> list[Track]:
    wanted: list[tuple[int, int, int, float]] = []  # bone, low, high, share
    for joint in JOINT_NAMES:
        if joint in rig.bones:
            wanted.append((skeleton.index[rig.bones[joint]], AT[joint], AT[joint], 0.0))
    if not rig.mover:
        wanted = _with_columns(skeleton, rig, wanted)
        wanted += _companions(skeleton, rig, wanted)
    number = {bone: k for k, (bone, *_) in enumerate(wanted)}
    moved = skeleton.index[rig.mover] if rig.mover else skeleton.index[rig.bones["pelvis"]]
    tracks = []
    for bone, low, high, share in wanted:
        holder = _holder(skeleton, rig, bone, number)
        joint = JOINT_NAMES[low]
        main = share == 0.0 and rig.bones.get(joint) == skeleton.names[bone]
        place = at[joint] if main else skeleton.heads[bone]
        carrier, located = _carrier(skeleton, rig, bone, low, number, moved)
        tracks.append(
            Track(bone, low, high, share, skeleton.heads[bone], place, holder, carrier, located)
        )
    return tracks


def _with_columns(
    skeleton: Skeleton, rig: Rig, wanted: list[tuple[int, int, int, float]]
) -> list[tuple[int, int, int, float]]:
    """With the bones of spine and neck that have no joint of their own, and their shares."""
    spine, neck = columns(skeleton, rig)
    shares = dict([*_spine_shares(skeleton, rig, spine), *_neck_shares(neck)])
    kept = [row for row in wanted if row[0] not in shares]
    return kept + [(bone, *where) for bone, where in shares.items()]


def columns(skeleton: Skeleton, rig: Rig) -> tuple[list[int], list[int]]:
    """Bones from the pelvis to where the arms hang, and from there to the head (both left out)."""
    index = skeleton.index
    pelvis = index[rig.bones["pelvis"]]
    mapped = {index[b]: j for j, b in rig.bones.items()}
    chest = skeleton.common(index[rig.bones[f"{s}_shoulder"]] for s in ("left", "right"))
    head = index.get(rig.bones.get("head", ""), -1)
    spine: list[int] = []
    if chest >= 0 and chest != pelvis and skeleton.is_above(pelvis, chest):
        spine = [*skeleton.between(pelvis, chest), chest]
    above: list[int] = []
    if head >= 0 and skeleton.is_above(pelvis, head):
        above = [b for b in skeleton.between(pelvis, head) if b not in spine]
    named = [place for place, b in enumerate(above) if mapped.get(b, "").startswith("spine")]
    until = named[-1] + 1 if named else 0
    if not spine and not named and above:  # no arms to divide it: the neck is what is called so
        necks = [place for place, b in enumerate(above) if mapped.get(b) == "neck"]
        until = necks[0] if necks else 0
    spine, neck = [*spine, *above[:until]], above[until:]

    def free(bones: list[int], kind: str) -> list[int]:
        return [b for b in bones if mapped.get(b, kind).startswith(kind)]

    return free(spine, "spine"), free(neck, "neck")


def _spine_shares(
    skeleton: Skeleton, rig: Rig, spine: list[int]
) -> list[tuple[int, tuple[int, int, float]]]:
    """How far from the pelvis' turn (0) to the chest's (3) each bone of a spine is."""
    if not spine:
        return []
    mapped = {skeleton.index[b]: j for j, b in rig.bones.items() if j in _SPINE[1:]}
    count = len(spine)
    knots = {i: _SPINE.index(mapped[b]) for i, b in enumerate(spine) if b in mapped}
    if len(mapped) < 3:
        places = [3.0 * (i + 1) / count for i in range(count)]
    else:
        x = [-1, *knots, *([count] if 3 not in knots.values() else [])]
        y = [0, *knots.values(), *([3.0] if 3 not in knots.values() else [])]
        places = [float(v) for v in np.interp(range(count), x, y)]
    return [(bone, _between(_SPINE, place)) for bone, place in zip(spine, places, strict=True)]


def _neck_shares(neck: list[int]) -> list[tuple[int, tuple[int, int, float]]]:
    """How far from the neck's turn (1) to the head's (2) each bone of a neck is."""
    count = len(neck)
    return [
        (bone, _between(("spine3", "neck", "head"), 1.0 + i / count)) for i, bone in enumerate(neck)
    ]


def _between(column: tuple[str, ...], place: float) -> tuple[int, int, float]:
    low = min(int(place + 1e-9), len(column) - 1)
    share = place - low
    if share < 1e-9:
        return AT[column[low]], AT[column[low]], 0.0
    return AT[column[low]], AT[column[low + 1]], share


def _companions(
    skeleton: Skeleton, rig: Rig, wanted: list[tuple[int, int, int, float]]
) -> list[tuple[int, int, int, float]]:
    """Further bones of a hand or of toes: they turn as the one that stands for the joint."""
    taken = {bone for bone, *_ in wanted}
    found = []
    for joint in ("left_wrist", "right_wrist", "left_foot", "right_foot"):
        if joint not in rig.bones:
            continue
        bone = skeleton.index[rig.bones[joint]]
        near = (1e-4 if joint.endswith("wrist") else 0.06) * skeleton.size
        for other in (
            skeleton.children[skeleton.parents[bone]] if skeleton.parents[bone] >= 0 else ()
        ):
            apart = np.linalg.norm(skeleton.heads[other] - skeleton.heads[bone])
            toe = joint.endswith("foot") and "toe" in skeleton.names[other].lower()
            if other not in taken and apart < near and (toe or joint.endswith("wrist")):
                found.append((other, AT[joint], AT[joint], 0.0))
    return found


def _holder(skeleton: Skeleton, rig: Rig, bone: int, number: Mapping[int, int]) -> int:
    """The track whose turn a bone takes over; -1 if it takes over none."""
    turned = skeleton.turned
    inherits = not turned or turned[bone]
    above = skeleton.parents[bone]
    while above >= 0 and above not in number:
        name = skeleton.names[above]
        if name in rig.mixes:
            raise ArmatureError(
                f"The control {skeleton.names[bone]!r} hangs on {name!r}, which goes half with "
                "another control.",
                rig.needs or "Hang it on a bone of the body.",
            )
        if name in rig.follows:
            above = skeleton.index[rig.follows[name]]
        else:
            inherits = inherits and (not turned or turned[above])
            above = skeleton.parents[above]
    return number[above] if above >= 0 and inherits else -1


def _carrier(
    skeleton: Skeleton, rig: Rig, bone: int, low: int, number: Mapping[int, int], moved: int
) -> tuple[int, bool]:
    """The track that carries a bone's place, and whether the bone must be moved by itself."""
    if rig.mover:  # controls hang together through helpers: the body itself says what carries what
        return _control_carrier(rig, bone, low, number, moved, skeleton)
    if bone == moved:
        return -1, True
    above = skeleton.parents[bone]
    while above >= 0 and above not in number:
        above = skeleton.parents[above]
    parent = PARENTS[low]
    while parent >= 0 and JOINT_NAMES[parent] not in rig.bones:
        parent = PARENTS[parent]
    body = number[skeleton.index[rig.bones[JOINT_NAMES[max(parent, 0)]]]]
    if above < 0:  # it hangs on nothing that moves: it is put where the body takes it
        if skeleton.movable and not skeleton.movable[bone]:
            raise ArmatureError(
                f"The bone {skeleton.names[bone]!r} does not hang on "
                f"{rig.bones[JOINT_NAMES[max(parent, 0)]]!r}, so it would stay behind.",
                "Parent the bones as in a body in Edit Mode, or use a new mannequin.",
            )
        return body, True
    fits = _belongs(skeleton, rig, low, above, number)
    if not fits:
        raise ArmatureError(
            f"The bone {skeleton.names[bone]!r} does not hang on "
            f"{rig.bones[JOINT_NAMES[max(parent, 0)]]!r}, so it would stay behind.",
            "Parent the bones as in a body in Edit Mode, choose another bone in the list of "
            "joints, or use a new mannequin.",
        )
    return number[above], False


def _belongs(skeleton: Skeleton, rig: Rig, low: int, above: int, number: Mapping[int, int]) -> bool:
    """Whether the joint may hang on the bone above it: one on its way to the pelvis."""
    joints = [j for j, b in rig.bones.items() if skeleton.index[b] == above]
    if not joints:
        return True  # a bone of spine or neck without a joint of its own
    chain, joint = set(), low
    while joint >= 0:
        chain.add(JOINT_NAMES[joint])
        joint = PARENTS[joint]
    return joints[0] in chain


def _control_carrier(
    rig: Rig, bone: int, low: int, number: Mapping[int, int], moved: int, skeleton: Skeleton
) -> tuple[int, bool]:
    """In a control rig: SMPL's parent above the mover, and the next towards it below."""
    at = {joint: number[skeleton.index[name]] for joint, name in rig.bones.items()}
    mover = AT[rig.moved_joint]
    carried = []
    joint = mover
    while joint >= 0:
        carried.append(joint)
        joint = PARENTS[joint]
    if bone == moved:
        return -1, True
    if low in carried:  # the chain to the pelvis hangs on the mover upside down
        return at[JOINT_NAMES[carried[carried.index(low) - 1]]], False
    return at[JOINT_NAMES[PARENTS[low]]], False


def _still_bones(skeleton: Skeleton, rig: Rig, tracks: list[Track]) -> tuple[str, ...]:
    """Bones that would bend a take if an old pose were left in them: one key at rest each."""
    if rig.mover:
        return rig.still
    keyed = {track.bone for track in tracks}
    found: list[int] = []
    for track in tracks:
        chain = skeleton.chains[track.bone]
        above = [place for place, bone in enumerate(chain[:-1]) if bone in keyed]
        if above:
            found += chain[above[-1] + 1 : -1]
    for joint in ("left_wrist", "right_wrist", "left_foot", "right_foot"):
        name = rig.bones.get(joint)
        if name is not None:
            found += skeleton.below(skeleton.index[name])
    names = (skeleton.names[bone] for bone in dict.fromkeys(found) if bone not in keyed)
    return (*rig.still, *names)
