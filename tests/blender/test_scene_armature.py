"""Creating and recognising armatures in Blender."""

from __future__ import annotations

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from backend.motion.retarget import rest_heads, smpl_to_blender  # noqa: E402
from backend.wire.skeleton import JOINT_NAMES, PARENTS  # noqa: E402
from blender_addon.core.errors import ArmatureError  # noqa: E402
from blender_addon.scene import armature as armatures  # noqa: E402
from blender_addon.scene.character import create_character  # noqa: E402

pytestmark = pytest.mark.usefixtures("empty_file")


def test_joints_lie_where_the_motions_skeleton_has_them() -> None:
    armature = armatures.create_armature(bpy.context)
    heads = [armature.data.bones[name].head_local[:] for name in JOINT_NAMES]
    assert np.abs(np.array(heads) - smpl_to_blender(rest_heads())).max() < 1e-6
    parents = [armature.data.bones[name].parent for name in JOINT_NAMES]
    names = [None if parent is None else parent.name for parent in parents]
    assert names == [None if p < 0 else JOINT_NAMES[p] for p in PARENTS]


def test_bones_point_along_the_limbs_and_have_length() -> None:
    bones = armatures.create_armature(bpy.context).data.bones
    for parent, child in (("left_hip", "left_knee"), ("right_elbow", "right_wrist")):
        assert (bones[parent].tail_local - bones[child].head_local).length < 1e-6
        assert bones[child].use_connect
    assert min(bone.length for bone in bones) > 0.04
    assert not bones["pelvis"].use_connect


def test_knees_bend_about_x_and_elbows_about_z() -> None:
    bones = armatures.create_armature(bpy.context).data.bones
    for side in ("left", "right"):
        knee, elbow = bones[f"{side}_knee"], bones[f"{side}_elbow"]
        assert abs(knee.matrix_local.col[0][0]) > 0.99  # local X along the world's X
        assert elbow.matrix_local.col[2][2] > 0.99  # local Z upward


def test_what_the_user_had_selected_stays() -> None:
    mesh = bpy.data.meshes.new("Mesh")
    things = [bpy.data.objects.new(name, mesh) for name in "AB"]
    for thing in things:
        bpy.context.collection.objects.link(thing)
    things[0].select_set(True)
    bpy.context.view_layer.objects.active = things[1]
    armature = create_character(bpy.context)
    assert bpy.context.selected_objects == [things[0]]
    assert bpy.context.view_layer.objects.active == things[1]
    assert not armature.select_get() and bpy.context.mode == "OBJECT"


@pytest.mark.parametrize("mode", ["POSE", "EDIT"])
def test_the_users_mode_stays(mode: str) -> None:
    first = armatures.create_armature(bpy.context)
    bpy.context.view_layer.objects.active = first
    bpy.ops.object.mode_set(mode=mode)
    second = armatures.create_armature(bpy.context)
    assert first.mode == mode and bpy.context.view_layer.objects.active == first
    assert len(second.data.bones) == len(JOINT_NAMES)
    bpy.ops.object.mode_set(mode="OBJECT")


def test_weight_paint_mode_stays() -> None:
    armature = create_character(bpy.context)
    body = armature.children[0]
    bpy.context.view_layer.objects.active = body
    bpy.ops.object.mode_set(mode="WEIGHT_PAINT")
    create_character(bpy.context)
    assert body.mode == "WEIGHT_PAINT"
    bpy.ops.object.mode_set(mode="OBJECT")


def test_an_excluded_collection_can_take_the_armature() -> None:
    hidden = bpy.data.collections.new("Hidden")
    bpy.context.scene.collection.children.link(hidden)
    bpy.context.view_layer.layer_collection.children["Hidden"].exclude = True
    armature = armatures.create_armature(bpy.context, collection=hidden)
    assert len(armature.data.bones) == len(JOINT_NAMES)
    assert [c.name for c in armature.users_collection] == ["Hidden"]


def test_finding_bones_by_other_names() -> None:
    armature = armatures.create_armature(bpy.context)
    for bone in armature.data.bones:
        bone.name = "m_avg_" + bone.name.replace("left_", "L_").replace("right_", "R_").title()
    bones = armatures.find_bones(armature)
    assert bones["left_hip"] == "m_avg_L_Hip"
    assert armatures.is_smpl_armature(armature)


def test_missing_bones_are_listed() -> None:
    armature = armatures.create_armature(bpy.context)
    for part in ("hip", "knee", "ankle", "foot"):
        for side in ("left", "right"):
            armature.data.bones[f"{side}_{part}"].name = f"tentacle eye {side}_{part}"
    assert not armatures.is_smpl_armature(armature)
    with pytest.raises(ArmatureError, match="has no legs") as raised:
        armatures.find_bones(armature)
    assert "Joints" in raised.value.hint


def test_a_joint_that_has_another_name_is_found_by_its_place() -> None:
    armature = armatures.create_armature(bpy.context)
    armature.data.bones["left_wrist"].name = "hook"
    assert armatures.find_bones(armature)["left_wrist"] == "hook"


def test_other_objects_and_deleted_ones_are_refused() -> None:
    empty = bpy.data.objects.new("Empty", None)
    with pytest.raises(ArmatureError, match="not an armature"):
        armatures.find_bones(empty)
    assert not armatures.is_smpl_armature(None) and not armatures.is_smpl_armature(empty)
    armature = armatures.create_armature(bpy.context)
    bpy.data.objects.remove(armature)
    with pytest.raises(ArmatureError, match="deleted"):
        armatures.find_bones(armature)


def test_a_connected_pelvis_is_refused() -> None:
    armature = armatures.create_armature(bpy.context)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    root = armature.data.edit_bones.new("root")
    pelvis = armature.data.edit_bones["pelvis"]
    root.head, root.tail = (0, 0, 0), pelvis.head
    pelvis.parent, pelvis.use_connect = root, True
    bpy.ops.object.mode_set(mode="OBJECT")
    with pytest.raises(ArmatureError, match="connected"):
        armatures.body_of(armature)


def test_bones_without_a_body_are_refused() -> None:
    armature = armatures.create_armature(bpy.context)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    for bone in armature.data.edit_bones:
        bone.use_connect = False
        bone.head, bone.tail = (0, 0, 0), (0, 0, 1)
    bpy.ops.object.mode_set(mode="OBJECT")
    with pytest.raises(ArmatureError, match="begin at the same place"):
        armatures.body_of(armature)
