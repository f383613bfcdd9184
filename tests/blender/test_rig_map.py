"""Any armature: mapped, corrected by hand, remembered; feet on the floor; one clear target."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from mathutils import Matrix, Vector  # noqa: E402

from backend.motion.representations import motion135  # noqa: E402
from backend.motion.retarget import smpl_to_blender  # noqa: E402
from blender_addon import joint_list, placement  # noqa: E402
from blender_addon.backend_access import ArmatureError, Motion  # noqa: E402
from blender_addon.scene import action as actions  # noqa: E402
from blender_addon.scene import armature as armatures  # noqa: E402
from blender_addon.scene import compat, mapping, reading  # noqa: E402
from blender_addon.scene.turns import at_once  # noqa: E402
from tests.blender import drawing, synthetic  # noqa: E402
from tests.motion.retarget import rigs, walking  # noqa: E402

pytestmark = pytest.mark.usefixtures("addon")
WALK = Motion(walking.walk(90).astype(np.float32), 30.0, synthetic.meta("a walk"))
SIDES = ("left", "right")


def kit_rig(kit: Path, name: str) -> bpy.types.Object:
    """A skeleton of the kit as a Blender armature."""
    data = json.loads((kit / "rigs" / "skeletons" / f"{name}.json").read_text())
    armature = bpy.data.armatures.new(name)
    rig = bpy.data.objects.new(name, armature)
    bpy.context.scene.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    rig.select_set(True)
    bpy.ops.object.mode_set(mode="EDIT")
    for bone in data["bones"]:
        made = armature.edit_bones.new(bone["name"])
        made.head, made.tail = bone["head"], bone["tail"]
        turn = Matrix(bone["matrix_local"]).to_4x4()
        turn.translation = Vector(bone["head"])
        length = made.length
        made.matrix = turn
        made.length = length
        if bone["parent"]:
            made.parent = armature.edit_bones[bone["parent"]]
    bpy.ops.object.mode_set(mode="OBJECT")
    rig.matrix_world = Matrix(data["object"]["matrix_world"])
    mode = data["object"]["rotation_mode_of_bones"][0]
    for bone in rig.pose.bones:
        bone.rotation_mode = mode
    bpy.context.view_layer.update()
    bpy.context.scene.render.fps = 30
    return rig


def world(rig: bpy.types.Object, bone: str, frame: int) -> np.ndarray:
    bpy.context.scene.frame_set(frame)
    posed = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return np.array(posed.matrix_world @ posed.pose.bones[bone].head)


@pytest.mark.parametrize("name", rigs.TRUE_MAPS)
def test_real_rigs_point_where_the_motion_does_in_blender(name: str, kit: Path) -> None:
    rig = kit_rig(kit, name)
    bones = armatures.find_bones(rig)
    actions.apply_motion(rig, WALK, scene=bpy.context.scene, start_frame=1)
    joints = smpl_to_blender(motion135.joints(WALK.data.astype(np.float64)))
    facing = np.eye(3)
    if name == "vrm_godette":  # it rests facing the other way: the motion is made in its own space
        facing = np.diag([-1.0, -1.0, 1.0])
    for frame in (1, 20, 61):
        for side in SIDES:
            for start, end in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow")):
                a, b = (bones[f"{side}_{part}"] for part in (start, end))
                ours = world(rig, b, frame) - world(rig, a, frame)
                index = [armatures.JOINT_NAMES.index(f"{side}_{p}") for p in (start, end)]
                theirs = facing @ (joints[frame - 1, index[1]] - joints[frame - 1, index[0]])
                cosine = ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs)
                assert np.degrees(np.arccos(min(cosine, 1.0))) < 2.0, (frame, side, start)


@pytest.mark.parametrize("name", ["m2m_human", "mpfb_cmu_mb", "kaykit_manny", "quaternius_man"])
def test_planted_feet_stand_on_the_floor_in_blender(name: str, kit: Path) -> None:
    """The ball's (or ankle's) height while the foot stands is that of the rest pose."""
    rig = kit_rig(kit, name)
    bones = armatures.find_bones(rig)
    actions.apply_motion(rig, WALK, scene=bpy.context.scene, start_frame=1, feet=1.0)
    scale = armatures.body_of(rig).scale * rig.matrix_world.to_scale().x
    toe = bones.get("left_foot")
    if toe is None:
        return
    rest = float((rig.matrix_world @ rig.data.bones[toe].head_local).z)
    heights = np.array([world(rig, toe, frame)[2] for frame in range(1, 91)])
    ball = motion135.joints(WALK.data.astype(np.float64))[:, 10]
    stands = np.concatenate([np.linalg.norm(np.diff(ball, axis=0), axis=-1) < 0.002, [False]])
    assert stands.sum() > 20
    assert np.abs(heights[stands] - rest).max() < 0.007 * scale


def test_a_bone_is_chosen_by_hand_and_remembered(kit: Path, tmp_path: Path) -> None:
    rig = kit_rig(kit, "m2m_human")
    group = joint_list.list_of(rig)
    assert group.left_wrist == "hand_l" and group.left_foot == "ball_l"
    group.left_wrist = "middle_01_l"
    group.left_foot = ""
    assert armatures.find_bones(rig)["left_wrist"] == "middle_01_l"
    assert "left_foot" not in armatures.find_bones(rig)
    path = str(tmp_path / "remembered.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path, check_existing=False)
    bpy.ops.wm.open_mainfile(filepath=path)
    rig = bpy.data.objects["m2m_human"]
    assert joint_list.list_of(rig).left_wrist == "middle_01_l"
    bpy.context.view_layer.objects.active = rig
    bpy.ops.kinetype.joints_detect()
    assert joint_list.list_of(rig).left_wrist == "hand_l"


def test_the_eyedropper_takes_the_selected_bone(kit: Path) -> None:
    rig = kit_rig(kit, "m2m_human")
    rig.data.bones.active = rig.data.bones["head_leaf"]
    assert bpy.ops.kinetype.joint_pick(joint="head") == {"FINISHED"}
    assert joint_list.list_of(rig).head == "head_leaf"


def test_maps_are_saved_and_loaded(kit: Path, tmp_path: Path) -> None:
    rig = kit_rig(kit, "kaykit_manny")
    joint_list.list_of(rig).left_wrist = "hand.l"
    path = str(tmp_path / "map.json")
    bpy.ops.kinetype.joints_save(filepath=path)
    bpy.ops.kinetype.joints_detect()
    assert joint_list.list_of(rig).left_wrist == "wrist.l"
    bpy.ops.kinetype.joints_load(filepath=path)
    assert joint_list.list_of(rig).left_wrist == "hand.l"
    Path(path).write_text('{"name": "mine", "joints": {"head": ["chest"], "neck": ["Nothing"]}}')
    bpy.ops.kinetype.joints_load(filepath=path)
    assert mapping.joints_of(rig).bones == {"head": "chest"}
    with pytest.raises(RuntimeError, match="no mapping"):
        Path(path).write_text("[]")
        bpy.ops.kinetype.joints_load(filepath=path)


def test_a_refused_rig_says_what_is_missing_and_offers_the_list(addon) -> None:
    rig = armatures.create_armature(bpy.context)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    for side in SIDES:
        for part in ("hip", "knee", "ankle", "foot"):
            rig.data.edit_bones.remove(rig.data.edit_bones[f"{side}_{part}"])
    bpy.ops.object.mode_set(mode="OBJECT")
    rig.select_set(True)
    with pytest.raises(ArmatureError, match="14 of 22 joints were found; it has no legs"):
        placement.find_target(bpy.context)
    from blender_addon.fixes import fixes_for

    assert fixes_for(ArmatureError("a", "b"))[0].operator == "kinetype.show_joints"
    from blender_addon.panels.joints import KINETYPE_PT_joints

    shown = drawing.draw(KINETYPE_PT_joints.draw)
    assert "no legs" in str(shown) and "kinetype.joint_pick" in str(shown)
    # the heading says the side, names that are too long for a sidebar have a window
    assert "'Left Leg'" in shown and "'Left Knee'" not in shown
    assert "kinetype.show_joints" in shown


def test_the_tooltip_of_a_joint_says_which_bone_it_is_and_why(kit: Path) -> None:
    from blender_addon.operators.joints import KINETYPE_OT_joint_pick

    rig = kit_rig(kit, "quaternius_man")
    why = mapping.joints_of(rig).joints["pelvis"].reason
    for joint, told in (("pelvis", f"Now it is Body (65 %: {why})"), ("left_foot", "Left Foot")):
        picked = SimpleNamespace(joint=joint)
        assert KINETYPE_OT_joint_pick.description(bpy.context, picked).endswith(told)


def test_an_old_pose_of_bones_in_between_does_not_bend_a_take(kit: Path) -> None:
    rig = kit_rig(kit, "mpfb_default")
    actions.apply_motion(rig, WALK, scene=bpy.context.scene, start_frame=1)
    want = world(rig, "wrist.L", 30)
    rig.animation_data_clear()
    for bone in ("upperarm02.L", "finger2-2.L", "shoulder01.L"):
        rig.pose.bones[bone].rotation_mode = "XYZ"
        rig.pose.bones[bone].rotation_euler = (0.8, 0.3, 0.0)
    actions.apply_motion(rig, WALK, scene=bpy.context.scene, start_frame=1)
    assert np.abs(world(rig, "wrist.L", 30) - want).max() < 1e-5
    assert np.abs(rig.pose.bones["finger2-2.L"].rotation_euler).max() < 1e-6


def test_the_body_that_is_selected_is_its_armature(addon) -> None:
    rig = armatures.create_armature(bpy.context)
    for bone in rig.data.bones:
        bone.name = f"hair {bone.name}"
    mesh = bpy.data.objects.new("Skin", bpy.data.meshes.new("Skin"))
    bpy.context.scene.collection.objects.link(mesh)
    mesh.modifiers.new("Armature", "ARMATURE").object = rig
    other = armatures.create_armature(bpy.context)
    addon.settings().character = other
    bpy.context.view_layer.objects.active = mesh
    mesh.select_set(True)
    assert placement.find_target(bpy.context) == rig


def test_an_object_scaled_unevenly_is_told(addon) -> None:
    rig = armatures.create_armature(bpy.context)
    actions.apply_motion(rig, WALK, scene=bpy.context.scene, start_frame=1)
    assert armatures.why_unseen(rig) == ""
    rig.scale = (1.0, 1.0, 1.3)
    bpy.context.view_layer.update()
    assert "scaled differently" in armatures.why_unseen(rig)


def test_a_take_begins_where_the_rig_stands(addon) -> None:
    moved = WALK.data.copy()
    moved[:, [0, 2]] += [0.16, 0.25]
    rig = armatures.create_armature(bpy.context)
    actions.apply_motion(
        rig, Motion(moved, 30.0, {}), scene=bpy.context.scene, start_frame=1, here=True
    )
    rest = np.array(rig.data.bones["pelvis"].head_local)
    assert np.abs(world(rig, "pelvis", 1)[:2] - rest[:2]).max() < 1e-5


def test_soles_come_from_the_bound_mesh(addon) -> None:
    """A body in thick shoes stands on them, not in the floor."""
    rig = armatures.create_armature(bpy.context)
    for bone in rig.data.bones:  # another maker's, so that its own shape counts
        bone.name = bone.name.replace("left_", "L ").replace("right_", "R ").replace("hip", "thigh")
    mesh = bpy.data.meshes.new("Shoes")
    ankle = rig.data.bones["L ankle"].head_local
    points = [(s * ankle.x, ankle.y - y, -0.06) for s in (1, -1) for y in (-0.08, 0.0, 0.1, 0.2)]
    mesh.from_pydata(points, [], [])
    shoes = bpy.data.objects.new("Shoes", mesh)
    bpy.context.scene.collection.objects.link(shoes)
    shoes.modifiers.new("Armature", "ARMATURE").object = rig
    body = armatures.body_of(rig)
    assert body.sole == pytest.approx(-0.06, abs=1e-3)


def test_a_take_of_kinetypes_own_bvh_stands_on_the_floor(tmp_path: Path) -> None:
    from backend.motion.io import bvh

    path = tmp_path / "own.bvh"
    bvh.write_motion(path, WALK)
    bpy.ops.import_anim.bvh(filepath=str(path))
    rig = bpy.context.object
    assert min(b.head_local.z for b in rig.data.bones) > -0.05  # its rest pose stands
    rig.animation_data_clear()
    bpy.context.scene.render.fps = 30
    actions.apply_motion(rig, WALK, scene=bpy.context.scene, start_frame=1, feet=1.0)
    toe = armatures.find_bones(rig)["left_foot"]
    lowest = min(world(rig, toe, frame)[2] for frame in range(1, 60, 4))
    assert 0.0 < lowest < 0.03
    back = reading.read_performance(rig, bpy.context.scene).motion.data
    assert np.abs(back[:, :3] - WALK.data[:, :3]).max() < 0.05
    assert compat.active_curves(rig)


def test_edits_hold_the_feet_of_what_they_made_anew(addon) -> None:
    scene = bpy.context.scene
    scene.render.fps = 30
    rig = armatures.create_armature(bpy.context)
    sliding = WALK.data.copy()
    sliding[:, 1] += 0.03  # it floats: held feet come down
    source = actions.apply_motion(rig, Motion(sliding, 30.0, {}), scene=scene, start_frame=1)
    before = [world(rig, "left_ankle", frame) for frame in (10, 30, 80)]
    edit = {"edit": {"kept_frames": [[0, 45]], "kept_joints": []}}
    edited = Motion(sliding, 30.0, edit)
    at_once(actions.edited(rig, edited, source, scene=scene, start_frame=1, feet=1.0))
    after = [world(rig, "left_ankle", frame) for frame in (10, 30, 80)]
    assert np.abs(np.array(before) - after)[:2].max() < 1e-5
    moved = [world(rig, "left_foot", frame)[2] for frame in range(60, 91)]
    assert min(moved) < 0.028
    assert actions.made_anew([], 5, 30.0).tolist() == [1.0] * 5
