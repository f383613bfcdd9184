"""From a motion to any armature and back: which bone is which joint, the floor, planted feet.

Numpy only: the add-on, the file readers and the training recipe share it. A skeleton
(:class:`Skeleton`) is mapped (:func:`find_joints`, or a preset by its names), made ready
(:func:`make_body`) and performs a motion (:func:`to_bone_keys`); :func:`to_motion` reads it back.
"""

from __future__ import annotations

from .automap import find_joints
from .body import Body, make_body
from .directed import LIMBS, Pin, chain_of, held, pinned
from .joint_map import Assignment, JointMap
from .keys import BoneKeys, Pose, joint_places, keyed_anew, keys_of, origin, posed_anew, unpack
from .measures import FloorContact, floor_contact
from .performance import joint_path, performed, to_bone_keys
from .presets import Rig, Switch, map_of_preset, of_map, read_presets, recognise, settle, shipped
from .reading import from_pose, motion_of, pose_of, posed, to_motion
from .skeleton import Skeleton
from .stance import (
    SMPL_TO_BLENDER,
    blender_to_smpl,
    body_scale,
    measure_basis,
    rest_heads,
    smpl_to_blender,
)
from .thinning import thinned

__all__ = [
    "LIMBS",
    "SMPL_TO_BLENDER",
    "Assignment",
    "Body",
    "BoneKeys",
    "FloorContact",
    "JointMap",
    "Pin",
    "Pose",
    "Rig",
    "Skeleton",
    "Switch",
    "blender_to_smpl",
    "body_scale",
    "chain_of",
    "find_joints",
    "floor_contact",
    "from_pose",
    "held",
    "joint_path",
    "joint_places",
    "keyed_anew",
    "keys_of",
    "make_body",
    "map_of_preset",
    "measure_basis",
    "motion_of",
    "of_map",
    "origin",
    "performed",
    "pinned",
    "pose_of",
    "posed",
    "posed_anew",
    "read_presets",
    "recognise",
    "rest_heads",
    "settle",
    "shipped",
    "smpl_to_blender",
    "thinned",
    "to_bone_keys",
    "to_motion",
    "unpack",
]
