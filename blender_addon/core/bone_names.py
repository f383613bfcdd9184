"""Which bone of an armature is which SMPL joint, by name.

SMPL's own names come first. The skeletons of Mixamo, Unreal, VRoid and Rigify's human metarig have
the same 22 joints under other names; which one an armature is, its bones say together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from ..backend_access import JOINT_NAMES
from .errors import ArmatureError

_OTHER_NAMES: dict[str, tuple[str, ...]] = {
    "pelvis": ("hips",),
    "left_hip": ("l_hip", "left_thigh"),
    "right_hip": ("r_hip", "right_thigh"),
    "left_knee": ("l_knee", "left_calf"),
    "right_knee": ("r_knee", "right_calf"),
    "left_ankle": ("l_ankle",),
    "right_ankle": ("r_ankle",),
    "left_foot": ("l_foot", "left_toes"),
    "right_foot": ("r_foot", "right_toes"),
    "left_collar": ("l_collar", "left_clavicle"),
    "right_collar": ("r_collar", "right_clavicle"),
    "left_shoulder": ("l_shoulder",),
    "right_shoulder": ("r_shoulder",),
    "left_elbow": ("l_elbow",),
    "right_elbow": ("r_elbow",),
    "left_wrist": ("l_wrist",),
    "right_wrist": ("r_wrist",),
}
"""Names in other SMPL files: ``L_Hip`` in the SMPL FBX and add-on, body-part words elsewhere."""

_PREFIX = re.compile(r"^(?:[mfn]_avg_|smpl[xh]?[_-]|mixamorig\d*_)", re.IGNORECASE)
"""The SMPL FBX files name their bones ``m_avg_Pelvis`` and ``f_avg_Pelvis``; some importers write
Mixamo's ``mixamorig:`` with an underscore."""

SMPL = "SMPL"
_CENTRE = ("pelvis", "spine1", "spine2", "spine3", "neck", "head")
_LIMBS = ("hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow", "wrist")


@dataclass(frozen=True)
class Rig:
    """The names that a kind of rig gives to the 22 joints, as it spells them."""

    name: str
    bones: dict[str, str]


def _rig(name: str, centre: str, limbs: str, pattern: str, left: str, right: str) -> Rig:
    """A rig from its words: ``pattern`` makes a bone's name of a ``word`` and a ``side``."""
    bones = dict(zip(_CENTRE, centre.split(), strict=True))
    for side, letter in (("left", left), ("right", right)):
        for joint, word in zip(_LIMBS, limbs.split(), strict=True):
            bones[f"{side}_{joint}"] = pattern.format(word=word, side=letter)
    return Rig(name, bones)


_UNREAL_LIMBS = "thigh calf foot ball clavicle upperarm lowerarm hand"
RIGS = (
    _rig(
        "Mixamo",
        "Hips Spine Spine1 Spine2 Neck Head",
        "UpLeg Leg Foot ToeBase Shoulder Arm ForeArm Hand",
        *("{side}{word}", "Left", "Right"),
    ),
    _rig(
        "Unreal 5",
        "pelvis spine_01 spine_03 spine_05 neck_01 head",
        _UNREAL_LIMBS,
        *("{word}_{side}", "l", "r"),
    ),
    _rig(
        "Unreal 4",
        "pelvis spine_01 spine_02 spine_03 neck_01 head",
        _UNREAL_LIMBS,
        *("{word}_{side}", "l", "r"),
    ),
    _rig(
        "VRoid",
        "J_Bip_C_Hips J_Bip_C_Spine J_Bip_C_Chest J_Bip_C_UpperChest J_Bip_C_Neck J_Bip_C_Head",
        "UpperLeg LowerLeg Foot ToeBase Shoulder UpperArm LowerArm Hand",
        *("J_Bip_{side}_{word}", "L", "R"),
    ),
    _rig(
        "Rigify metarig",
        "spine spine.001 spine.002 spine.003 spine.004 spine.006",
        "thigh shin foot toe shoulder upper_arm forearm hand",
        *("{word}.{side}", "L", "R"),
    ),
)
"""Rigs of other makers, those that ask for more bones before those that ask for fewer."""
KNOWN_RIGS = "SMPL, Mixamo, Unreal, VRoid or Rigify's metarig"


@lru_cache(maxsize=4096)
def canonical(bone_name: str) -> str:
    """A bone name without namespace, prefix, case and separator differences."""
    name = _PREFIX.sub("", bone_name.rsplit(":", 1)[-1])
    return re.sub(r"[\s.\-]+", "_", name).lower()


def recognise(bone_names: Iterable[str]) -> tuple[str, dict[str, str]]:
    """The kind of rig that has most of these bones, and SMPL joint name to bone name.

    Case does not matter; a ``namespace:``, ``m_avg_`` / ``f_avg_`` prefixes and the ``L_Hip`` style
    of the SMPL add-on are understood. SMPL's own names win over its other names, and SMPL over the
    other rigs.
    """
    by_name: dict[str, str] = {}
    for bone in bone_names:
        by_name.setdefault(canonical(bone), bone)
    best, found = SMPL, _find(by_name, {j: (j, *_OTHER_NAMES.get(j, ())) for j in JOINT_NAMES})
    for rig in RIGS:
        if len(found) == len(JOINT_NAMES):
            break
        other = _find(by_name, {joint: (canonical(rig.bones[joint]),) for joint in JOINT_NAMES})
        if len(other) > len(found):
            best, found = rig.name, other
    return best, found


def _find(by_name: dict[str, str], wanted: dict[str, tuple[str, ...]]) -> dict[str, str]:
    found = {}
    for joint, names in wanted.items():
        for name in names:
            if name in by_name:
                found[joint] = by_name[name]
                break
    return found


def find_joints(bone_names: Iterable[str]) -> dict[str, str]:
    """SMPL joint name to bone name, for every joint that has a bone; see :func:`recognise`."""
    return recognise(bone_names)[1]


def missing_joints(bone_names: Iterable[str]) -> list[str]:
    """SMPL joints that have no bone; empty when the armature can take a motion."""
    found = find_joints(bone_names)
    return [joint for joint in JOINT_NAMES if joint not in found]


def require_joints(bone_names: Iterable[str], armature_name: str) -> dict[str, str]:
    """As :func:`find_joints`, or :class:`ArmatureError` that lists what is missing."""
    kind, found = recognise(bone_names)
    missing = [joint for joint in JOINT_NAMES if joint not in found]
    if missing:
        spelt = next((rig.bones for rig in RIGS if rig.name == kind), {})
        names = ", ".join(spelt.get(joint, joint) for joint in missing)
        raise ArmatureError(
            f"The armature {armature_name!r} lacks {len(missing)} of the {len(JOINT_NAMES)} {kind} "
            f"bones: {names}.",
            f"Select an armature with the bone names of {KNOWN_RIGS}, or deselect it and let "
            "Kinetype create a character.",
        )
    return found
