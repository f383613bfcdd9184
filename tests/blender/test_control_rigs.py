"""Control rigs other than Rigify's: IK and switches of theirs give way to a take."""

from __future__ import annotations

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from blender_addon.backend_access import Motion, retarget  # noqa: E402
from blender_addon.scene import action as actions  # noqa: E402
from blender_addon.scene import armature as armatures  # noqa: E402
from blender_addon.scene import compat, holding  # noqa: E402
from blender_addon.scene.character import create_character  # noqa: E402
from tests.blender import synthetic  # noqa: E402
from tests.motion.retarget import walking  # noqa: E402

pytestmark = pytest.mark.usefixtures("addon")
WALK = Motion(walking.walk(30).astype(np.float32), 30.0, synthetic.meta("a walk"))
LIMBS = ("left_hip", "left_knee", "left_ankle", "right_shoulder", "right_elbow", "right_wrist")


@pytest.fixture
def rig() -> bpy.types.Object:
    made = create_character(bpy.context)
    bpy.context.view_layer.objects.active = made
    made.select_set(True)
    bpy.context.scene.render.fps = 30
    return made


def apply(rig: bpy.types.Object) -> bpy.types.Action:
    return actions.apply_motion(rig, WALK, scene=bpy.context.scene, start_frame=1)


def heads(rig: bpy.types.Object, names: tuple[str, ...], frame: int) -> np.ndarray:
    bpy.context.scene.frame_set(frame)
    seen = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return np.array([seen.matrix_world @ seen.pose.bones[name].head for name in names])


def expected(rig: bpy.types.Object, names: tuple[str, ...], frame: int) -> np.ndarray:
    body = armatures.body_of(rig)
    path = retarget.joint_path(body, WALK.data, 30.0, 30.0)
    from backend.wire.skeleton import JOINT_NAMES

    return path[frame - 1][[JOINT_NAMES.index(name) for name in names]]


def add_bones(rig: bpy.types.Object, bones: dict[str, tuple[str, str | None]]) -> None:
    """Bones ``name: (at which bone, parent)``, equal to bones that there are."""
    with armatures.edit_mode(bpy.context, rig):
        edit = rig.data.edit_bones
        for name, (at, parent) in bones.items():
            bone = edit.new(name)
            bone.head, bone.tail, bone.roll = edit[at].head, edit[at].tail, edit[at].roll
            bone.parent = edit[parent] if parent else None
    for bone in rig.pose.bones:
        bone.rotation_mode = "QUATERNION"


def test_ik_chains_through_keyed_bones_are_off_while_the_take_is_on(rig) -> None:
    """As MMD's and simple rigs have it: IK on the shin, a copied rotation on the foot."""
    add_bones(rig, {"ik foot": ("left_ankle", None), "ik hand": ("right_wrist", None)})
    rig.pose.bones["ik foot"].location = (0.3, 0.4, 0.2)
    for bone, target in (("left_knee", "ik foot"), ("right_elbow", "ik hand")):
        ik = rig.pose.bones[bone].constraints.new("IK")
        ik.target, ik.subtarget, ik.chain_count = rig, target, 2
    copy = rig.pose.bones["left_ankle"].constraints.new("COPY_ROTATION")
    copy.target, copy.subtarget = rig, "ik foot"
    curve = copy.driver_add("influence")  # muting holds against drivers, too
    curve.driver.type, curve.driver.expression = "SCRIPTED", "1"
    off = rig.pose.bones["head"].constraints.new("DAMPED_TRACK")
    off.mute = True
    told = holding.told(rig, armatures.find_rig(rig))
    assert all(name in told for name in ("left_knee", "left_ankle", "right_elbow"))
    assert "head" not in told
    take = apply(rig)
    for frame in (1, 12, 25):
        apart = heads(rig, LIMBS, frame) - expected(rig, LIMBS, frame)
        assert np.linalg.norm(apart, axis=-1).max() < 1e-3
    assert armatures.why_unseen(rig) == ""
    paths = {c.data_path for c in compat.fcurves_of(take) if c.data_path.endswith(".mute")}
    assert len(paths) == 3
    # a second take turns them off as well, though they are off by the first one
    again = apply(rig)
    assert {c.data_path for c in compat.fcurves_of(again) if c.data_path.endswith(".mute")} == paths


@pytest.mark.parametrize(("form", "value"), [("x", 1.0), ("1 - x", 0.0)])
def test_switches_that_let_other_bones_follow_are_keyed(rig, form: str, value: float) -> None:
    """As Auto-Rig Pro has it: a deforming chain copies FK or IK, one property decides."""
    chain = ("right_shoulder", "right_elbow", "right_wrist")
    above = {"right_shoulder": "right_collar"} | dict(zip(chain[1:], chain[:-1], strict=True))
    for prefix in ("deform ", "ik "):
        parents = {j: p if p == "right_collar" else prefix + p for j, p in above.items()}
        add_bones(rig, {prefix + joint: (joint, parents[joint]) for joint in chain})
    rig.pose.bones["ik right_shoulder"].rotation_quaternion = (0.8, 0.6, 0.0, 0.0)
    rig.pose.bones["right_wrist"]["ik_fk"] = 1.0 - value
    for joint in chain:
        for source, expression in ((joint, form), (f"ik {joint}", f"1 - ({form})")):
            copy = rig.pose.bones[f"deform {joint}"].constraints.new("COPY_TRANSFORMS")
            copy.target, copy.subtarget = rig, source
            driver = copy.driver_add("influence").driver
            driver.type, driver.expression = "SCRIPTED", expression
            variable = driver.variables.new()
            variable.name, variable.type = "x", "SINGLE_PROP"
            variable.targets[0].id = rig
            variable.targets[0].data_path = 'pose.bones["right_wrist"]["ik_fk"]'
    assert holding.switches(rig, set(armatures.find_bones(rig).values())) == {
        'pose.bones["right_wrist"]["ik_fk"]': value
    }
    apply(rig)
    deforms = tuple(f"deform {joint}" for joint in chain)
    for frame in (1, 12, 25):
        apart = heads(rig, deforms, frame) - expected(rig, chain, frame)
        assert np.linalg.norm(apart, axis=-1).max() < 1e-3
