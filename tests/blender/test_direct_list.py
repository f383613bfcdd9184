"""The lists of directing: prompts and markers, refusals, undo, a stranger's file."""

from __future__ import annotations

import json
from typing import Any

import pytest

bpy = pytest.importorskip("bpy")

from blender_addon import directing  # noqa: E402
from blender_addon.panels.direct_panel import (  # noqa: E402
    KINETYPE_PT_direct,
    KINETYPE_PT_in_between,
)
from blender_addon.scene import reading  # noqa: E402

from . import drawing  # noqa: E402
from .directed import (  # noqa: E402
    asked,
    character,
    direct,
    empty,
    line,
    wish,
)
from .pressing import UNTIL  # noqa: E402


def test_prompts_become_segments_of_one_take(director: Any) -> None:
    rig = character()
    bpy.context.scene.render.fps = 24
    wants = directing.of(rig)
    for start, length, text in ((48, 24, "a person sits down"), (12, 99, "a person walks")):
        made = wants.prompts.add()
        made.prompt, made.start, made.length, made.transition = text, start, length, 0.4
    take = direct(rig, use_prompts=True)
    assert asked(take)["segments"] == [
        {"prompt": "a person walks", "start": 0.0, "length": 1.5, "transition": 0.4},
        {"prompt": "a person sits down", "start": 1.5, "length": 1.0, "transition": 0.4},
    ]
    assert take.frame_range[0] == 12 and take.frame_range[1] == pytest.approx(71, abs=1)


def test_markers_are_read_and_written(director: Any) -> None:
    rig, scene = character(), bpy.context.scene
    scene.timeline_markers.new("a person walks", frame=1)
    scene.timeline_markers.new("F_12", frame=5).camera = bpy.data.objects.new(
        "camera", bpy.data.cameras.new("camera")
    )
    scene.timeline_markers.new("123", frame=30)
    scene.timeline_markers.new("a person waves", frame=46)
    assert bpy.ops.kinetype.prompts_from_markers() == {"FINISHED"}
    wants = directing.of(rig)
    found = [(p.prompt, p.start, p.length) for p in wants.prompts]
    assert found == [("a person walks", 1, 45), ("a person waves", 46, 90)]
    long = "a person walks forward, looks around, waves with the left hand and turns to the right"
    wants.prompts[1].prompt, wants.prompts[1].length = long, 50
    for _ in range(2):
        assert bpy.ops.kinetype.prompts_to_markers() == {"FINISHED"}
    names = [(marker.name, marker.frame) for marker in scene.timeline_markers]
    assert sorted(frame for _, frame in names) == [1, 5, 30, 46]
    assert all(long.startswith(name.rstrip("…")) for name, frame in names if frame == 46)
    bpy.ops.kinetype.prompts_from_markers()
    assert [(p.prompt, p.length) for p in wants.prompts] == [("a person walks", 45), (long, 50)]


@pytest.mark.parametrize(
    ("kind", "values", "said"),
    [
        ("PIN", {"last": 20}, "no object to pin to"),
        ("PATH", {"last": 20}, "no curve to follow"),
        ("POSE", {"frame": 500}, "not within the motion"),
        ("POSE", {"pose": "{}"}, "damaged"),
        ("POSE", {"pose": "[" * 5000}, "damaged"),
        ("POSE", {"pose": json.dumps({"motion": [1e9] * 135, "pelvis": [0, 0, 0]})}, "damaged"),
        ("POSE", {"pose": json.dumps({"motion": [0] * 135, "pelvis": [0, 0, 0]})}, "damaged"),
        ("PIN", {"frame": 9, "last": 3}, "ends before it begins"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(
    director: Any, kind: str, values: dict[str, Any], said: str
) -> None:
    rig = character()
    if "ends" in said:
        values = {**values, "goal": empty(0.0, 0.0, 1.0)}
    wish(rig, kind, 5, **values)
    with pytest.raises(RuntimeError, match=said):
        bpy.ops.kinetype.direct(wait=True)
    assert not director.board.jobs
    drawing.draw_panel(KINETYPE_PT_direct)


def test_a_deleted_curve_is_let_go(director: Any) -> None:
    rig = character()
    way = line((0.0, 0.0, 0.0), (1.0, 0.0, 0.0))
    wish(rig, "PATH", 1, last=60, curve=way)
    bpy.data.objects.remove(way)
    with pytest.raises(RuntimeError, match="no curve to follow"):
        bpy.ops.kinetype.direct(wait=True)


def test_models_that_cannot_say_so(director: Any) -> None:
    rig = character()
    director.settings().custom_model = "fake"
    panel = drawing.words(drawing.draw_panel(KINETYPE_PT_direct))
    assert "cannot" not in panel
    wish(rig, "PATH", 1)
    panel = drawing.words(drawing.draw_panel(KINETYPE_PT_direct))
    if "fake" in {info.name for info in _models()}:
        assert "cannot reach given poses" in panel


def _models() -> list[Any]:
    from blender_addon import model_list

    return model_list.models()


def test_a_strangers_list_neither_freezes_nor_breaks_the_panel(director: Any) -> None:
    rig = character()
    wants = directing.of(rig)
    for _ in range(500):
        made = wants.wishes.add()
        made["kind"], made["frame"], made["cm"] = 77, 2**31 - 1, float("nan")
        made["pose"] = "x" * 1000
        wants.prompts.add()["start"] = -(2**31)
    wants["wish_index"], wants["prompt_index"] = 10**6, -5
    wants["begin"], wants["keep"] = 99, -3
    wants.use_prompts = True
    text = drawing.words(drawing.draw_panel(KINETYPE_PT_direct))
    assert "Only the first 64 are used" in text
    drawing.draw_panel(KINETYPE_PT_in_between)
    with pytest.raises(RuntimeError):
        bpy.ops.kinetype.direct(wait=True)
    with pytest.raises(RuntimeError, match="500 constraints already"):
        bpy.ops.kinetype.use_pose()


def test_a_directed_motion_is_one_undo_step_and_can_be_cancelled(
    director: Any, until: UNTIL
) -> None:
    bpy.ops.ed.undo_push(message="start")
    rig = character()
    wish(rig, "PIN", 10, last=20, limb="left-hand", goal=empty(0.3, -0.3, 1.2))
    bpy.ops.ed.undo_push(message="pinned")
    names = {action.name for action in bpy.data.actions}
    assert bpy.ops.kinetype.direct() == {"FINISHED"}
    bpy.ops.kinetype.cancel()
    until(lambda: not director.board.busy)
    assert {action.name for action in bpy.data.actions} == names
    direct(rig)
    assert {action.name for action in bpy.data.actions} - names
    bpy.ops.ed.undo()
    assert {action.name for action in bpy.data.actions} == names
    rig = bpy.context.view_layer.objects.active
    assert directing.of(rig).wishes[0].cm == directing.UNKNOWN


def test_the_list_is_tidied_and_jumped_through(director: Any) -> None:
    rig = character()
    for frame in (5, 40):
        bpy.context.scene.frame_set(frame)
        bpy.ops.kinetype.use_pose()
    wants = directing.of(rig)
    wants.wish_index = 0
    bpy.ops.kinetype.wish_jump()
    assert bpy.context.scene.frame_current == 5
    bpy.context.scene.frame_set(9)
    bpy.ops.kinetype.wish_update()
    assert [entry.frame for entry in wants.wishes] == [9, 40]
    bpy.ops.kinetype.wish_remove()
    bpy.ops.kinetype.wish_remove()
    assert not len(wants.wishes)
    with pytest.raises(RuntimeError, match="list is empty"):
        bpy.ops.kinetype.wish_remove()
    assert reading.frames_of(rig) is None
