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
from .floor import Foot, feet_of, foot_turns, is_flat, says_nothing, sole_level
from .palms import palm_rolls
from .presets import Rig
from .skeleton import Skeleton
from .stance import LEGS, POSED_DEGREES, leg_length, limb_turns, measure_basis, neutral
from .tracks import AT, SPINE, Track, make_tracks, still_bones

_IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])
_SAME_PLACE = 1e-6


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


def make_body(skeleton: Skeleton, rig: Rig, *, twists: bool = False) -> Body:
    """A body that can be moved.

    Args:
        twists: let twist bones of the arms take their share of the roll.

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
    tracks = make_tracks(skeleton, rig, at, twists=twists)
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
        if not all(is_flat(limbs, own, side) for side in ("left", "right")):
            posed = height
        if any(says_nothing(limbs, own, side) for side in ("left", "right")):
            posed = height = scale * float(np.mean([neutral()[chain[2]][1] for chain in LEGS]))
            sole = float(np.mean([own[chain[2]][1] for chain in LEGS if chain[2] in own])) - height
            ground = _ground(skeleton, rig, basis, sole, scale)
        foot_turns(limbs, own, height)
        lift = height - scale * float(np.mean([neutral()[chain[2]][1] for chain in LEGS]))
    feet = feet_of(skeleton, rig, basis, own, limbs, posed, sole, scale)
    return Body(
        skeleton, rig, tuple(tracks), of_joint, basis, limbs, scale, sole, ground, lift, feet,
        still_bones(skeleton, rig, tracks), leans,
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
    for joint in (*SPINE[1:], "pelvis", "left_collar", "right_collar", "neck", "head"):
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
    flat = all(is_flat(limbs, own, side) for side in ("left", "right"))
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
