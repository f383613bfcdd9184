"""In-between in a real Blender: the person's keys stay as they are, the rest is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from blender_addon import directing, direction  # noqa: E402
from blender_addon.backend_access import InvalidRequest  # noqa: E402
from blender_addon.scene import action as actions  # noqa: E402
from blender_addon.scene import armature as armatures  # noqa: E402
from blender_addon.scene import compat, reading  # noqa: E402

from .directed import apart, character, heads, turns  # noqa: E402
from .synthetic import random_motion  # noqa: E402
from .test_rig_map import kit_rig  # noqa: E402

KEYED = (1, 25, 60)


@pytest.fixture
def editor(addon: Any, fake_backend: Any) -> Any:
    """A backend whose edits are noise."""
    fake_backend("editor", lock_seed=True, feet=0.0)
    bpy.context.scene.render.fps = 24
    return addon


def posed(rig: Any, mode: str = "QUATERNION") -> Any:
    """A character with three poses keyed by hand, and curves of other things."""
    actions.apply_motion(rig, random_motion(90), scene=bpy.context.scene, start_frame=1)
    dense = rig.animation_data.action
    chosen = set(armatures.body_of(rig).names)
    rows = dict.fromkeys(KEYED, 0)
    for frame in rows:
        bpy.context.scene.frame_set(frame)
        rows[frame] = {
            bone.name: (bone.location.copy(), bone.matrix_basis.to_quaternion())
            for bone in rig.pose.bones
            if bone.name in chosen
        }
    rig.animation_data.action = None
    bpy.data.actions.remove(dense)
    for frame, bones in rows.items():
        for name, (location, turn) in bones.items():
            bone = rig.pose.bones[name]
            bone.rotation_mode = mode
            bone.location = location
            bone.rotation_quaternion = turn
            if mode != "QUATERNION":
                bone.rotation_euler = turn.to_euler(mode)
            bone.keyframe_insert("location", frame=frame)
            path = "rotation_quaternion" if mode == "QUATERNION" else "rotation_euler"
            bone.keyframe_insert(path, frame=frame)
    rig["wave"] = 0.5
    rig.keyframe_insert('["wave"]', frame=11)
    return rig.animation_data.action


def values(action: Any, frame: int) -> dict[tuple[str, int], float]:
    return {(c.data_path, c.array_index): c.evaluate(frame) for c in compat.fcurves_of(action)}


def in_between(rig: Any, **wanted: Any) -> Any:
    for name, value in wanted.items():
        setattr(directing.of(rig), name, value)
    assert bpy.ops.kinetype.in_between(wait=True, timeout=120.0) == {"FINISHED"}
    return rig.animation_data.action


@pytest.mark.parametrize(("name", "mode"), [("mannequin", "QUATERNION"), ("cesium_man", "XYZ")])
def test_keyed_poses_are_the_persons_own_keys(editor: Any, name: str, mode: str, kit: Path) -> None:
    rig = character(None if name == "mannequin" else kit_rig(kit, name))
    bpy.context.scene.render.fps = 24
    source = posed(rig, mode)
    keys = {frame: values(source, frame) for frame in KEYED}
    shown = {f: (heads(rig, f), turns(rig, f)) for f in KEYED}
    take = in_between(rig, keep="KEYED")
    assert take != source and source.use_fake_user
    for frame in KEYED:
        places, turned = shown[frame]
        assert np.linalg.norm(heads(rig, frame) - places, axis=-1).max() < 1e-3
        assert apart(turns(rig, frame), turned) < 0.1
        made = values(take, frame)
        for key, value in keys[frame].items():
            off = abs(made[key] - value)
            if key[0].endswith("quaternion"):  # noise may come round the other way
                off = min(off, abs(made[key] + value))
            if not key[0].endswith("euler"):  # of which noise may be written in another way
                assert off < 1e-5, key
    assert values(take, 11)['["wave"]', 0] == 0.5
    before, after = values(source, 40), values(take, 40)
    assert max(abs(after[key] - before[key]) for key in before) > 0.1


def test_selected_keys_stay_and_the_rest_is_made(editor: Any) -> None:
    rig = character()
    source = posed(rig)
    for curve in compat.fcurves_of(source):
        for point in curve.keyframe_points:
            point.select_control_point = round(point.co.x) in (1, 60)
    take = in_between(rig, keep="SELECTED")
    before, after = values(source, 25), values(take, 25)
    assert max(abs(after[key] - before[key]) for key in before) > 0.1
    for frame in (1, 60):
        before, after = values(source, frame), values(take, frame)
        assert max(min(abs(after[k] - v), abs(after[k] + v)) for k, v in before.items()) < 1e-5


def test_listed_frames_and_ranges_stay(editor: Any) -> None:
    rig = character()
    source = posed(rig)
    before = reading.read_performance(rig, bpy.context.scene).motion.data
    in_between(rig, keep="LIST", kept="1, 20-24; 60, 99")
    after = reading.read_performance(rig, bpy.context.scene).motion.data
    same = np.abs(after - before).max(1) < 1e-4
    assert (np.flatnonzero(same) + 1).tolist() == [1, 20, 21, 22, 23, 24, 60]
    assert source.use_fake_user


@pytest.mark.parametrize(
    ("text", "found"),
    [("", set()), ("7", {7}), (" 1 , 3-5;9 to 10,", {1, 3, 4, 5, 9, 10}), ("-3--1", {-3, -2, -1})],
)
def test_lists_of_frames(text: str, found: set[int]) -> None:
    assert direction.listed_frames(text) == found


@pytest.mark.parametrize("text", ["one", "5-3", "1-", "1-9999999", "9" * 5000, "1e3"])
def test_lists_that_are_none(text: str) -> None:
    with pytest.raises(InvalidRequest):
        direction.listed_frames(text)


def test_nothing_to_keep_or_nothing_to_make_is_said(editor: Any) -> None:
    rig = character()
    with pytest.raises(RuntimeError, match="has no keys yet"):
        bpy.ops.kinetype.in_between(wait=True)
    posed(rig)
    for keep, kept, said in (
        ("LIST", "", "names no frame from 1 to 60"),
        ("LIST", "1-60", "nothing is left to make"),
        ("LIST", "1-", "is no frame"),
    ):
        with pytest.raises(RuntimeError, match=said):
            in_between(rig, keep=keep, kept=kept)


def test_a_model_that_only_generates_says_so(editor: Any) -> None:
    rig = character()
    posed(rig)
    from blender_addon.operators.direct import KINETYPE_OT_in_between

    editor.settings().custom_model = "momask-does-not-exist"
    assert KINETYPE_OT_in_between.problem(bpy.context) == ""  # unknown: the backend looks at it
    able = [info for info in _models() if "edit" not in info.abilities]
    if able:
        editor.settings().custom_model = able[0].name
        assert "cannot edit a motion" in KINETYPE_OT_in_between.problem(bpy.context)


def _models() -> list[Any]:
    from blender_addon import model_list

    return model_list.models()
