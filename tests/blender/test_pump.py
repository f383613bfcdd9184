"""What happens between Generate and the result: undo, other files, deleted targets, crashes."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from blender_addon import jobs, placement, takes  # noqa: E402
from blender_addon.backend_access import (  # noqa: E402
    Progress,
    Request,
)

from .pressing import UNTIL  # noqa: E402


def start(addon, until: UNTIL, steps: int = 12) -> None:
    """A generation that runs for about half a second, and is running."""
    settings = addon.settings()
    settings.custom_model, settings.use_steps, settings.steps = "slow", True, steps
    assert bpy.ops.kinetype.generate() == {"FINISHED"}
    until(lambda: any(job.step > 0 for job in addon.board.jobs.values()))


def armatures() -> list[bpy.types.Object]:
    return [o for o in bpy.data.objects if o.type == "ARMATURE" and o.users_scene]


def test_the_timer_runs_only_while_there_is_something_to_watch(
    addon, fake_backend, until: UNTIL
) -> None:
    assert addon.pump.tick() is None
    start(addon, until)
    assert bpy.app.timers.is_registered(addon.pump.tick)
    assert addon.pump.tick() == addon.pump.INTERVAL
    until(lambda: not addon.board.busy)
    assert addon.pump.tick() is None


def test_deleting_the_target_meanwhile_gives_a_new_mannequin(
    addon, fake_backend, until: UNTIL
) -> None:
    bpy.ops.kinetype.add_mannequin()
    old = addon.settings().character
    bpy.context.view_layer.objects.active = old
    name = old.name
    start(addon, until)
    for thing in [*old.children, old]:
        bpy.data.objects.remove(thing)
    until(lambda: not addon.board.busy)
    assert len(armatures()) == 1
    assert armatures()[0].animation_data.action is not None
    assert name in addon.board.message and "new mannequin" in addon.board.message


def test_deleting_it_as_a_user_does_counts_too(addon, fake_backend, until: UNTIL) -> None:
    """The pointer in the settings keeps the deleted object in the file, but in no scene."""
    bpy.ops.kinetype.add_mannequin()
    old = addon.settings().character
    old.select_set(True)
    start(addon, until)
    bpy.ops.object.delete()
    until(lambda: not addon.board.busy)
    assert len(armatures()) == 1
    assert "new mannequin" in addon.board.message


def test_a_deleted_character_is_let_go(addon) -> None:
    bpy.ops.kinetype.add_mannequin()
    old = addon.settings().character
    for thing in (old, *old.children):
        thing.select_set(True)
    bpy.ops.object.delete()
    bpy.context.view_layer.update()
    assert addon.settings().character is None
    bpy.data.orphans_purge()
    assert not armatures() and not bpy.data.objects


def test_a_new_mannequin_beside_a_linked_active_collection(
    addon, fake_backend, until: UNTIL, tmp_path: Path
) -> None:
    library = str(tmp_path / "library.blend")
    bpy.data.libraries.write(library, {bpy.data.collections.new("Props")}, fake_user=True)
    bpy.data.collections.remove(bpy.data.collections["Props"])
    with bpy.data.libraries.load(library, link=True) as (_, wanted):
        wanted.collections = ["Props"]
    bpy.context.scene.collection.children.link(bpy.data.collections["Props"])
    layer = bpy.context.view_layer
    layer.active_layer_collection = layer.layer_collection.children["Props"]
    start(addon, until, steps=3)
    until(lambda: not addon.board.busy)
    assert addon.board.error is None and len(armatures()) == 1


@pytest.mark.parametrize(("target", "characters"), [("AUTO", 1), ("NEW", 2)])
def test_two_generates_in_a_row_are_two_takes_of_one_character(
    addon, fake_backend, until: UNTIL, target: str, characters: int
) -> None:
    addon.settings().target = target
    start(addon, until, steps=3)
    addon.settings().prompt = "a person bows"
    assert bpy.ops.kinetype.generate() == {"FINISHED"}
    until(lambda: not addon.board.busy)
    assert len(armatures()) == characters
    assert len(takes.all_takes()) == 2


def test_the_newest_take_is_the_highlighted_one(addon, fake_backend, until: UNTIL) -> None:
    for prompt in ("a person walks", "a dancer turns"):
        addon.settings().prompt = prompt
        start(addon, until, steps=3)
        until(lambda: not addon.board.busy)
        highlighted = bpy.data.actions[addon.settings().take_index]
        assert takes.info_of(highlighted).prompt == prompt


def test_loading_another_file_keeps_the_result_until_asked(
    addon, fake_backend, until: UNTIL
) -> None:
    start(addon, until)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert addon.board.jobs, "the job goes on"
    until(lambda: bool(addon.board.finished))
    assert not bpy.data.objects and not bpy.data.actions
    assert addon.board.finished[0].kept
    assert "another file" in addon.board.finished[0].reason
    assert addon.pump.tick() is None, "nothing to watch while it waits for a person"
    assert bpy.ops.kinetype.place_result() == {"FINISHED"}
    assert len(takes.all_takes()) == 1
    assert not addon.board.finished


def test_a_kept_result_can_be_discarded(addon, fake_backend, until: UNTIL) -> None:
    start(addon, until)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    until(lambda: bool(addon.board.finished))
    assert bpy.ops.kinetype.discard_result() == {"FINISHED"}
    assert not addon.board.finished and not bpy.data.actions
    assert not bpy.ops.kinetype.place_result.poll()


def test_a_kept_result_is_not_taken_for_a_failure_of_the_next(
    addon, fake_backend, until: UNTIL
) -> None:
    start(addon, until)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    until(lambda: bool(addon.board.finished))
    fake_backend("fake")
    assert bpy.ops.kinetype.generate(wait=True, timeout=120.0) == {"FINISHED"}
    assert len(takes.all_takes()) == 1 and len(addon.board.finished) == 1


def test_undo_while_a_job_runs(addon, fake_backend, until: UNTIL) -> None:
    bpy.ops.ed.undo_push(message="empty")
    bpy.ops.kinetype.add_mannequin()
    bpy.ops.ed.undo_push(message="mannequin")
    armature = addon.settings().character
    bpy.context.view_layer.objects.active = armature
    armature.location.x = 1.0
    bpy.ops.ed.undo_push(message="moved")
    start(addon, until)
    bpy.ops.ed.undo()  # the move; the armature stays, as another object in memory
    assert addon.board.jobs
    until(lambda: not addon.board.busy)
    assert len(armatures()) == 1
    found = armatures()[0]
    assert found.location.x == 0.0
    assert found.animation_data.action is not None
    assert found.name in addon.board.message
    assert "new mannequin" not in addon.board.message


def test_undoing_the_target_itself_gives_a_new_one(addon, fake_backend, until: UNTIL) -> None:
    bpy.ops.ed.undo_push(message="empty")
    bpy.ops.kinetype.add_mannequin()
    bpy.ops.ed.undo_push(message="mannequin")
    start(addon, until)
    bpy.ops.ed.undo()
    assert not armatures()
    until(lambda: not addon.board.busy)
    assert len(armatures()) == 1
    assert addon.board.error is None


def test_the_result_waits_for_edit_mode_to_end(addon, fake_backend, until: UNTIL) -> None:
    mesh = bpy.data.objects.new("Cube", bpy.data.meshes.new("Cube"))
    bpy.context.scene.collection.objects.link(mesh)
    bpy.context.view_layer.objects.active = mesh
    start(addon, until)
    bpy.ops.object.mode_set(mode="EDIT")
    until(lambda: bool(addon.board.finished))
    assert "Object Mode" in addon.board.finished[0].reason
    assert not takes.all_takes()
    assert addon.pump.tick() == addon.pump.INTERVAL
    bpy.ops.object.mode_set(mode="OBJECT")
    until(lambda: not addon.board.busy)
    assert len(takes.all_takes()) == 1


def test_pose_mode_is_kept(addon, fake_backend, until: UNTIL) -> None:
    bpy.ops.kinetype.add_mannequin()
    armature = addon.settings().character
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="POSE")
    start(addon, until)
    until(lambda: not addon.board.busy)
    assert bpy.context.mode == "POSE"
    assert armature.animation_data.action is not None


def test_a_new_mannequin_waits_for_its_scene(addon, fake_backend, until: UNTIL) -> None:
    first = bpy.context.scene
    start(addon, until)
    second = bpy.data.scenes.new("Second")
    bpy.context.window.scene = second
    until(lambda: bool(addon.board.finished))
    assert first.name in addon.board.finished[0].reason
    bpy.context.window.scene = first
    until(lambda: not addon.board.busy)
    assert len(armatures()) == 1
    assert armatures()[0].name in first.objects


def test_a_deleted_scene_keeps_the_result(addon, fake_backend, until: UNTIL) -> None:
    first = bpy.context.scene
    start(addon, until)
    second = bpy.data.scenes.new("Second")
    bpy.context.window.scene = second
    bpy.data.scenes.remove(first)
    until(lambda: bool(addon.board.finished))
    assert addon.board.finished[0].kept and "gone" in addon.board.finished[0].reason
    bpy.ops.kinetype.place_result()
    assert len(takes.all_takes()) == 1


def test_bones_removed_meanwhile(addon, fake_backend, until: UNTIL) -> None:
    bpy.ops.kinetype.add_mannequin()
    armature = addon.settings().character
    start(addon, until)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    for bone in ("left_knee", "left_ankle", "left_foot"):
        armature.data.edit_bones.remove(armature.data.edit_bones[bone])
    bpy.ops.object.mode_set(mode="OBJECT")
    until(lambda: bool(addon.board.finished))
    assert addon.board.finished[0].kept
    assert "left knee" in addon.board.error.message
    assert not takes.all_takes() and armature.animation_data is None
    bpy.ops.kinetype.use_new_mannequin()
    assert bpy.ops.kinetype.place_result() == {"FINISHED"}
    assert len(takes.all_takes()) == 1


def test_applying_is_all_or_nothing(addon, fake_backend, until: UNTIL, monkeypatch) -> None:
    """The second of three takes cannot be written: the first goes too, the old action stays."""
    from blender_addon.scene import action as actions

    assert bpy.ops.kinetype.generate(wait=True, timeout=120.0) == {"FINISHED"}
    armature = addon.settings().character
    before = armature.animation_data.action
    slot = None
    if hasattr(before, "slots"):  # the person plays another one of its slots
        slot = before.slots.new(id_type="OBJECT", name="Stand-in").identifier
        armature.animation_data.action_slot = before.slots[slot]
    names = {action.name for action in bpy.data.actions}
    write, calls = actions.write_keys, []

    def fails_once(*arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise MemoryError("no room")
        return write(*arguments, **options)

    monkeypatch.setattr(actions, "write_keys", fails_once)
    addon.settings().samples = 3
    with pytest.raises(RuntimeError, match="no room"):
        bpy.ops.kinetype.generate(wait=True, timeout=120.0)
    assert {action.name for action in bpy.data.actions} == names
    assert armature.animation_data.action == before
    assert slot is None or armature.animation_data.action_slot.identifier == slot
    monkeypatch.undo()
    addon.pump.tick()
    assert bpy.ops.kinetype.place_result() == {"FINISHED"}
    assert len(bpy.data.actions) == len(names) + 3


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_a_killed_backend_is_reported_and_can_be_restarted(
    addon, fake_backend, until: UNTIL
) -> None:
    start(addon, until, steps=1000)
    pid = addon.board.session._link._child._popen.pid
    os.kill(pid, signal.SIGKILL)
    until(lambda: not addon.board.jobs)
    assert "killed" in addon.board.error.message
    assert addon.board.error.fixes[0].operator == "kinetype.restart_backend"
    assert not bpy.data.objects and not bpy.data.actions
    bpy.ops.kinetype.restart_backend()
    addon.settings().steps = 2
    assert bpy.ops.kinetype.generate(wait=True, timeout=120.0) == {"FINISHED"}


def test_a_backend_that_dies_between_two_jobs(addon, fake_backend, until: UNTIL) -> None:
    """Nothing is watched then: the panel sees it at its next redraw, Generate starts afresh."""
    assert bpy.ops.kinetype.generate(wait=True, timeout=120.0) == {"FINISHED"}
    addon.board.session._link._child.kill()
    deadline = time.monotonic() + 60.0
    while not addon.board.backend_dead:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert addon.board.error is None and not addon.board.busy
    assert bpy.ops.kinetype.generate(wait=True, timeout=120.0) == {"FINISHED"}
    assert addon.board.error is None
    assert len(takes.all_takes()) == 2


@pytest.mark.parametrize("model", ["slow", "stuck"])
def test_disabling_while_a_job_runs_ends_the_backend(
    enabled_addon: ModuleType, addon, fake_backend, until: UNTIL, model: str
) -> None:
    import addon_utils

    fake_backend(model, use_steps=True, steps=1000)
    bpy.ops.kinetype.generate()
    until(lambda: addon.board.session.state == "busy")
    child = addon.board.session._link._child
    started = time.monotonic()
    addon_utils.disable("blender_addon")
    try:
        # bounded: a stuck step cannot hold Blender up
        assert time.monotonic() - started < jobs.STOP_SECONDS + 10.0
        assert child.wait(10.0), "the child outlived the add-on"
        assert not addon.board.jobs and addon.board.session is None
        assert not bpy.app.timers.is_registered(addon.pump.tick)
    finally:
        addon_utils.enable("blender_addon", default_set=True)


def test_stop_backend_while_a_job_runs(addon, fake_backend, until: UNTIL) -> None:
    start(addon, until, steps=1000)
    bpy.ops.kinetype.stop_backend()
    until(lambda: not addon.board.jobs)
    assert "stopped" in addon.board.message
    assert addon.board.error is None


def test_in_process_backend(addon, until: UNTIL, monkeypatch) -> None:
    """The same buttons with the engine on a thread of this very Python."""
    from backend.pipelines import registry
    from backend.wire.messages import Motion

    class Still:
        def generate(self, request, on_step=None):
            for step in range(1, 4):
                if on_step is not None:
                    on_step(Progress(request.id, "sampling", step, 3))
            data = np.zeros((30, 135), np.float32)
            data[:, 3::6] = data[:, 6::6] = 1.0
            return [Motion(data, meta={"seed": request.seed})] * request.samples

    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    registry.register("still", lambda **_: Still(), uses_torch=False)
    addon.preferences.backend = "IN_PROCESS"
    settings = addon.settings()
    settings.custom_model, settings.cleanup = "still", False
    assert bpy.ops.kinetype.generate(wait=True, timeout=120.0) == {"FINISHED"}
    assert takes.info_of(takes.all_takes()[0]).prompt == settings.prompt


def test_time_left_comes_from_the_pace_of_the_stage() -> None:
    job = jobs.Job(Request("walk"), None)
    job.advance(Progress("x", "loading model"), 0.0)
    assert (job.fraction, job.seconds_left) == (0.0, None)
    job.advance(Progress("x", "sampling", 1, 11), 100.0)
    assert job.seconds_left is None, "one step says nothing about the pace"
    job.advance(Progress("x", "sampling", 3, 11), 104.0)
    assert job.seconds_left == pytest.approx(16.0)
    job.advance(Progress("x", "sampling", 11, 11), 120.0)
    assert (job.fraction, job.seconds_left) == (1.0, 0.0)
    job.advance(Progress("x", "cleaning up"), 121.0)
    assert (job.fraction, job.seconds_left) == (0.0, None)


def test_placement_holds_numbers_not_blender_data(addon) -> None:
    """Undo frees the objects behind Python's back: only numbers and text are safe to keep."""
    bpy.ops.kinetype.add_mannequin()
    bpy.context.view_layer.objects.active = addon.settings().character
    found = placement.capture(bpy.context)
    assert found.target == addon.settings().character.session_uid
    assert all(isinstance(value, int | str | None) for value in vars(found).values())
