"""A rig in IK is read beside the scene, in parts: Blender stays usable, and nothing is left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from blender_addon import preparing  # noqa: E402
from blender_addon.backend_access import InvalidRequest  # noqa: E402
from blender_addon.core.errors import ArmatureError  # noqa: E402
from blender_addon.scene import action as actions  # noqa: E402
from blender_addon.scene import playing, reading  # noqa: E402
from tests.blender import rigify, synthetic  # noqa: E402

FRAMES = 12


@pytest.fixture
def rig(addon) -> Iterator[bpy.types.Object]:
    """A generated rig whose right arm is in IK, so that its keys do not say what it does."""
    with rigify.enabled():
        bpy.context.scene.render.fps = 30
        made = rigify.generated(rigify.metarig("basic_human"))
        motion = synthetic.random_motion(FRAMES)
        actions.apply_motion(made, motion, scene=bpy.context.scene, start_frame=1)
        made.pose.bones["upper_arm_parent.R"]["IK_FK"] = 0.0
        made.pose.bones["upper_arm_parent.R"].keyframe_insert('["IK_FK"]', frame=1)
        yield made


def stages() -> list[bpy.types.Scene]:
    return [scene for scene in bpy.data.scenes if playing.MARK in scene]


def steps_of(rig: bpy.types.Object):
    return reading.performance_steps(rig, bpy.context.scene)


def test_it_gives_way_after_each_frame_and_leaves_nothing(rig: bpy.types.Object) -> None:
    scene, pose = bpy.context.scene, np.array(rig.pose.bones["torso"].matrix)
    scene.frame_set(3)
    pose = np.array(rig.pose.bones["torso"].matrix)
    steps, seen = steps_of(rig), []
    try:
        while True:
            seen.append(next(steps))
            assert scene.frame_current == 3
            assert np.array_equal(np.array(rig.pose.bones["torso"].matrix), pose)
    except StopIteration as end:
        found = end.value
    assert seen == [(number, FRAMES) for number in range(1, FRAMES + 1)]
    assert found.played and not stages() and len(found.motion.data) == FRAMES
    # as Blender shows it: the same as when the whole scene is evaluated
    scene.frame_set(7)
    assert np.abs(found.motion.data[:, :3]).max() < 10.0


def test_undo_and_saving_meanwhile_change_nothing(rig: bpy.types.Object, tmp_path: Path) -> None:
    whole = reading.read_performance(rig, bpy.context.scene).motion.data
    bpy.ops.ed.undo_push(message="before")
    name = rig.name
    steps = steps_of(rig)
    for _ in range(3):
        next(steps)
    assert len(stages()) == 1
    bpy.ops.ed.undo_push(message="with the scene of the reading in it")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "meanwhile.blend"), copy=True)
    with bpy.data.libraries.load(str(tmp_path / "meanwhile.blend")) as (there, _):
        assert there.scenes == ["Scene"]
    next(steps)
    bpy.ops.ed.undo()
    bpy.ops.ed.redo()
    assert not stages(), "what undo brings back is swept away"
    try:
        while True:
            next(steps)
    except StopIteration as end:
        assert np.abs(end.value.motion.data - whole).max() < 1e-5
    assert not stages() and name in bpy.data.objects


@pytest.mark.parametrize("change", ["delete", "action", "close"])
def test_what_ends_a_reading(rig: bpy.types.Object, change: str) -> None:
    steps = steps_of(rig)
    next(steps)
    if change == "close":
        steps.close()
    elif change == "delete":
        bpy.data.objects.remove(rig)
        with pytest.raises(ArmatureError, match="deleted"):
            next(steps)
    else:
        rig.animation_data.action = bpy.data.actions.new("Another")
        with pytest.raises(InvalidRequest, match="another Action"):
            next(steps)
    assert not stages()


def press_edit(addon) -> None:
    settings = addon.settings()
    settings.edit_frames, settings.edit_first, settings.edit_last = "RANGE", 4, 8
    assert bpy.ops.kinetype.edit_motion() == {"FINISHED"}


def test_edit_reads_in_slices_with_progress(
    addon, fake_backend, rig: bpy.types.Object, until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "SLICE_SECONDS", 0.0)
    fake_backend("editor")
    press_edit(addon)
    now = preparing.current()
    assert now is not None and not addon.board.jobs
    assert now.text == f"Reading the rig 1/{FRAMES}"
    assert addon.pump.tick() == addon.pump.SHORT_INTERVAL
    assert preparing.current().done == 2, "one frame a slice"
    addon.settings().prompt = "what is typed meanwhile is not asked for"
    until(lambda: preparing.current() is None)
    assert [job.request.prompt for job in addon.board.jobs.values()] == ["a person walks forward"]
    until(lambda: not addon.board.busy)
    assert addon.board.error is None and len(bpy.data.actions) == 2


def test_a_reading_can_be_cancelled(
    addon, fake_backend, rig: bpy.types.Object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "SLICE_SECONDS", 0.0)
    fake_backend("editor")
    press_edit(addon)
    assert bpy.ops.kinetype.cancel() == {"FINISHED"}
    assert preparing.current() is None and not addon.board.jobs and not stages()
    assert not bpy.ops.kinetype.cancel.poll()


def test_what_goes_wrong_meanwhile_is_told(
    addon, fake_backend, rig: bpy.types.Object, until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "SLICE_SECONDS", 0.0)
    fake_backend("editor")
    press_edit(addon)
    bpy.data.objects.remove(rig)
    until(lambda: preparing.current() is None)
    assert "deleted" in addon.board.error.message and not stages()
