"""Rigs of other makers: the limbs must point where the motion's do, whatever the rest pose."""

from __future__ import annotations

import math

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from mathutils import Matrix  # noqa: E402

from backend.motion.representations import motion135  # noqa: E402
from backend.motion.retarget import recognise, shipped, smpl_to_blender  # noqa: E402
from blender_addon.backend_access import JOINT_NAMES  # noqa: E402
from blender_addon.scene import action as actions  # noqa: E402
from blender_addon.scene import armature as armatures  # noqa: E402
from blender_addon.scene import reading  # noqa: E402
from tests.blender import synthetic  # noqa: E402

pytestmark = pytest.mark.usefixtures("empty_file")
MOTION = synthetic.random_motion(24)
LIMBS = [
    (f"{side}_{joint}", f"{side}_{end}")
    for side in ("left", "right")
    for joint, end in (
        ("hip", "knee"),
        ("knee", "ankle"),
        ("shoulder", "elbow"),
        ("elbow", "wrist"),
    )
]
EXTRA = {"Mixamo": "HeadTop_End", "Unreal 4": "root", "Unreal 5": "spine_04", "VRoid": "Root"}


def other_rig(kind: str, *, arms_down: float) -> bpy.types.Object:
    """A maker's bone names, in centimetres, Y-up under a turned object, rolled anyhow."""
    rig = armatures.create_armature(bpy.context)
    names = next(p.rig.bones for p in shipped() if p.rig.name == kind)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    bones = rig.data.edit_bones
    rng = np.random.default_rng(1)
    for bone in bones:  # else a bone moves the next one
        bone.use_connect = False
    for side, sign in (("left", 1.0), ("right", -1.0)):
        pivot = bones[f"{side}_shoulder"].head.copy()
        turn = Matrix.Rotation(math.radians(sign * arms_down), 3, "Y")
        for joint in ("shoulder", "elbow", "wrist"):
            bone = bones[f"{side}_{joint}"]
            bone.head, bone.tail = (pivot + turn @ (p - pivot) for p in (bone.head, bone.tail))
    y_up = Matrix.Rotation(-math.pi / 2, 4, "X")
    for bone in bones:
        bone.transform(Matrix.Scale(100.0, 4) @ y_up)
        bone.roll = rng.uniform(-3.0, 3.0)
    for joint in JOINT_NAMES:
        bones[joint].name = f"made:{names[joint]}"
    added = bones.new(EXTRA.get(kind, "spine.005"))
    added.head, added.tail = (0.0, 0.0, 0.0), (0.0, 5.0, 0.0)
    bpy.ops.object.mode_set(mode="OBJECT")
    rig.rotation_euler, rig.scale = (math.pi / 2, 0.0, 0.0), (0.01, 0.01, 0.01)
    rig.select_set(True)
    return rig


def directions(points: np.ndarray) -> np.ndarray:
    """Unit vectors ``[8, 3]`` of the limbs from joints ``[22, 3]``."""
    at = {name: points[index] for index, name in enumerate(JOINT_NAMES)}
    vectors = np.array([at[end] - at[start] for start, end in LIMBS])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def shown(rig: bpy.types.Object, frame: int) -> np.ndarray:
    """World positions ``[22, 3]`` of the joints at a frame, as Blender evaluates them."""
    bpy.context.scene.frame_set(frame)
    posed = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
    bones = armatures.find_bones(rig)
    return np.array([posed.matrix_world @ posed.pose.bones[bones[j]].head for j in JOINT_NAMES])


def check(rig: bpy.types.Object) -> None:
    bpy.context.scene.render.fps = 30
    actions.apply_motion(rig, MOTION, scene=bpy.context.scene, start_frame=1)
    joints = motion135.joints(MOTION.data.astype(np.float64))
    for row in (0, 9, 23):
        want = directions(smpl_to_blender(joints[row]))
        found = directions(shown(rig, row + 1))
        angles = np.degrees(np.arccos(np.clip((want * found).sum(1), -1, 1)))
        assert angles.max() < 0.2, dict(zip(LIMBS, angles.round(1), strict=True))
    back = reading.read_performance(rig, bpy.context.scene).motion.data
    assert np.abs(back - MOTION.data).max() < 1e-4


@pytest.mark.parametrize("kind", ["Mixamo", "Unreal 4", "VRoid"])
@pytest.mark.parametrize("arms_down", [0.0, 12.0, 50.0])
def test_limbs_point_where_the_motion_says(kind: str, arms_down: float) -> None:
    rig = other_rig(kind, arms_down=arms_down)
    assert recognise(rig.data.bones.keys()).name == kind
    check(rig)


def test_rigifys_metarig_performs_the_motion() -> None:
    addon_utils = pytest.importorskip("addon_utils")
    if addon_utils.enable("rigify", default_set=True) is None:
        pytest.skip("this Blender has no Rigify")
    try:
        bpy.ops.object.armature_human_metarig_add()
        rig = bpy.context.object
        assert recognise(rig.data.bones.keys()).name == "Rigify metarig"
        check(rig)
    finally:
        addon_utils.disable("rigify", default_set=True)


def test_generate_takes_a_mixamo_character(addon, fake_backend) -> None:
    rig = other_rig("Mixamo", arms_down=0.0)
    assert bpy.ops.kinetype.generate(wait=True, timeout=120.0) == {"FINISHED"}
    assert rig.animation_data.action is not None
    assert addon.settings().character == rig
    assert [o.name for o in bpy.data.objects if o.type == "ARMATURE"] == [rig.name]
