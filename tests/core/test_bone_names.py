"""Recognising SMPL bones by name."""

from __future__ import annotations

import pytest

from backend.wire.skeleton import JOINT_NAMES
from blender_addon.core.bone_names import find_joints, missing_joints, require_joints
from blender_addon.core.errors import ArmatureError

FBX_NAMES = [
    *("Pelvis", "L_Hip", "R_Hip", "Spine1", "L_Knee", "R_Knee", "Spine2", "L_Ankle", "R_Ankle"),
    *("Spine3", "L_Foot", "R_Foot", "Neck", "L_Collar", "R_Collar", "Head", "L_Shoulder"),
    *("R_Shoulder", "L_Elbow", "R_Elbow", "L_Wrist", "R_Wrist"),
]
"""The SMPL FBX files, in the order of the joints."""


def same(names: list[str]) -> None:
    assert find_joints(names) == dict(zip(JOINT_NAMES, names, strict=True))


def test_own_names() -> None:
    same(list(JOINT_NAMES))


@pytest.mark.parametrize("prefix", ["", "m_avg_", "f_avg_", "rig:", "ns:m_avg_"])
def test_fbx_names_with_and_without_prefix(prefix: str) -> None:
    same([prefix + name for name in FBX_NAMES])


@pytest.mark.parametrize("change", [str.upper, str.title, lambda n: n.replace("_", " ")])
def test_case_and_separators_do_not_matter(change) -> None:
    same([change(name) for name in JOINT_NAMES])


def test_the_smpl_name_wins_over_another_name() -> None:
    assert find_joints([*JOINT_NAMES, "L_Hip"])["left_hip"] == "left_hip"


def test_extra_bones_are_left_alone() -> None:
    hands = [f"left_{finger}{i}" for finger in ("index", "thumb") for i in (1, 2, 3)]
    assert missing_joints([*JOINT_NAMES, "root", "jaw", "left_hand", *hands]) == []


def test_the_error_lists_what_is_missing() -> None:
    names = [name for name in JOINT_NAMES if name not in ("spine2", "left_foot")]
    assert missing_joints(names) == ["spine2", "left_foot"]
    with pytest.raises(ArmatureError, match="spine2, left_foot") as raised:
        require_joints(names, "Bob")
    assert "'Bob'" in raised.value.message and raised.value.hint


def test_a_rigify_armature_is_refused() -> None:
    with pytest.raises(ArmatureError, match="lacks 22 of the 22"):
        require_joints(["spine", "spine.001", "thigh.L", "shin.L", "upper_arm.L"], "metarig")
