"""The panel with a rig that Rigify generated: Generate, Make Again, Edit, undo."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from backend.motion.representations import motion135  # noqa: E402
from blender_addon.core.retarget import joint_path  # noqa: E402
from blender_addon.scene import action as actions  # noqa: E402
from blender_addon.scene import armature as armatures  # noqa: E402
from blender_addon.scene import compat  # noqa: E402
from tests.blender import rigify, synthetic  # noqa: E402

from .pressing import generate  # noqa: E402
from .test_edit import edit, keys_of, performed  # noqa: E402
from .test_rigify import deformed  # noqa: E402


@pytest.fixture
def rig(addon: Any, fake_backend: Any) -> Iterator[Any]:
    """A generated rig, active, and a backend whose edits are noise."""
    fake_backend("editor")
    addon.settings().lock_seed = True
    bpy.context.scene.render.fps = 30
    with rigify.enabled():
        yield rigify.generated(rigify.metarig("basic_human"))


def shown(rig: Any, frames: range) -> np.ndarray:
    """World matrices of the deform bones at frames."""
    return np.array([deformed(rig, frame) for frame in frames])


def walking(rig: Any) -> Any:
    return actions.apply_motion(rig, synthetic.walk(), scene=bpy.context.scene, start_frame=5)


def test_generate_takes_the_rig_again_and_again(rig: Any, addon: Any) -> None:
    first = generate(seconds=1.0, seed=3)
    assert addon.settings().character == rig and rig.animation_data.action == first
    motion = performed(rig)
    second = generate(seconds=1.0, seed=4)
    assert rig.animation_data.action == second != first
    assert np.abs(performed(rig) - motion).max() > 0.01
    compat.assign_action(rig, first)
    assert np.abs(performed(rig) - motion).max() == 0.0
    rest = armatures.rest_pose(rig, armatures.find_rig(rig))
    want = joint_path(motion, 30.0, rest, 30.0)
    for row in (0, len(motion) - 1):
        assert np.abs(deformed(rig, row + 1)[:, :3, 3] - want[row]).max() < 1e-4
    assert len([thing for thing in bpy.data.objects if thing.type == "ARMATURE"]) == 1


def test_one_generation_is_one_undo_step(rig: Any) -> None:
    name = rig.name
    bpy.ops.ed.undo_push(message="rig")
    generate(seconds=1.0)
    bpy.context.scene.frame_set(10)
    assert bpy.data.objects[name].pose.bones["thigh_parent.L"]["IK_FK"] == 1.0
    bpy.ops.ed.undo()
    rig = bpy.data.objects[name]
    assert not bpy.data.actions and rig.pose.bones["thigh_parent.L"]["IK_FK"] == 0.0


def test_what_a_take_leaves_behind_is_told_once(rig: Any, addon: Any) -> None:
    hand, limb = rig.pose.bones["hand_ik.L"], rig.pose.bones["upper_arm_parent.L"]
    hand.keyframe_insert("location", frame=1)
    mine = rig.animation_data.action
    generate(seconds=1.0)
    (said,) = addon.board.warnings
    assert repr(mine.name) in said and "IK_FK = 0" in said and "FK_limb_follow" not in said
    bpy.context.scene.frame_set(2)
    assert limb["IK_FK"] == 1.0
    generate(seconds=1.0)
    assert addon.board.warnings == ()


def test_a_body_stands_for_the_rig_that_it_wears(rig: Any, addon: Any) -> None:
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object
    cube.parent = rig
    cube.modifiers.new("Armature", "ARMATURE").object = rig
    generate(seconds=1.0)
    assert addon.settings().character == rig and rig.animation_data.action is not None


def test_a_range_keeps_the_other_frames(rig: Any) -> None:
    walking(rig)
    motion, before = performed(rig), shown(rig, range(5, 125, 17))
    assert np.abs(motion - synthetic.walk().data).max() < 1e-4
    take = edit(edit_frames="RANGE", edit_first=20, edit_last=29, edit_part="ALL", prompt="bow")
    after = performed(rig)
    changed = np.abs(after - motion).max(1) > 1e-5
    assert (np.nonzero(changed)[0] + 5).tolist() == list(range(20, 30))
    now = shown(rig, range(5, 125, 17))
    kept = [index for index, frame in enumerate(range(5, 125, 17)) if not 20 <= frame < 30]
    assert np.abs(now - before)[kept].max() < 1e-5 < 0.01 < np.abs(now - before).max()
    assert 'pose.bones["torso"]["head_follow"]' in {path for path, _ in keys_of(take)}


def test_an_arm_made_anew_leaves_every_other_curve(rig: Any) -> None:
    source = walking(rig)
    chest = rig.pose.bones["chest"]
    for frame, turn in ((5, 0.0), (60, 0.2)):  # the person bends it over the take
        chest.rotation_quaternion = (1.0, turn, 0.0, 0.0)
        chest.keyframe_insert("rotation_quaternion", frame=frame)
    keys, before = keys_of(source), shown(rig, range(5, 125, 40))
    made = keys_of(edit(edit_frames="ALL", edit_part="LEFT_ARM", prompt=""))
    arm = ("shoulder.L", "upper_arm_fk.L", "forearm_fk.L", "hand_fk.L")
    assert set(made) == set(keys)
    for key in keys:
        anew = any(f'"{bone}"].rotation' in key[0] for bone in arm)
        assert (made[key] != keys[key]) == anew, key
    legs = [list(rigify.DEFORM).index(f"left_{joint}") for joint in ("hip", "knee", "ankle")]
    assert np.abs((shown(rig, range(5, 125, 40)) - before)[:, legs]).max() < 1e-6


def test_the_upper_body_moves_the_torso_but_not_the_pelvis(rig: Any) -> None:
    """Torso and hips hang on each other: both are keyed anew when the spine bends otherwise."""
    walking(rig)
    before, motion = shown(rig, range(5, 125, 13)), performed(rig)
    source = keys_of(rig.animation_data.action)
    made = keys_of(edit(edit_frames="ALL", edit_part="UPPER", prompt=""))
    torso = ('pose.bones["torso"].location', 2)
    assert made[torso] != source[torso]
    knee = ('pose.bones["shin_fk.L"].rotation_quaternion', 1)
    assert made[knee] == source[knee]
    lower = [
        joint
        for joint, bone in enumerate(rigify.DEFORM.values())
        if bone == "DEF-spine" or any(word in bone for word in ("thigh", "shin", "foot", "toe"))
    ]
    now = shown(rig, range(5, 125, 13))
    assert np.abs(now - before)[:, lower, :3, 3].max() < 1e-5
    assert np.abs(now - before)[:, -1].max() > 0.01
    found = performed(rig)
    assert np.abs(found - motion)[:, :9].max() < 1e-5
    joints = motion135.joints(found.astype(np.float64))
    assert np.isfinite(joints).all()


def test_an_action_of_ik_controls_is_not_taken_for_a_motion(rig: Any) -> None:
    walking(rig)
    limb = rig.pose.bones["thigh_parent.R"]
    limb["IK_FK"] = 0.0
    limb.keyframe_insert('["IK_FK"]', frame=40)
    rig.pose.bones["torso"]["neck_follow"] = 0.5
    action = rig.animation_data.action
    settings = bpy.context.scene.kinetype
    settings.edit_frames, settings.edit_part = "ALL", "ARMS"
    with pytest.raises(RuntimeError, match=r"IK_FK of thigh_parent\.R is 0 instead of 1\."):
        bpy.ops.kinetype.edit_motion()
    assert rig.animation_data.action == action


def test_an_fk_action_of_the_person_is_edited_with_the_state_it_has(rig: Any) -> None:
    """It keys no switches: the present ones count, and the new take keys them."""
    source = walking(rig)
    switches = {c.data_path for c in compat.fcurves_of(source) if '"]["' in c.data_path}
    for path in switches:
        bone, name = path.split('"')[1::2]
        rig.pose.bones[bone][name] = 0.0 if name == "FK_limb_follow" else 1.0
    action, slot, _ = compat.copied_action(rig, source, without=switches)
    compat.assign_action(rig, action, slot)
    assert len(switches) == 10 and not switches & {path for path, _ in keys_of(action)}
    made = keys_of(edit(edit_frames="ALL", edit_part="HEAD", prompt=""))
    assert switches <= {path for path, _ in made}
