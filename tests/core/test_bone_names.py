"""Recognising SMPL bones by name."""

from __future__ import annotations

import pytest

from backend.wire.skeleton import JOINT_NAMES
from blender_addon.core.bone_names import (
    missing_bones,
    recognise,
    require_rig,
)
from blender_addon.core.errors import ArmatureError

FBX_NAMES = [
    *("Pelvis", "L_Hip", "R_Hip", "Spine1", "L_Knee", "R_Knee", "Spine2", "L_Ankle", "R_Ankle"),
    *("Spine3", "L_Foot", "R_Foot", "Neck", "L_Collar", "R_Collar", "Head", "L_Shoulder"),
    *("R_Shoulder", "L_Elbow", "R_Elbow", "L_Wrist", "R_Wrist"),
]
"""The SMPL FBX files, in the order of the joints."""


def same(names: list[str]) -> None:
    assert recognise(names)[1] == dict(zip(JOINT_NAMES, names, strict=True))


def test_own_names() -> None:
    same(list(JOINT_NAMES))


@pytest.mark.parametrize("prefix", ["", "m_avg_", "f_avg_", "rig:", "ns:m_avg_"])
def test_fbx_names_with_and_without_prefix(prefix: str) -> None:
    same([prefix + name for name in FBX_NAMES])


@pytest.mark.parametrize("change", [str.upper, str.title, lambda n: n.replace("_", " ")])
def test_case_and_separators_do_not_matter(change) -> None:
    same([change(name) for name in JOINT_NAMES])


def test_the_smpl_name_wins_over_another_name() -> None:
    assert recognise([*JOINT_NAMES, "L_Hip"])[1]["left_hip"] == "left_hip"


def test_extra_bones_are_left_alone() -> None:
    hands = [f"left_{finger}{i}" for finger in ("index", "thumb") for i in (1, 2, 3)]
    assert missing_bones([*JOINT_NAMES, "root", "jaw", "left_hand", *hands]) == []


def test_the_error_lists_what_is_missing() -> None:
    names = [name for name in JOINT_NAMES if name not in ("spine2", "left_foot")]
    assert missing_bones(names) == ["spine2", "left_foot"]
    with pytest.raises(ArmatureError, match="spine2, left_foot") as raised:
        require_rig(names, "Bob")
    assert "'Bob'" in raised.value.message and raised.value.hint


MIXAMO = [
    *("Hips", "LeftUpLeg", "RightUpLeg", "Spine", "LeftLeg", "RightLeg", "Spine1", "LeftFoot"),
    *("RightFoot", "Spine2", "LeftToeBase", "RightToeBase", "Neck", "LeftShoulder"),
    *("RightShoulder", "Head", "LeftArm", "RightArm", "LeftForeArm", "RightForeArm", "LeftHand"),
    "RightHand",
]
UNREAL_4 = [
    *("pelvis", "thigh_l", "thigh_r", "spine_01", "calf_l", "calf_r", "spine_02", "foot_l"),
    *("foot_r", "spine_03", "ball_l", "ball_r", "neck_01", "clavicle_l", "clavicle_r", "head"),
    *("upperarm_l", "upperarm_r", "lowerarm_l", "lowerarm_r", "hand_l", "hand_r"),
]
METARIG = [
    *("spine", "thigh.L", "thigh.R", "spine.001", "shin.L", "shin.R", "spine.002", "foot.L"),
    *("foot.R", "spine.003", "toe.L", "toe.R", "spine.004", "shoulder.L", "shoulder.R"),
    *("spine.006", "upper_arm.L", "upper_arm.R", "forearm.L", "forearm.R", "hand.L", "hand.R"),
]
VROID = [
    *("J_Bip_C_Hips", "J_Bip_L_UpperLeg", "J_Bip_R_UpperLeg", "J_Bip_C_Spine"),
    *("J_Bip_L_LowerLeg", "J_Bip_R_LowerLeg", "J_Bip_C_Chest", "J_Bip_L_Foot", "J_Bip_R_Foot"),
    *("J_Bip_C_UpperChest", "J_Bip_L_ToeBase", "J_Bip_R_ToeBase", "J_Bip_C_Neck"),
    *("J_Bip_L_Shoulder", "J_Bip_R_Shoulder", "J_Bip_C_Head", "J_Bip_L_UpperArm"),
    *("J_Bip_R_UpperArm", "J_Bip_L_LowerArm", "J_Bip_R_LowerArm", "J_Bip_L_Hand"),
    "J_Bip_R_Hand",
]


@pytest.mark.parametrize(
    ("kind", "names", "more"),
    [
        ("Mixamo", MIXAMO, ["HeadTop_End", "LeftHandIndex1"]),
        ("Mixamo", [f"mixamorig:{name}" for name in MIXAMO], ["mixamorig:LeftToe_End"]),
        ("Mixamo", [f"mixamorig9:{name}" for name in MIXAMO], []),
        ("Mixamo", [f"mixamorig_{name}" for name in MIXAMO], []),
        ("Unreal 4", UNREAL_4, ["root", "ik_foot_root", "thigh_twist_01_l"]),
        ("VRoid", VROID, ["Root", "J_Sec_Hair1_01"]),
        ("Rigify metarig", METARIG, ["spine.005", "pelvis.L", "heel.02.L", "breast.R"]),
    ],
)
def test_rigs_of_other_makers(kind: str, names: list[str], more: list[str]) -> None:
    assert recognise([*more, *names]) == (kind, dict(zip(JOINT_NAMES, names, strict=True)))


def test_an_unreal_5_spine_has_five_bones() -> None:
    kind, found = recognise([*UNREAL_4, "root", "spine_04", "spine_05", "neck_02"])
    assert kind == "Unreal 5"
    spine = [found[joint] for joint in ("spine1", "spine2", "spine3")]
    assert spine == ["spine_01", "spine_03", "spine_05"]


def test_smpl_names_win_over_other_rigs() -> None:
    assert recognise([*MIXAMO, *JOINT_NAMES])[0] == "SMPL"


def test_what_another_makers_rig_lacks_is_said_in_its_own_words() -> None:
    names = [f"mixamorig:{name}" for name in MIXAMO if name not in ("Spine2", "LeftToeBase")]
    with pytest.raises(ArmatureError, match="lacks 2 of the 22 Mixamo bones: Spine2, LeftToeBase"):
        require_rig(names, "Bob")
