"""The bones of a body that are keyed: what turns each, what holds it, what carries it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...errors import ArmatureError
from ...wire.skeleton import JOINT_NAMES, PARENTS
from .names import read_names
from .presets import Rig
from .skeleton import Skeleton

AT = {name: index for index, name in enumerate(JOINT_NAMES)}
SPINE = ("pelvis", "spine1", "spine2", "spine3")


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
        twist: share of a limb's roll that the bone adds to the turn of ``low``; 0 for most.
        rolls: the two joints between which that roll is.
        axis: ``[3]`` the limb at rest, in the skeleton's space.
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
    twist: float = 0.0
    rolls: tuple[int, int] = (0, 0)
    axis: np.ndarray | None = None


def make_tracks(
    skeleton: Skeleton, rig: Rig, at: Mapping[str, np.ndarray], *, twists: bool = False
) -> list[Track]:
    """The bones that are keyed; ``at`` says where the joints are, ``twists`` whether twist bones
    of the arms take their share of the roll.

    Raises:
        ArmatureError: a bone hangs where it would stay behind.
    """
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
    if twists and not rig.mover:
        tracks += _twist_tracks(skeleton, rig, at, number)
    return tracks


def _twist_tracks(
    skeleton: Skeleton, rig: Rig, at: Mapping[str, np.ndarray], number: Mapping[int, int]
) -> list[Track]:
    """Twist bones of the arms: those of the forearm roll with the hand the more the nearer they
    are to it, those of the upper arm the less with it the nearer they are to the trunk."""
    read, found = read_names(skeleton.names), []
    for side in ("left", "right"):
        limbs = ((f"{side}_shoulder", f"{side}_elbow"), (f"{side}_elbow", f"{side}_wrist"))
        for joint, end in limbs:
            if joint not in at or end not in at:
                continue
            first, along = skeleton.index[rig.bones[joint]], at[end] - at[joint]
            length = float(along @ along)
            before = next(
                (j for j in (f"{side}_collar", "spine3", "spine2", "spine1", "pelvis") if j in at),
                "pelvis",
            )
            for bone in skeleton.children[first]:
                names = read[bone]
                if bone in number or "twist" not in names.flags or names.flags & {"ik", "control"}:
                    continue
                share = float(np.clip((skeleton.heads[bone] - at[joint]) @ along / length, 0, 1))
                if joint.endswith("shoulder"):
                    share, rolls = share - 1.0, (AT[before], AT[joint])
                else:
                    rolls = (AT[joint], AT[end])
                holder = _holder(skeleton, rig, bone, number)
                head, low = skeleton.heads[bone], AT[joint]
                found.append(
                    Track(bone, low, low, 0.0, head, head, holder, number[first], False, share,
                          rolls, along / np.sqrt(length))
                )  # fmt: skip
    return found


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
    mapped = {skeleton.index[b]: j for j, b in rig.bones.items() if j in SPINE[1:]}
    count = len(spine)
    knots = {i: SPINE.index(mapped[b]) for i, b in enumerate(spine) if b in mapped}
    if len(mapped) < 3:
        places = [3.0 * (i + 1) / count for i in range(count)]
    else:
        x = [-1, *knots, *([count] if 3 not in knots.values() else [])]
        y = [0, *knots.values(), *([3.0] if 3 not in knots.values() else [])]
        places = [float(v) for v in np.interp(range(count), x, y)]
    return [(bone, _between(SPINE, place)) for bone, place in zip(spine, places, strict=True)]


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


def still_bones(skeleton: Skeleton, rig: Rig, tracks: list[Track]) -> tuple[str, ...]:
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
