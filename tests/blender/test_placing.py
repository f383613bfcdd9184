"""Takes come into the scene one at a time, and what happens between them harms nothing."""

from __future__ import annotations

import time

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from backend.wire.messages import Result  # noqa: E402
from blender_addon import placement, takes  # noqa: E402
from blender_addon.jobs import Finished, board  # noqa: E402
from blender_addon.scene import action as actions  # noqa: E402

from . import synthetic  # noqa: E402


@pytest.fixture
def finished(addon) -> Finished:
    """Three motions that came for a mannequin."""
    bpy.ops.kinetype.add_mannequin()
    bpy.ops.ed.undo_push(message="mannequin")
    motions = tuple(synthetic.random_motion(40, seed) for seed in range(3))
    item = Finished(Result(motions=motions, id="a"), placement.capture(bpy.context))
    board.finished.append(item)
    yield item
    board.finished.clear()


def tick_until(addon, count: int) -> None:
    """Let the pump go on until that many takes are there; never more than one a call."""
    seen = len(takes.all_takes())
    for _ in range(2000):
        if seen == count:
            return
        addon.pump.tick()
        now = len(takes.all_takes())
        assert now - seen in (0, 1), "one call keys one take"
        seen = now
        time.sleep(0.002)
    raise AssertionError("no take came")


def character() -> bpy.types.Object:
    return bpy.context.scene.kinetype.character


def keys_of(take: bpy.types.Action) -> list[float]:
    from blender_addon.scene import compat

    return [curve.evaluate(20.0) for curve in compat.fcurves_of(take)]


def wanted() -> list[list[float]]:
    """What the takes hold when they are keyed at once."""
    where = placement.capture(bpy.context)
    made = []
    for seed in range(3):
        motion = synthetic.random_motion(40, seed)
        placed = placement.place(bpy.context, Result(motions=(motion,), id="b"), where)
        made.append(keys_of(placed.takes[0]))
        bpy.data.actions.remove(placed.takes[0])
    return made


def check(addon, count: int = 3) -> None:
    """All takes are there, the first one plays, and they are what they are when keyed at once."""
    for _ in range(3):
        addon.pump.tick()
    assert board.error is None and not board.finished
    found = sorted(takes.all_takes(), key=lambda take: take.session_uid)
    assert len(found) == count
    assert character().animation_data.action == found[0]
    # a step that stands or slides by a hair may be held in one and not in the other
    np.testing.assert_allclose([keys_of(take) for take in found], wanted(), atol=0.01)


def test_one_take_a_call_and_one_undo_step(addon, finished: Finished) -> None:
    tick_until(addon, 3)
    check(addon)
    assert bpy.ops.ed.undo() == {"FINISHED"}
    assert not takes.all_takes() and character() is not None
    bpy.ops.ed.redo()
    assert len(takes.all_takes()) == 3


def test_undo_between_two_takes_begins_anew(addon, finished: Finished) -> None:
    bpy.context.scene["note"] = 1
    bpy.ops.ed.undo_push(message="note")
    tick_until(addon, 2)
    bpy.ops.ed.undo()
    tick_until(addon, 3)
    check(addon)


def test_edit_mode_between_two_takes(addon, finished: Finished) -> None:
    tick_until(addon, 1)
    bpy.context.view_layer.objects.active = character()
    bpy.ops.object.mode_set(mode="EDIT")
    addon.pump.tick()
    assert not takes.all_takes() and "Object Mode" in finished.reason
    bpy.ops.object.mode_set(mode="OBJECT")
    tick_until(addon, 3)
    check(addon)


def test_the_character_is_deleted_between_two_takes(addon, finished: Finished) -> None:
    tick_until(addon, 1)
    gone = character().name
    bpy.data.objects.remove(character())
    addon.pump.tick()
    assert not takes.all_takes()
    tick_until(addon, 3)
    check(addon)
    assert gone in board.message and "new mannequin" in board.message


def test_another_file_between_two_takes(addon, finished: Finished) -> None:
    tick_until(addon, 2)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    addon.pump.tick()
    assert not takes.all_takes() and finished.kept and "another file" in finished.reason


def test_a_failure_takes_back_the_takes_and_nothing_of_the_persons(
    addon, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick_until(addon, 2)
    own = bpy.data.actions.new("Mine")
    cube = bpy.data.objects.new("Cube", bpy.data.meshes.new("Cube"))

    def full(*_arguments: object, **_options: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(actions, "write_keys", full)
    for _ in range(2000):
        addon.pump.tick()
        if finished.kept:
            break
        time.sleep(0.002)
    assert "no room" in board.error.message
    assert list(bpy.data.actions) == [own] and cube.name in bpy.data.objects
    data = character().animation_data
    assert data is None or data.action is None
    monkeypatch.undo()
    bpy.data.actions.remove(own)
    assert bpy.ops.kinetype.place_result() == {"FINISHED"}
    check(addon)
