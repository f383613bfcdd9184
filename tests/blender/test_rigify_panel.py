"""The panel with a rig that Rigify generated: Generate, Make Again, Edit, undo."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from backend.motion.representations import motion135  # noqa: E402
from backend.motion.retarget import joint_path  # noqa: E402
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
    want = joint_path(armatures.body_of(rig), motion, 30.0, 30.0)
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


def test_a_take_goes_on_after_its_end(rig: Any) -> None:
    walking(rig)
    motion, before = performed(rig), shown(rig, range(5, 125, 17))
    edit(edit_frames="AFTER", edit_seconds=1.0, prompt="bow")
    after = performed(rig)
    assert len(after) == len(motion) + 30
    assert np.abs(after[: len(motion)] - motion).max() < 1e-5
    assert np.abs(shown(rig, range(5, 125, 17)) - before).max() < 1e-5
    want = joint_path(armatures.body_of(rig), after, 30.0, 30.0)
    for row in (len(motion), len(after) - 1):
        assert np.abs(deformed(rig, row + 5)[:, :3, 3] - want[row]).max() < 1e-4


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


def animated_in_ik(rig: Any) -> Any:
    """An Action as animators make them: IK limbs, torso, hips and chest, head not following."""
    rig.pose.bones["root"].location = (0.5, -1.0, 0.0)
    rig.pose.bones["root"].rotation_quaternion = (0.8, 0.0, 0.6, 0.0)
    frames = {  # limbs bend: in IK they stretch, which FK cannot repeat
        1: {
            "torso": (0.0, 0.0, -0.2),
            "hand_ik.L": (-0.1, -0.2, -0.1),
            "hand_ik.R": (0.1, -0.1, -0.2),
            "foot_ik.R": (0.0, 0.0, 0.0),
        },
        30: {
            "torso": (0.05, 0.0, -0.25),
            "hand_ik.L": (-0.1, -0.3, -0.2),
            "hand_ik.R": (0.1, -0.2, -0.1),
            "foot_ik.R": (0.0, 0.2, 0.1),
        },
    }
    for frame, places in frames.items():
        for name, place in places.items():
            rig.pose.bones[name].location = place
            rig.pose.bones[name].keyframe_insert("location", frame=frame)
        for name in ("torso", "hips", "chest", "head", "spine_fk.001"):
            bone = rig.pose.bones[name]
            bone.rotation_quaternion = (1.0, 0.005 * frame, 0.004 * frame, -0.003 * frame)
            bone.keyframe_insert("rotation_quaternion", frame=frame)
    return rig.animation_data.action


PARTS = {bone: joint for joint, bone in enumerate(rigify.DEFORM.values())}


def turns_apart(found: np.ndarray, want: np.ndarray) -> np.ndarray:
    """Degrees between the directions of the deform bones ``[T, 22]``."""
    ends = [
        m[..., :3, 1] / np.linalg.norm(m[..., :3, 1], axis=-1)[..., None] for m in (found, want)
    ]
    return np.degrees(2 * np.arcsin(np.linalg.norm(ends[0] - ends[1], axis=-1).clip(0, 2) / 2))


def parts(*words: str) -> list[int]:
    """Joints whose deform bone has one of these words in its name."""
    return [joint for bone, joint in PARTS.items() if any(word in bone for word in words)]


LEFT_ARM = parts("shoulder.L", "arm.L", "hand.L")
LEGS = parts("thigh", "shin", "foot", "toe")


@pytest.mark.parametrize(
    ("part", "anew", "still"),
    [("LEFT_ARM", LEFT_ARM, False), ("UPPER", [j for j in range(1, 22) if j not in LEGS], True)],
)
def test_a_part_of_an_action_in_ik(
    rig: Any, addon: Any, part: str, anew: list[int], still: bool
) -> None:
    """What it keeps, legs in IK among it, keeps its controls and curves."""
    source = animated_in_ik(rig)
    before, keys = shown(rig, range(1, 31, 7)), keys_of(source)
    bpy.context.scene.frame_set(7, subframe=0.5)
    made = keys_of(edit(edit_frames="ALL", edit_part=part, prompt=""))
    (said,) = addon.board.warnings
    assert "upper_arm_parent.L" in said and "thigh_parent" not in said
    scene = bpy.context.scene
    assert (scene.frame_current, scene.frame_subframe) == (7, 0.5)
    assert keys_of(source) == keys
    now = shown(rig, range(1, 31, 7))
    kept = [joint for joint in range(22) if joint not in anew]
    assert np.abs(now - before)[:, kept, :3, 3].max() < 1e-3
    assert turns_apart(now, before)[:, LEFT_ARM[1:]].max() > 5.0
    assert made['pose.bones["upper_arm_parent.L"]["IK_FK"]', 0] == [1.0, 1.0]
    assert not [path for path, _ in made if "thigh_parent" in path or "thigh_fk" in path]
    foot, chest = 'pose.bones["foot_ik.R"].location', 'pose.bones["chest"].rotation_quaternion'
    assert made[foot, 1] == keys[foot, 1]
    assert made[chest, 0] == ([1.0, 1.0] if still else keys[chest, 0])


def test_a_range_of_an_action_in_ik_is_baked_to_fk(rig: Any) -> None:
    """All bones point as they did; IK also stretches limbs by a few percent, FK does not."""
    source = animated_in_ik(rig)
    at, keys = [1, 4, 8, 26, 29], keys_of(source)
    before = np.array([deformed(rig, frame) for frame in at])
    edit(edit_frames="RANGE", edit_first=12, edit_last=20, edit_part="ALL", prompt="bow")
    now = np.array([deformed(rig, frame) for frame in at])
    assert turns_apart(now, before).max() < 0.5
    assert np.abs(now - before)[:, [0, *parts("spine", "shoulder")], :3, 3].max() < 1e-4
    assert np.abs(now - before)[..., :3, 3].max() < 0.05
    assert keys_of(source) == keys


def test_a_limb_that_goes_to_ik_on_the_way(rig: Any) -> None:
    walking(rig)
    limb, foot = rig.pose.bones["thigh_parent.R"], rig.pose.bones["foot_ik.R"]
    limb["IK_FK"] = 1.0
    limb.keyframe_insert('["IK_FK"]', frame=40)
    limb["IK_FK"] = 0.0
    limb.keyframe_insert('["IK_FK"]', frame=41)
    foot.location = (0.0, -1.8, 0.15)
    foot.keyframe_insert("location", frame=41)
    at = range(32, 52, 3)
    before = shown(rig, at)
    take = edit(edit_frames="RANGE", edit_first=80, edit_last=90, edit_part="ALL", prompt="bow")
    assert turns_apart(shown(rig, at), before).max() < 0.5
    assert keys_of(take)['pose.bones["thigh_parent.R"]["IK_FK"]', 0] == [5.0, 1.0]


def test_an_action_that_moves_no_bones_is_no_motion(rig: Any) -> None:
    for frame in (1, 50):
        rig.pose.bones["torso"].keyframe_insert('["head_follow"]', frame=frame)
    settings = bpy.context.scene.kinetype
    settings.edit_frames, settings.edit_part = "ALL", "ARMS"
    with pytest.raises(RuntimeError, match="no Action that moves its bones"):
        bpy.ops.kinetype.edit_motion()


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
