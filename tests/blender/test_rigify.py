"""Rigs that Rigify generated: what deforms the body must do what the motion says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from mathutils import Euler, Matrix  # noqa: E402

from backend.motion import retarget  # noqa: E402
from backend.motion.representations import motion135  # noqa: E402
from backend.motion.retarget import body_scale, rest_heads, smpl_to_blender  # noqa: E402
from backend.wire.skeleton import PARENTS  # noqa: E402
from blender_addon.backend_access import JOINT_NAMES  # noqa: E402
from blender_addon.core.errors import ArmatureError  # noqa: E402
from blender_addon.scene import action as actions  # noqa: E402
from blender_addon.scene import armature as armatures  # noqa: E402
from blender_addon.scene import compat, reading  # noqa: E402
from tests.blender import rigify, synthetic  # noqa: E402

from .test_other_rigs import directions  # noqa: E402

MOTION = synthetic.random_motion(24)
"""All joints turn at once, the pelvis through more than a whole turn."""
FRAMES = (1, 10, 24)
HIPS = [JOINT_NAMES.index(f"{side}_hip") for side in ("left", "right")]
BODY = Matrix.LocRotScale((3.0, -2.0, 0.5), Euler((0.3, -0.2, 2.0)), (1.5, 1.5, 1.5))
SWITCHES = {
    **{
        f'pose.bones["{limb}_parent.{side}"]["{name}"]': value
        for limb in ("upper_arm", "thigh")
        for side in "LR"
        for name, value in (("IK_FK", 1.0), ("FK_limb_follow", 0.0))
    },
    'pose.bones["torso"]["neck_follow"]': 1.0,
    'pose.bones["torso"]["head_follow"]': 1.0,
}


@pytest.fixture(autouse=True)
def with_rigify(empty_file: None) -> Iterator[None]:
    with rigify.enabled():
        bpy.context.scene.render.fps = 30
        yield


def generated(kind: str = "basic_human") -> bpy.types.Object:
    return rigify.generated(rigify.metarig(kind))


def perform(rig: bpy.types.Object, motion=MOTION) -> bpy.types.Action:
    return actions.apply_motion(rig, motion, scene=bpy.context.scene, start_frame=1)


def deformed(rig: bpy.types.Object, frame: int) -> np.ndarray:
    """World matrices ``[22, 4, 4]`` of the deform bones at a frame, as Blender evaluates them."""
    bpy.context.scene.frame_set(frame)
    posed = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
    bones = [posed.pose.bones[rigify.DEFORM[joint]] for joint in JOINT_NAMES]
    return np.array([posed.matrix_world @ bone.matrix for bone in bones])


def shown(rig: bpy.types.Object) -> np.ndarray:
    return np.array([deformed(rig, frame) for frame in FRAMES])


def check(rig: bpy.types.Object, motion=MOTION) -> None:
    """Limbs, spine, head and hips of the deforming skeleton against the motion itself."""
    _, local = motion135.unpack(motion.data.astype(np.float64))
    joints = motion135.joints(motion.data.astype(np.float64))
    turn = rig.matrix_world.to_3x3().normalized()
    heads = np.array([rig.data.bones[rigify.DEFORM[j]].head_local for j in JOINT_NAMES])
    scale, neutral = body_scale(heads), smpl_to_blender(rest_heads())
    # at rest, the middle of the hips lies over the motion's; both stand on their soles
    still = heads[HIPS].mean(0) - scale * neutral[HIPS].mean(0)
    body = armatures.body_of(rig)
    still[2] = body.ground + body.ankle_lift
    for frame in FRAMES:
        found, row = deformed(rig, frame), frame - 1
        limbs = directions(smpl_to_blender(joints[row])) @ np.array(turn).T
        cosines = (limbs * directions(found[:, :3, 3])).sum(1)
        assert np.degrees(np.arccos(np.clip(cosines, -1, 1))).max() < 0.2
        whole = [local[row, 0]]
        for joint in range(1, len(JOINT_NAMES)):
            whole.append(whole[PARENTS[joint]] @ local[row, joint])
        for name in ("pelvis", "spine3", "neck", "head"):
            joint, bone = JOINT_NAMES.index(name), rig.data.bones[rigify.DEFORM[name]]
            basis = retarget.SMPL_TO_BLENDER
            want = turn @ Matrix(basis @ whole[joint] @ basis.T) @ bone.matrix_local.to_3x3()
            shown = Matrix(found[joint, :3, :3].tolist()).normalized()
            angle = want.to_quaternion().rotation_difference(shown.to_quaternion()).angle
            assert min(np.degrees(angle), 360 - np.degrees(angle)) < 0.3, name
        place = still + scale * smpl_to_blender(joints[row, HIPS].mean(0))
        hips = np.array(rig.matrix_world @ Matrix.Translation(place))[:3, 3]
        assert np.abs(found[HIPS, :3, 3].mean(0) - hips).max() < 1e-4


@pytest.mark.parametrize("kind", ["human", "basic_human"])
def test_the_deforming_bones_perform_the_motion(kind: str) -> None:
    rig = generated(kind)
    assert retarget.recognise(rig.data.bones.keys()).name == "Rigify"
    rig.matrix_world = BODY
    bpy.context.view_layer.update()
    perform(rig)
    check(rig)
    assert armatures.why_unseen(rig) == ""
    back = reading.read_performance(rig, bpy.context.scene).motion.data
    assert np.abs(back - MOTION.data).max() < 1e-4


@pytest.mark.parametrize("mode", ["XYZ", "AXIS_ANGLE"])
def test_controls_in_other_rotation_modes(mode: str) -> None:
    rig = generated()
    for bone in armatures.find_bones(rig).values():
        rig.pose.bones[bone].rotation_mode = mode
    perform(rig)
    check(rig)


def test_another_pivot_of_the_spine() -> None:
    meta = rigify.metarig("basic_human")
    meta.pose.bones["spine"].rigify_parameters.pivot_pos = 1
    rig = rigify.generated(meta)
    assert armatures.find_bones(rig)["pelvis"] == "torso"
    perform(rig)
    check(rig)


def test_a_pivot_that_halves_the_shoulders_is_refused() -> None:
    meta = rigify.metarig("basic_human")
    meta.pose.bones["spine"].rigify_parameters.pivot_pos = 3
    rig = rigify.generated(meta)
    with pytest.raises(ArmatureError, match="hangs on 'MCH-pivot'") as raised:
        perform(rig)
    assert "pivot position" in raised.value.hint
    assert not bpy.data.actions


def test_a_take_brings_the_state_that_it_needs() -> None:
    """IK limbs, controls posed on top and followers of the person do not spoil it."""
    rig = generated()
    for bone in ("hips", "chest", "spine_fk.001"):
        rig.pose.bones[bone].rotation_quaternion = (0.8, 0.6, 0.0, 0.0)
        rig.pose.bones[bone].location = (0.1, 0.2, 0.3)
    rig.pose.bones["hand_ik.L"].location = (0.3, 0.0, 0.4)
    rig.pose.bones["thigh_parent.L"]["FK_limb_follow"] = 1.0
    before = {path: rig.path_resolve(path) for path in SWITCHES}
    take = perform(rig)
    assert {path: rig.path_resolve(path) for path in SWITCHES} == before
    curves = {c.data_path: c for c in compat.fcurves_of(take)}
    for path, value in SWITCHES.items():
        assert [tuple(point.co) for point in curves[path].keyframe_points] == [(1.0, value)]
    check(rig)
    bones = {path.split('"')[1] for path in curves}
    assert bones == {
        *armatures.find_bones(rig).values(),
        *("hips", "chest", "spine_fk.001"),
        *(path.split('"')[1] for path in SWITCHES),
    }


def test_the_motion_goes_along_with_the_root() -> None:
    rig = generated()
    perform(rig)
    want = np.array([deformed(rig, frame) for frame in FRAMES])
    root = rig.pose.bones["root"]
    root.location, root.rotation_quaternion = (1.0, -2.0, 0.5), (0.6, 0.0, 0.0, 0.8)
    root.scale = (1.2, 1.2, 1.2)
    bpy.context.view_layer.update()
    moved = np.array(root.matrix @ root.bone.matrix_local.inverted())
    found = np.array([deformed(rig, frame) for frame in FRAMES])
    assert np.abs(found[..., :3, 3] - (moved @ want)[..., :3, 3]).max() < 1e-4


def test_a_rig_of_other_proportions() -> None:
    """Long legs, a short spine, arms straight out, the whole metarig three times as large."""
    meta = rigify.metarig("basic_human")
    bpy.context.view_layer.objects.active = meta
    bpy.ops.object.mode_set(mode="EDIT")
    bones = meta.data.edit_bones
    for name in ("upper_arm", "forearm", "hand"):
        for side in "LR":
            bone = bones[f"{name}.{side}"]
            bone.tail.z = bones[f"upper_arm.{side}"].head.z
            bone.tail.y = bones[f"upper_arm.{side}"].head.y + (0.01 if name == "upper_arm" else 0)
    for bone in bones:
        low = bone.name.split(".")[0] in ("shin", "foot", "toe", "heel")
        for end in ("tail",) if bone.use_connect else ("head", "tail"):
            point = getattr(bone, end)
            point.z += 0.0 if low and point.z < 0.3 else 0.25
            setattr(bone, end, 3.0 * point)
    bpy.ops.object.mode_set(mode="OBJECT")
    rig = rigify.generated(meta)
    perform(rig)
    check(rig)


def test_an_action_of_the_person_that_keys_its_state_is_as_before() -> None:
    rig = generated()
    limb, hand = rig.pose.bones["upper_arm_parent.L"], rig.pose.bones["hand_ik.L"]
    limb.keyframe_insert('["IK_FK"]', frame=1)
    hand.location = (0.1, -0.2, 0.3)
    hand.keyframe_insert("location", frame=1)
    mine = rig.animation_data.action
    wrist = JOINT_NAMES.index("left_wrist")
    before = deformed(rig, 5)[wrist]
    perform(rig)
    assert np.abs(deformed(rig, 5)[wrist] - before).max() > 0.05
    compat.assign_action(rig, mine)
    assert limb["IK_FK"] == 1.0  # until Blender plays the Action again
    assert np.abs(deformed(rig, 5)[wrist] - before).max() < 1e-3  # IK is iterative
    assert mine.use_fake_user


def test_feet_stand_on_the_floor() -> None:
    """The pelvis of Rigify's bodies begins below the hips, that of the motion above them."""
    rig, walk = generated(), synthetic.walk(1.0)
    perform(rig, walk)
    feet = [JOINT_NAMES.index(f"{side}_foot") for side in ("left", "right")]
    rest = np.array([rig.data.bones[rigify.DEFORM[joint]].head_local for joint in JOINT_NAMES])
    want = motion135.joints(walk.data.astype(np.float64))[:, feet, 1].min(1)
    want = (want - rest_heads()[:, 1].min()) * body_scale(rest) + rest[:, 2].min()
    for frame in range(1, 31, 4):
        lowest = deformed(rig, frame)[feet, 2, 3].min()
        assert abs(lowest - want[frame - 1]) < 0.03, frame


@pytest.mark.parametrize(
    ("kind", "lacks"), [("basic_quadruped", r"upper_arm_fk\.L"), ("horse", r"foot_fk\.L")]
)
def test_a_body_of_another_kind_is_refused_with_what_it_lacks(kind: str, lacks: str) -> None:
    rig = generated(kind)
    with pytest.raises(ArmatureError, match=rf"Rigify bones: .*{lacks}") as raised:
        armatures.find_bones(rig)
    assert "human metarig" in raised.value.hint
    assert not armatures.is_smpl_armature(rig)


def test_a_missing_limb_is_named() -> None:
    meta = rigify.metarig("basic_human")
    bpy.ops.object.mode_set(mode="EDIT")
    bones = meta.data.edit_bones
    for name in ("hand.L", "forearm.L", "upper_arm.L"):
        bones.remove(bones[name])
    bpy.ops.object.mode_set(mode="OBJECT")
    rig = rigify.generated(meta)
    with pytest.raises(ArmatureError) as raised:
        armatures.find_bones(rig)
    for name in ("upper_arm_fk.L", "forearm_fk.L", "hand_fk.L", "upper_arm_parent.L"):
        assert name in raised.value.message
    assert "thigh_fk.L" not in raised.value.message and rig.name in raised.value.message


def test_a_spine_without_fk_controls_is_refused() -> None:
    meta = rigify.metarig("basic_human")
    meta.pose.bones["spine"].rigify_parameters.make_fk_controls = False
    rig = rigify.generated(meta)
    with pytest.raises(ArmatureError, match=r"spine_fk, .*spine_fk\.003") as raised:
        armatures.find_bones(rig)
    assert "FK Controls" in raised.value.hint


def test_a_switch_that_is_gone_is_named() -> None:
    rig = generated()
    del rig.pose.bones["thigh_parent.L"]["IK_FK"]
    with pytest.raises(ArmatureError, match=r"lacks IK_FK of thigh_parent\.L"):
        perform(rig)


def test_a_driver_that_keeps_a_limb_in_ik_is_told() -> None:
    rig = generated()
    driver = rig.pose.bones["upper_arm_parent.R"].driver_add('["IK_FK"]')
    driver.driver.expression = "0.0"
    perform(rig)
    said = armatures.why_unseen(rig)
    assert "IK_FK of upper_arm_parent.R" in said and "mute" in said
    driver.mute = True
    assert armatures.why_unseen(rig) == ""


def test_a_library_override_performs_the_motion(tmp_path: Path) -> None:
    rig = generated()
    name, library = rig.name, str(tmp_path / "library.blend")
    bpy.ops.wm.save_as_mainfile(filepath=library, check_existing=False)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(library, link=True) as (_, wanted):
        wanted.objects = [name]
    bpy.context.scene.collection.objects.link(wanted.objects[0])
    bpy.context.scene.render.fps = 30
    mine = wanted.objects[0].override_create(remap_local_usages=True)
    bpy.context.view_layer.objects.active = mine
    assert mine.override_library is not None
    perform(mine)
    check(mine)
