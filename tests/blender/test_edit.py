"""Editing the character's motion in a real Blender, through the real service."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from backend.motion.representations import motion135  # noqa: E402
from blender_addon.scene import action as actions  # noqa: E402
from blender_addon.scene import armature as armatures  # noqa: E402
from blender_addon.scene import compat, reading  # noqa: E402

from .pressing import UNTIL, generate  # noqa: E402
from .synthetic import random_motion, walk  # noqa: E402


def character(motion: Any = None, *, mode: str = "QUATERNION", start: int = 5) -> Any:
    """A selected armature that performs a motion, in the given rotation mode."""
    armature = armatures.create_armature(bpy.context)
    for bone in armature.pose.bones:
        bone.rotation_mode = mode
    actions.apply_motion(armature, motion or walk(), scene=bpy.context.scene, start_frame=start)
    bpy.context.view_layer.objects.active = armature
    armature.select_set(True)
    return armature


def edit(**values: Any) -> Any:
    """Edit the motion of the active character and wait; the new take."""
    for name, value in values.items():
        setattr(bpy.context.scene.kinetype, name, value)
    assert bpy.ops.kinetype.edit_motion(wait=True, timeout=120.0) == {"FINISHED"}
    return bpy.context.scene.kinetype.character.animation_data.action


def performed(armature: Any) -> np.ndarray:
    return reading.read_performance(armature, bpy.context.scene).motion.data


def keys_of(action: Any) -> dict[tuple[str, int], list[float]]:
    return {
        (curve.data_path, curve.array_index): [x for p in curve.keyframe_points for x in p.co]
        for curve in compat.fcurves_of(action)
    }


@pytest.fixture
def editor(addon: Any, fake_backend: Any) -> Any:
    """A backend whose edits are noise."""
    fake_backend("editor")
    addon.settings().lock_seed = True
    bpy.context.scene.render.fps = 30
    return addon


@pytest.mark.parametrize("mode", ["QUATERNION", "AXIS_ANGLE", "XYZ", "ZYX"])
def test_what_is_keyed_is_read_back(editor: Any, mode: str) -> None:
    motion = random_motion(50)
    armature = character(motion, mode=mode, start=7)
    found = reading.read_performance(armature, bpy.context.scene)
    assert (found.start_frame, found.motion.fps) == (7, 30.0)
    assert found.action == armature.animation_data.action
    assert np.abs(found.motion.data - motion.data).max() < 2e-5


def test_sparse_keys_are_read_as_blender_plays_them(editor: Any) -> None:
    armature = character(random_motion(30))
    bone = armature.pose.bones["left_elbow"]
    path = bone.path_from_id("rotation_quaternion")
    for curve in compat.fcurves_of(armature.animation_data.action):
        if curve.data_path == path:
            while len(curve.keyframe_points) > 2:
                curve.keyframe_points.remove(curve.keyframe_points[1])
    data = performed(armature)
    for row in (0, 10, 29):
        bpy.context.scene.frame_set(5 + row)
        shown = np.array(armature.matrix_world @ armature.pose.bones["left_wrist"].head)
        x, y, z = motion135.joints(data[row : row + 1].astype(np.float64))[0, 20]
        assert np.abs(shown - [x, -z, y]).max() < 1e-4


def test_a_range_is_made_anew_as_a_new_take(editor: Any) -> None:
    armature = character()
    source = armature.animation_data.action
    before, keys = performed(armature), keys_of(source)
    frame, fps = bpy.context.scene.frame_current, bpy.context.scene.render.fps
    take = edit(edit_frames="RANGE", edit_first=20, edit_last=29, edit_part="ALL", prompt="bow")
    assert take != source and take.name == "Kinetype: bow"
    after = performed(armature)
    assert after.shape == before.shape
    changed = np.abs(after - before).max(1) > 1e-5
    assert (np.nonzero(changed)[0] + 5).tolist() == list(range(20, 30))
    assert keys_of(source) == keys and source.use_fake_user
    assert (bpy.context.scene.frame_current, bpy.context.scene.render.fps) == (frame, fps)


def test_a_part_is_made_anew_and_other_curves_are_copied_as_they_are(editor: Any) -> None:
    armature = character()
    source = armature.animation_data.action
    armature["wave"] = 0.0
    armature.keyframe_insert('["wave"]', frame=11)
    hip = armature.pose.bones["left_hip"].path_from_id("rotation_quaternion")
    curve = next(c for c in compat.fcurves_of(source) if c.data_path == hip)
    while len(curve.keyframe_points) > 3:  # by hand: three keys, with handles
        curve.keyframe_points.remove(curve.keyframe_points[1])
    curve.keyframe_points[1].interpolation = "BEZIER"
    keys = keys_of(source)
    take = edit(edit_frames="ALL", edit_part="LEFT_ARM", prompt="")
    made = keys_of(take)
    assert set(made) == set(keys)
    arm = ("left_collar", "left_shoulder", "left_elbow", "left_wrist")
    for key in keys:
        anew = any(f'"{joint}"' in key[0] for joint in arm)
        assert (made[key] != keys[key]) == anew, key
    copied = next(c for c in compat.fcurves_of(take) if c.data_path == hip)
    assert copied.keyframe_points[1].interpolation == "BEZIER"
    assert reading.frames_of(armature) == (5, 124)


def test_a_motion_goes_on_after_its_last_key(editor: Any) -> None:
    armature = character()
    source = armature.animation_data.action
    source.use_frame_range, source.frame_start, source.frame_end = True, 5, 100
    before = performed(armature)
    take = edit(edit_frames="AFTER", edit_seconds=1.5, edit_part="ARMS", prompt="bow")
    after = performed(armature)
    assert len(after) == len(before) + 45
    assert np.abs(after[: len(before)] - before).max() < 1e-5
    assert np.abs(after[len(before) :, 3:] - before[-1, 3:]).max(1).min() > 0.01
    assert reading.frames_of(armature) == (5, 124 + 45)
    assert take.frame_end == 124 + 45 and source.frame_end == 100


def test_samples_become_takes_of_one_source(editor: Any) -> None:
    armature = character()
    armature["wave"] = 0.0
    armature.keyframe_insert('["wave"]', frame=11)
    before = performed(armature)
    first = edit(edit_frames="ALL", edit_part="HEAD", samples=2, seed=40)
    from blender_addon import takes

    found = [t for t in takes.all_takes() if takes.is_edit(takes.info_of(t))]
    assert sorted(takes.info_of(t).seed for t in found) == [40, 41] and first in found
    for take in found:
        compat.assign_action(armature, take)
        after = performed(armature)
        head = slice(3 + 6 * 12, 3 + 6 * 13)
        assert np.abs(after[:, head] - before[:, head]).max() > 0.01
        assert np.abs(after[:, :75] - before[:, :75]).max() == 0.0
        assert ('["wave"]', 0) in keys_of(take)


def test_an_edit_is_one_undo_step(editor: Any) -> None:
    bpy.ops.ed.undo_push(message="start")
    character()
    bpy.ops.ed.undo_push(message="character")
    names = {action.name for action in bpy.data.actions}
    edit(edit_frames="ALL", edit_part="ARMS")
    assert {action.name for action in bpy.data.actions} - names
    bpy.ops.ed.undo()
    assert {action.name for action in bpy.data.actions} == names


def test_the_source_may_vanish_meanwhile(editor: Any, until: UNTIL) -> None:
    armature = character()
    before = performed(armature)
    settings = editor.settings()
    settings.edit_frames, settings.edit_part = "ALL", "ARMS"
    settings.feet = 0.0  # the whole body is keyed anew, and feet held on it would lower the hips
    assert bpy.ops.kinetype.edit_motion() == {"FINISHED"}
    bpy.data.actions.remove(armature.animation_data.action)
    until(lambda: not editor.board.busy)
    after = performed(armature)
    assert np.abs(after[:, :3] - before[:, :3]).max() < 1e-5 and len(after) == len(before)


def test_another_rate_of_the_scene_meanwhile_keys_everything_anew(
    editor: Any, until: UNTIL
) -> None:
    armature = character()
    settings = editor.settings()
    settings.edit_frames, settings.edit_part = "ALL", "ARMS"
    assert bpy.ops.kinetype.edit_motion() == {"FINISHED"}
    bpy.context.scene.render.fps = 60
    until(lambda: not editor.board.busy)
    first, last = reading.frames_of(armature) or (0, 0)
    assert last - first == pytest.approx(2 * 119, abs=2)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"edit_frames": "ALL", "edit_part": "ALL"}, "All frames of the whole body"),
        ({"edit_first": 50, "edit_last": 20}, "before it begins"),
        ({"edit_first": 1, "edit_last": 20}, "keys from frame 5 to 124"),
        ({"edit_first": 5, "edit_last": 124}, "whole motion"),
    ],
)
def test_a_range_that_makes_no_sense_greys_the_button(
    editor: Any, values: dict[str, Any], said: str
) -> None:
    from blender_addon.operators.edit import KINETYPE_OT_edit_motion

    character()
    settings = editor.settings()
    settings.edit_frames, settings.edit_part = "RANGE", "ALL"
    for name, value in values.items():
        setattr(settings, name, value)
    assert said in KINETYPE_OT_edit_motion.problem(bpy.context)
    with pytest.raises(RuntimeError, match="poll"):
        bpy.ops.kinetype.edit_motion()


def test_without_a_motion_there_is_nothing_to_edit(editor: Any) -> None:
    from blender_addon.operators.edit import KINETYPE_OT_edit_motion

    assert "Select the character" in KINETYPE_OT_edit_motion.problem(bpy.context)
    armature = armatures.create_armature(bpy.context)
    bpy.context.view_layer.objects.active = armature
    armature.select_set(True)
    assert "has no motion yet" in KINETYPE_OT_edit_motion.problem(bpy.context)
    armature["wave"] = 0.0
    armature.keyframe_insert('["wave"]', frame=1)
    armature["wave"] = 1.0
    armature.keyframe_insert('["wave"]', frame=40)
    settings = editor.settings()
    settings.edit_first, settings.edit_last = 10, 20
    with pytest.raises(RuntimeError, match="no Action that moves its bones"):
        bpy.ops.kinetype.edit_motion()


def test_a_long_motion_is_refused_with_the_limit(editor: Any) -> None:
    character(random_motion(61 * 30))
    settings = editor.settings()
    settings.edit_first, settings.edit_last = 10, 20
    with pytest.raises(RuntimeError, match="lasts 61 seconds; edits reach to 60"):
        bpy.ops.kinetype.edit_motion()
    assert not editor.board.jobs


def test_a_model_that_cannot_edit_is_said_in_the_panel(editor: Any, fake_backend: Any) -> None:
    fake_backend("fake")
    armature = character()
    action = armature.animation_data.action
    settings = editor.settings()
    settings.edit_first, settings.edit_last = 10, 20
    with pytest.raises(RuntimeError, match="cannot edit"):
        bpy.ops.kinetype.edit_motion(wait=True, timeout=120.0)
    assert armature.animation_data.action == action


def test_an_edit_says_that_it_cannot_be_made_again(editor: Any) -> None:
    character()
    edit(edit_frames="ALL", edit_part="ARMS", prompt="a person waves")
    with pytest.raises(RuntimeError, match="edit of another take"):
        bpy.ops.kinetype.take_regenerate()
    editor.settings().prompt = "else"
    bpy.ops.kinetype.take_recall()
    assert editor.settings().prompt == "a person waves"


def test_the_current_frame_becomes_an_end_of_the_range(editor: Any) -> None:
    settings = editor.settings()
    settings.edit_first, settings.edit_last = 30, 60
    bpy.context.scene.frame_set(70)
    bpy.ops.kinetype.edit_frame(end="FIRST")
    assert (settings.edit_first, settings.edit_last) == (70, 70)
    bpy.context.scene.frame_set(12)
    bpy.ops.kinetype.edit_frame(end="LAST")
    assert (settings.edit_first, settings.edit_last) == (12, 12)


def test_a_generated_take_can_be_edited(editor: Any) -> None:
    source = generate(seconds=2.0)
    take = edit(edit_frames="RANGE", edit_first=10, edit_last=30, edit_part="UPPER")
    from blender_addon import takes

    info = takes.info_of(take)
    from blender_addon.panels.takes_panel import edit_lines

    assert edit_lines(info) == [f"Edit of: {takes.info_of(source).prompt}"]
    assert edit_lines(takes.info_of(source)) == []
    note = info.meta["edit"]
    assert note["kept_frames"] == [[0, 9], [30, 60]]
    assert note["kept_joints"][0] == "pelvis"
    assert source.use_fake_user and source != take
