"""Which bone of an armature is which SMPL joint, by name.

SMPL's own names come first. The skeletons of Mixamo, Unreal, VRoid and Rigify have the same 22
joints under other names (:mod:`rigs`); which one an armature is, its bones say together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

from ..backend_access import JOINT_NAMES
from .errors import ArmatureError
from .rigs import RIGS, Rig

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
KNOWN_RIGS = "SMPL, Mixamo, Unreal, VRoid or Rigify"


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


def missing_bones(bone_names: Iterable[str]) -> list[str]:
    """Bones that an armature lacks, as its kind of rig spells them; empty when it has them all."""
    return _missing(*_described(bone_names))


def require_rig(bone_names: Iterable[str], armature_name: str) -> Rig:
    """The rig that has these bones, by its own spelling of the joints.

    Raises:
        ArmatureError: that lists what is missing.
    """
    rig, names = _described(bone_names)
    missing = _missing(rig, names)
    if missing:
        total = len(JOINT_NAMES) + len(rig.helpers)
        raise ArmatureError(
            f"The armature {armature_name!r} lacks {len(missing)} of the {total} {rig.name} "
            f"bones: {', '.join(missing)}.",
            rig.needs
            or f"Select an armature with the bone names of {KNOWN_RIGS}, or deselect it and let "
            "Kinetype create a character.",
        )
    return rig


def _described(bone_names: Iterable[str]) -> tuple[Rig, set[str]]:
    """The kind of rig with the bones that were found in the place of its names, and all bones."""
    names = list(bone_names)
    kind, found = recognise(names)
    known = next((rig for rig in RIGS if rig.name == kind), None)
    rig = known or Rig(SMPL, dict(zip(JOINT_NAMES, JOINT_NAMES, strict=True)))
    return replace(rig, bones={**rig.bones, **found}), set(names)


def _missing(rig: Rig, names: set[str]) -> list[str]:
    wanted = (*(rig.bones[joint] for joint in JOINT_NAMES), *rig.helpers)
    return [bone for bone in wanted if bone not in names]
