"""What can be done with takes: order, stars, comparison, NLA, another rate, fewer keys, delete."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from backend.wire.messages import Motion, Result  # noqa: E402
from blender_addon import placement, takes  # noqa: E402
from blender_addon.operators.takes import highlighted  # noqa: E402
from blender_addon.panels import takes_panel  # noqa: E402
from blender_addon.scene import action as actions  # noqa: E402
from blender_addon.scene import comparing, compat, retiming  # noqa: E402
from tests.blender import drawing, synthetic  # noqa: E402

META = {
    "licence": "CC BY-NC 4.0", "commercial_use": "no", "model_sha256": "0123456789abcdef",
}  # fmt: skip


def walk(seconds: float = 1.0, prompt: str = "a person walks", **values: float) -> Motion:
    motion = synthetic.walk(seconds, **values)
    return Motion(motion.data, meta={**motion.meta, **META, "prompt": prompt, "model": "starter"})


def mannequin(addon) -> bpy.types.Object:
    bpy.ops.kinetype.add_mannequin()
    return addon.settings().character


@pytest.fixture
def rig(addon) -> bpy.types.Object:
    """A mannequin with three takes of a second, made one after the other; the last is active."""
    character = mannequin(addon)
    for name in ("first", "second", "third"):
        keyed(character, name)
    return character


def keyed(character: bpy.types.Object, name: str, **values: float) -> bpy.types.Action:
    motion = walk(1.0, name, **values)
    take = actions.apply_motion(character, motion, scene=bpy.context.scene, start_frame=1)
    take.name = name
    return take


def named(name: str) -> bpy.types.Action:
    return bpy.data.actions[name]


def shown(addon) -> list[str]:
    """Names in the order that Blender's list draws them in."""
    window, area, region = drawing._sidebar()
    with bpy.context.temp_override(window=window, area=area, region=region):
        flags, order = takes_panel.KINETYPE_UL_takes.filter_items(
            Fake(), bpy.context, bpy.data, "actions"
        )
    every = list(bpy.data.actions)
    assert sorted(order) == list(range(len(every)))
    rows = sorted((rank, a.name) for a, flag, rank in zip(every, flags, order, strict=True) if flag)
    return [name for _, name in rows]


class Fake:
    """What the list's filter reads of itself."""

    filter_name = ""
    bitflag_filter_item = 1 << 30


# ---------------------------------------------------------------------------- the list


def test_the_newest_take_is_on_top_whatever_its_name(addon, rig: bpy.types.Object) -> None:
    bpy.data.actions.new("A user's own")
    assert shown(addon) == ["third", "second", "first"]
    named("first").name = "zzz"
    assert shown(addon) == ["third", "second", "zzz"]
    assert [take.name for take in takes.all_takes()] == shown(addon)
    del named("third")["kinetype_made"]  # one of an older version
    assert shown(addon) == ["second", "zzz", "third"]


def test_samples_of_one_generation_keep_their_order(addon) -> None:
    result = Result("r", tuple(walk(0.5, "bow") for _ in range(3)))
    placed = placement.place(bpy.context, result, placement.capture(bpy.context))
    assert takes.all_takes() == list(placed.takes)
    assert placed.armature.animation_data.action == takes.all_takes()[0]


def test_only_the_active_characters_takes_are_listed(addon, rig: bpy.types.Object) -> None:
    other = mannequin(addon)
    assert shown(addon) == [], "a new one has none yet"
    keyed(other, "mine")
    assert shown(addon) == ["mine"]
    addon.settings().takes_all = True
    assert shown(addon) == ["mine", "third", "second", "first"]
    addon.settings().takes_all = False
    bpy.context.view_layer.objects.active = rig
    rig.select_set(True)
    rig.name = "renamed"
    assert shown(addon) == ["third", "second", "first"]
    bpy.context.view_layer.objects.active = other
    bpy.ops.kinetype.take_assign(take="first")
    assert shown(addon) == ["mine", "first"], "what it plays is its own"


def test_stars_stay_and_filter(addon, rig: bpy.types.Object, tmp_path: Path) -> None:
    assert bpy.ops.kinetype.take_star(take="second") == {"FINISHED"}
    addon.settings().takes_starred = True
    assert shown(addon) == ["second"]
    path = str(tmp_path / "saved.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path, check_existing=False)
    bpy.ops.wm.open_mainfile(filepath=path)
    assert shown(addon) == ["second"] and takes.has_star(named("second"))
    rig = addon.settings().character
    compat.assign_action(rig, named("second"))
    bpy.ops.kinetype.clean_up(tool="MIRROR")
    assert not takes.has_star(rig.animation_data.action), "a copy earns its own"
    bpy.ops.kinetype.take_star(take="second")
    assert shown(addon) == []


def test_the_panel_tells_when_by_what_and_under_which_licence(addon, rig) -> None:
    addon.settings().take = named("first")
    said = drawing.words(drawing.draw_panel(takes_panel.KINETYPE_PT_takes))
    made = takes.made_at(named("first"))
    assert made is not None and f"{made:%d %b %Y, %H:%M}, 24 fps" in said
    assert "starter (01234567)" in said and "CC BY-NC 4.0; commercial use: no" in said
    assert "Made for" not in said and "Beside it" not in said
    bpy.context.scene.render.fps = 30
    said = drawing.words(drawing.draw_panel(takes_panel.KINETYPE_PT_takes))
    assert "Made for 24 fps, the scene has 30" in said


# ---------------------------------------------------------------------------- compare


def objects() -> set[str]:
    return {thing.name for thing in bpy.data.objects}


def counts() -> dict[str, int]:
    kinds = ("objects", "meshes", "armatures", "materials", "actions", "collections")
    return {kind: len(getattr(bpy.data, kind)) for kind in kinds}


def pelvis(thing: bpy.types.Object, frame: int) -> np.ndarray:
    bpy.context.scene.frame_set(frame)
    posed = thing.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return np.array(posed.matrix_world @ posed.pose.bones["pelvis"].head)


def test_compared_takes_stand_beside_each_other_and_leave_nothing(addon, rig) -> None:
    keyed(rig, "fast", speed=2.0)
    compat.assign_action(rig, named("first"))
    before, had = objects(), counts()
    selected = [thing.name for thing in bpy.context.selected_objects]
    bpy.ops.kinetype.take_compare(take="fast")
    copy = next(t for t in bpy.data.objects if t.name not in before and t.type == "ARMATURE")
    assert rig.animation_data.action == named("first") and copy.data == rig.data
    assert bpy.context.view_layer.objects.active != copy
    assert [thing.name for thing in bpy.context.selected_objects] == selected
    height = 1.7
    for frame in (1, 12, 20):
        apart = pelvis(copy, frame) - pelvis(rig, frame)
        assert abs(apart[0]) == pytest.approx(0.75 * height, rel=0.1)
        assert abs(apart[1]) == pytest.approx((frame - 1) / 24 * 0.8, abs=0.06)
    bodies = [t for t in bpy.data.objects if t.name not in before and t.type == "MESH"]
    assert bodies and all(body.find_armature() == copy for body in bodies)
    assert comparing.compared(bpy.context.scene) == "fast"
    assert "Beside it: fast" in drawing.words(drawing.draw_panel(takes_panel.KINETYPE_PT_takes))
    bpy.ops.kinetype.take_compare(take="second")  # another one takes its place
    assert counts()["objects"] == had["objects"] + 1 + len(bodies)
    assert bpy.ops.kinetype.compare_end() == {"FINISHED"}
    assert objects() == before and counts() == had
    assert not bpy.ops.kinetype.compare_end.poll()


def test_a_compared_take_starts_when_the_character_does(addon, rig) -> None:
    late = actions.apply_motion(rig, walk(1.0), scene=bpy.context.scene, start_frame=101)
    compat.assign_action(rig, named("first"))
    bpy.ops.kinetype.take_compare(take=late.name)
    copy = next(t for t in comparing.shown(bpy.context.scene) if t.type == "ARMATURE")
    for frame in (1, 12, 24):
        apart = pelvis(copy, frame) - pelvis(rig, frame)
        assert abs(apart[1]) < 0.01, "the same walk, 100 frames earlier"
    # it is no reason to keep the take, and deleting that ends the comparison
    assert bpy.ops.kinetype.take_delete(take=late.name) == {"FINISHED"}
    assert comparing.shown(bpy.context.scene) == []


def test_a_comparison_survives_saving(addon, rig, tmp_path: Path) -> None:
    before = objects()
    bpy.ops.kinetype.take_compare(take="first")
    path = str(tmp_path / "compared.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path, check_existing=False)
    bpy.ops.wm.open_mainfile(filepath=path)
    assert comparing.compared(bpy.context.scene) == "first"
    bpy.ops.kinetype.compare_end()
    assert objects() == before


# ---------------------------------------------------------------------------- keys


def played(rig: bpy.types.Object, seconds: np.ndarray) -> np.ndarray:
    """World heads of a foot and a hand at times since frame 1."""
    scene, found = bpy.context.scene, []
    for at in seconds:
        frame = 1 + at * actions.scene_fps(scene)
        scene.frame_set(int(frame), subframe=frame % 1.0)
        found.append([list(rig.pose.bones[b].head) for b in ("left_foot", "right_wrist")])
    return np.array(found)


@pytest.mark.parametrize("fps", [30, 60, 12])
def test_a_take_fits_another_frame_rate(addon, rig: bpy.types.Object, fps: int) -> None:
    take = keyed(rig, "walk")
    take.pose_markers.new("middle").frame = 13
    at = np.array([0.0, 0.25, 0.5, 0.75])
    before = played(rig, at)
    bpy.context.scene.render.fps = fps
    assert takes.other_rate(take, bpy.context.scene) == 24
    bpy.ops.kinetype.take_fit_rate(take="walk")
    assert takes.other_rate(take, bpy.context.scene) is None
    assert np.abs(played(rig, at) - before).max() < (0.012 if fps > 24 else 0.03)
    last = 1 + (fps * (take_frames(1.0) - 1)) / 24
    assert take.curve_frame_range[1] == pytest.approx(last, abs=0.51)
    frames = [p.co.x for p in compat.fcurves_of(take)[0].keyframe_points]
    assert np.allclose(np.diff(frames), 1.0) and frames[0] == 1.0
    assert take.pose_markers["middle"].frame == round(1 + 12 * fps / 24)
    with pytest.raises(RuntimeError, match="has the frame rate of the scene"):
        bpy.ops.kinetype.take_fit_rate(take="walk")


def take_frames(seconds: float) -> int:
    return len(compat.fcurves_of(bpy.data.actions["first"])[0].keyframe_points)


def test_keys_that_are_few_are_moved_with_their_handles(addon) -> None:
    owner = bpy.data.objects.new("thing", None)
    action, curves = compat.new_action("few", owner)
    curve = curves.new("location", 0, "Location")
    for frame, value in ((10, 0.0), (20, 1.0), (50, 0.0)):
        curve.keyframe_points.insert(frame, value).interpolation = "BEZIER"
    curve.update()
    before = [curve.evaluate(10 + 4 * n) for n in range(11)]
    retiming.fit(action, 24.0, 48.0)
    after = [curve.evaluate(10 + 8 * n) for n in range(11)]
    assert [p.co.x for p in curve.keyframe_points] == [10.0, 30.0, 90.0]
    assert np.allclose(before, after, atol=1e-4)


def test_a_take_of_the_nla_is_not_retimed_and_says_why(addon, rig: bpy.types.Object) -> None:
    bpy.ops.kinetype.take_to_nla(take="second")
    bpy.context.scene.render.fps = 30
    with pytest.raises(RuntimeError, match="NLA strips"):
        bpy.ops.kinetype.take_fit_rate(take="second")


def test_fewer_keys_from_the_list(addon, rig: bpy.types.Object) -> None:
    compat.assign_action(rig, named("third"))
    assert bpy.ops.kinetype.take_thin(take="first", millimetres=3.0) == {"FINISHED"}
    thin = rig.animation_data.action
    assert highlighted(bpy.context) == thin and "first" in thin.name
    keys = [
        sum(len(c.keyframe_points) for c in compat.fcurves_of(a)) for a in (thin, named("first"))
    ]
    assert keys[0] < 0.7 * keys[1]
    at = np.linspace(0.0, 0.9, 10)
    moved = played(rig, at)
    compat.assign_action(rig, named("first"))
    apart = np.linalg.norm(moved - played(rig, at), axis=-1)
    assert apart.max() < 0.004
    assert "no bone moved over 3 mm" in addon.board.message
    assert takes.belongs(thin, rig) and takes.other_rate(thin, bpy.context.scene) is None


# ---------------------------------------------------------------------------- NLA


def test_pushed_to_the_nla_with_blends(addon, rig: bpy.types.Object) -> None:
    fast = keyed(rig, "fast", speed=3.0)
    bpy.ops.kinetype.take_to_nla(take="first", blend_in=0, blend_out=0)
    bpy.ops.kinetype.take_to_nla(take="fast", blend_in=8, blend_out=6)
    data = rig.animation_data
    assert data.action is None and [t.strips[0].action.name for t in data.nla_tracks] == [
        "first", "fast",
    ]  # fmt: skip
    strip = data.nla_tracks[1].strips[0]
    assert (strip.blend_in, strip.blend_out, strip.use_auto_blend) == (8.0, 6.0, False)
    assert strip.frame_start == 1.0 and strip.extrapolation == "NOTHING"
    way = [pelvis(rig, frame)[1] for frame in (1, 5, 12)]
    slow, quick = (abs(1.2 * 4 / 24), abs(3.0 * 4 / 24))
    assert slow < abs(way[1] - way[0]) < quick, "half of each while it takes over"
    assert abs(way[2] - way[0]) == pytest.approx(3.0 * 11 / 24, abs=0.05)
    assert takes.nla_player(fast) == rig


def test_blends_are_no_longer_than_the_take(addon, rig: bpy.types.Object) -> None:
    bpy.ops.kinetype.take_to_nla(take="first", blend_in=500, blend_out=500)
    strip = rig.animation_data.nla_tracks[0].strips[0]
    first, last = named("first").frame_range
    assert strip.blend_in == strip.blend_out == pytest.approx((last - first) / 2)


# ---------------------------------------------------------------------------- the rest


def test_several_takes_are_deleted_and_those_of_the_nla_stay(addon, rig: bpy.types.Object) -> None:
    bpy.ops.kinetype.take_to_nla(take="second")
    addon.settings().take = named("third")
    choices = [{"name": n, "chosen": n != "first"} for n in ("first", "second", "third")]
    assert bpy.ops.kinetype.takes_delete(choices=choices) == {"FINISHED"}
    assert [take.name for take in takes.all_takes()] == ["second", "first"]
    assert highlighted(bpy.context) == named("second")
    bpy.ops.kinetype.take_star(take="first")
    with pytest.raises(RuntimeError, match="No take was chosen"):
        bpy.ops.kinetype.takes_delete()


def test_all_without_a_star_are_deleted_of_this_character_only(addon, rig) -> None:
    other = mannequin(addon)
    keyed(other, "theirs")
    bpy.context.view_layer.objects.active = rig
    bpy.ops.kinetype.take_star(take="second")
    bpy.ops.kinetype.takes_delete(unstarred=True)
    assert {take.name for take in takes.all_takes()} == {"second", "theirs"}


def test_a_new_seed_asks_for_the_same_with_another_seed(addon, fake_backend, rig) -> None:
    bpy.ops.kinetype.take_reseed(take="first")
    (job,) = addon.board.jobs.values()
    assert job.request.prompt == "first" and job.request.seed != 7
    assert job.placement.start_frame == 1
    meta = {**walk().meta, "model": "somebody/elses"}
    actions.describe(named("third"), meta, rig, 24.0)
    with pytest.raises(RuntimeError, match="is in no list"):  # a stranger's file names it
        bpy.ops.kinetype.take_reseed(take="third")
    meta = {**walk().meta, "edit": {"before": {}}}
    actions.describe(named("second"), meta, rig, 24.0)
    with pytest.raises(RuntimeError, match="an edit of another take"):
        bpy.ops.kinetype.take_reseed(take="second")


def test_an_asset_says_what_it_is(addon, rig: bpy.types.Object) -> None:
    meta = {**walk(prompt="a walk").meta, "finish": {"loop": {"turn": 0.0}, "in_place": True}}
    actions.describe(named("first"), meta, rig, 24.0)
    bpy.ops.kinetype.take_to_asset(take="first")
    data = named("first").asset_data
    assert (data.description, data.license) == ("a walk", "CC BY-NC 4.0")
    assert data.author == "Kinetype, starter"
    assert {tag.name for tag in data.tags} == {"kinetype", "starter", "loop", "in place"}
    json.loads(named("first")["kinetype_params"])
