"""Rigs that are known by name, and control rigs, whose controls hang together in another way."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.errors import FormatError
from backend.motion import quaternions
from backend.motion.retarget import (
    Rig,
    from_pose,
    joint_path,
    keyed_anew,
    read_presets,
    recognise,
    rest_heads,
    settle,
    shipped,
    smpl_to_blender,
    to_bone_keys,
    to_motion,
)
from backend.wire.skeleton import JOINT_NAMES, PARENTS

from .bodies import AT, NAMES, body, shown

BY_NAME = {preset.rig.name: preset.rig for preset in shipped()}
RIGIFY = BY_NAME["Rigify"]
CONTROLS = [*RIGIFY.bones.values(), *RIGIFY.helpers, "root", "MCH-pivot", "DEF-spine", "hand_ik.L"]
FBX_NAMES = [
    *("Pelvis", "L_Hip", "R_Hip", "Spine1", "L_Knee", "R_Knee", "Spine2", "L_Ankle", "R_Ankle"),
    *("Spine3", "L_Foot", "R_Foot", "Neck", "L_Collar", "R_Collar", "Head", "L_Shoulder"),
    *("R_Shoulder", "L_Elbow", "R_Elbow", "L_Wrist", "R_Wrist"),
]
REST = smpl_to_blender(rest_heads())


def names_of(kind: str, prefix: str = "") -> list[str]:
    return [prefix + BY_NAME[kind].bones[joint] for joint in JOINT_NAMES]


@pytest.mark.parametrize("prefix", ["", "m_avg_", "f_avg_", "rig:", "ns:m_avg_"])
def test_fbx_names_with_and_without_prefix(prefix: str) -> None:
    names = [prefix + name for name in FBX_NAMES]
    rig = recognise(names)
    assert rig is not None and rig.own_shape
    assert rig.bones == dict(zip(JOINT_NAMES, names, strict=True))


@pytest.mark.parametrize("change", [str.upper, str.title, lambda n: n.replace("_", " ")])
def test_case_and_separators_do_not_matter(change) -> None:
    names = [change(name) for name in JOINT_NAMES]
    assert recognise(names).bones == dict(zip(JOINT_NAMES, names, strict=True))


@pytest.mark.parametrize(
    ("kind", "prefix", "more"),
    [
        ("Mixamo", "", ["HeadTop_End", "LeftHandIndex1"]),
        ("Mixamo", "mixamorig:", ["mixamorig:LeftToe_End"]),
        ("Mixamo", "mixamorig9:", []),
        ("Mixamo", "mixamorig_", []),
        ("Mixamo", "Armature|mixamorig:", []),
        ("Unreal 4", "", ["root", "ik_foot_root", "thigh_twist_01_l"]),
        ("Unreal 5", "", ["root", "spine_02", "spine_04", "neck_02"]),
        ("VRoid", "", ["Root", "J_Sec_Hair1_01"]),
        ("Rigify metarig", "", ["spine.005", "pelvis.L", "heel.02.L", "breast.R"]),
    ],
)
def test_rigs_of_other_makers(kind: str, prefix: str, more: list[str]) -> None:
    names = names_of(kind, prefix)
    rig = recognise([*more, *names])
    assert rig is not None and rig.name == kind and not rig.own_shape
    assert rig.bones == dict(zip(JOINT_NAMES, names, strict=True))


def test_a_skeleton_that_lacks_one_is_left_to_the_search() -> None:
    assert recognise(names_of("Mixamo")[:-1]) is None


def test_the_controls_that_rigify_generates_are_a_rig() -> None:
    rig = recognise(CONTROLS)
    assert rig == RIGIFY and rig.lacks(CONTROLS) == []
    assert rig.bones["left_wrist"] == "hand_fk.L" and rig.bones["spine2"] == "spine_fk.002"


@pytest.mark.parametrize("lost", ["foot_fk.R", "torso", "ORG-spine", "upper_arm_parent.L", "chest"])
def test_a_control_that_is_missing_is_named(lost: str) -> None:
    names = [name for name in CONTROLS if name != lost]
    rig = recognise(names)
    assert rig.lacks(names) == [lost] and "metarig" in rig.needs


@pytest.mark.parametrize(
    ("lower", "joint", "control"),
    [
        (["spine_fk"], "pelvis", "spine_fk"),
        (["spine_fk", "MCH-spine", "spine_fk.001"], "spine1", "spine_fk.001"),
        (["spine_fk", "spine_fk.001", "MCH-a", "spine_fk.002", "MCH-b"], "spine2", "spine_fk.002"),
    ],
)
def test_the_mover_takes_the_place_of_the_control_below_it(
    lower: list[str], joint: str, control: str
) -> None:
    parents = dict(zip(lower, [*lower[1:], "torso"], strict=True))
    rig = settle(RIGIFY, parents.get)
    assert rig.bones == {**RIGIFY.bones, joint: "torso"}
    assert rig.moved_joint == joint and rig.still == (*RIGIFY.still, control)


def hung_on(joint: str):
    """A body whose spine below a joint hangs on that joint's bone upside down, as control rigs do:

    each bone begins at the joint above, which it turns about, and the one that is moved elsewhere.
    """
    heads = 1.3 * REST + [0.5, 0.2, 0.0]
    begin = heads.copy()
    begin[AT[joint]] += [0.1, -0.2, 0.3]
    parents: dict[str, str | None] = {joint: None}
    extra = {f"place {joint}": (joint, heads[AT[joint]])}
    upper = AT[joint]
    while PARENTS[upper] >= 0:
        lower = PARENTS[upper]
        name = JOINT_NAMES[lower]
        parents[name], begin[lower] = JOINT_NAMES[upper], heads[upper]
        extra[f"place {name}"] = (name, heads[lower])
        upper = lower
    places = {name.removeprefix("place "): name for name in extra}
    rig = Rig("", NAMES, own_shape=True, mover=joint, places=places)
    return body(begin, 4, parents=parents, rig=rig, extra=extra)


@pytest.mark.parametrize("joint", ["pelvis", "spine1", "spine3"])
def test_a_body_hung_on_its_spine_performs_the_motion(joint: str, clip: np.ndarray) -> None:
    made = hung_on(joint)
    keys = to_bone_keys(made, clip, 30.0, 30.0)
    assert list(keys.locations) == [joint]
    want = joint_path(made, clip, 30.0, 30.0)
    plain = joint_path(body(1.3 * REST + [0.5, 0.2, 0.0], 1), clip, 30.0, 30.0)
    assert np.abs(want - plain).max() < 1e-9
    assert np.abs(shown(made, keys) - want).max() < 1e-9
    back = to_motion(made, keys.rotations, keys.locations)
    assert np.abs(back - clip).max() < 1e-5


def test_what_changed_rotations_change_where_a_spine_hangs_upside_down() -> None:
    hung = hung_on("spine1")

    def tracks(*joints: str) -> set[int]:
        return {hung.of_joint[joint] for joint in joints}

    assert keyed_anew(hung, {AT["spine1"]}) == (tracks("pelvis", "spine1"), True)
    assert keyed_anew(hung, {AT["pelvis"]}) == (tracks("spine1"), True)
    assert keyed_anew(hung, {AT["left_elbow"]}) == (tracks("left_elbow"), False)


def test_poses_come_back_as_the_motion(clip: np.ndarray) -> None:
    """How far bones are turned in armature space says what their keys say."""
    made = body(REST, 4)
    from backend.motion.retarget import performed

    pose = performed(made, clip, 30.0, 30.0)
    change = quaternions.from_matrix(made.basis)
    turns = np.stack([pose.turns[:, made.of_joint[j]] for j in JOINT_NAMES], 1)
    armature = quaternions.multiply(
        quaternions.multiply(change, turns), quaternions.conjugate(change)
    )
    pelvis = joint_path(made, clip, 30.0, 30.0)[:, 0]
    assert np.abs(from_pose(made, armature, pelvis) - clip).max() < 1e-5


def test_a_preset_is_one_file(tmp_path: Path) -> None:
    joints = {joint: f"Robo {joint}" for joint in JOINT_NAMES}
    (tmp_path / "robot.json").write_text(json.dumps({"name": "Robot", "joints": joints}))
    presets = read_presets(tmp_path)
    rig = recognise([f"ns:robo_{joint}" for joint in JOINT_NAMES], [*shipped(), *presets])
    assert rig is not None and rig.name == "Robot" and rig.bones["head"] == "ns:robo_head"
    assert replace(rig, bones={}) == Rig("Robot", {})


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"name": "a"}', '{"name": "a", "joints": {"x": "y"}}']
)
def test_a_broken_preset_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(FormatError, match=r"bad\.json"):
        read_presets(tmp_path)
