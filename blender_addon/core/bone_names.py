"""Which bone of an armature is which SMPL joint, by name."""

from __future__ import annotations

import re
from collections.abc import Iterable
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

_PREFIX = re.compile(r"^(?:[mfn]_avg_|smpl[xh]?[_-])", re.IGNORECASE)
"""The SMPL FBX files name their bones ``m_avg_Pelvis`` and ``f_avg_Pelvis``."""


@lru_cache(maxsize=4096)
def canonical(bone_name: str) -> str:
    """A bone name without namespace, prefix, case and separator differences."""
    name = _PREFIX.sub("", bone_name.rsplit(":", 1)[-1])
    return re.sub(r"[\s.\-]+", "_", name).lower()


def find_joints(bone_names: Iterable[str]) -> dict[str, str]:
    """SMPL joint name to bone name, for every joint that has a bone.

    Case does not matter; ``m_avg_`` / ``f_avg_`` prefixes, a ``namespace:`` and the ``L_Hip`` style
    of the SMPL add-on are understood. The SMPL name itself wins over its other names.
    """
    by_name: dict[str, str] = {}
    for bone in bone_names:
        by_name.setdefault(canonical(bone), bone)
    found = {}
    for joint in JOINT_NAMES:
        for name in (joint, *_OTHER_NAMES.get(joint, ())):
            if name in by_name:
                found[joint] = by_name[name]
                break
    return found


def missing_joints(bone_names: Iterable[str]) -> list[str]:
    """SMPL joints that have no bone; empty when the armature can take a motion."""
    found = find_joints(bone_names)
    return [joint for joint in JOINT_NAMES if joint not in found]


def require_joints(bone_names: Iterable[str], armature_name: str) -> dict[str, str]:
    """As :func:`find_joints`, or :class:`ArmatureError` that lists what is missing."""
    names = list(bone_names)
    found = find_joints(names)
    missing = [joint for joint in JOINT_NAMES if joint not in found]
    if missing:
        raise ArmatureError(
            f"The armature {armature_name!r} lacks {len(missing)} of the {len(JOINT_NAMES)} SMPL "
            f"bones: {', '.join(missing)}.",
            "Select an armature with SMPL bone names, or deselect it and let Kinetype create a "
            "character.",
        )
    return found
