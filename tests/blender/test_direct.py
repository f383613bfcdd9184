"""Directing in a real Blender: what is asked is what is sent, and what is met on the character."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from backend.motion.representations import motion135  # noqa: E402
from backend.motion.retarget import blender_to_smpl, smpl_to_blender  # noqa: E402
from blender_addon import directing, takes  # noqa: E402
from blender_addon.panels.direct_panel import (  # noqa: E402
    KINETYPE_PT_direct,
    KINETYPE_PT_in_between,
)
from blender_addon.scene import action as actions  # noqa: E402
from blender_addon.scene import armature as armatures  # noqa: E402
from blender_addon.scene import places, posing, reading  # noqa: E402

from . import drawing  # noqa: E402
from .pressing import UNTIL  # noqa: E402
from .synthetic import random_motion, walk  # noqa: E402
from .test_rig_map import kit_rig  # noqa: E402


@pytest.fixture
def director(addon: Any, fake_backend: Any) -> Any:
    """A backend that stands still, or goes along a path; the feet are left alone."""
    fake_backend("director", seconds=3.0, feet=0.0, lock_seed=True)
    bpy.context.scene.render.fps = 30
    return addon


def character(rig: Any = None) -> Any:
    """A selected character; the mannequin by default."""
    rig = rig or armatures.create_armature(bpy.context)
    for thing in bpy.context.selected_objects:
        thing.select_set(False)
    bpy.context.view_layer.objects.active = rig
    rig.select_set(True)
    return rig


def empty(*place: float) -> Any:
    made = bpy.data.objects.new("goal", None)
    bpy.context.scene.collection.objects.link(made)
    made.location = place
    bpy.context.view_layer.update()
    return made


def line(*points: tuple[float, float, float]) -> Any:
    """A curve object of straight pieces."""
    data = bpy.data.curves.new("way", "CURVE")
    data.dimensions = "3D"
    spline = data.splines.new("POLY")
    spline.points.add(len(points) - 1)
    for point, place in zip(spline.points, points, strict=True):
        point.co = (*place, 1.0)
    made = bpy.data.objects.new("way", data)
    bpy.context.scene.collection.objects.link(made)
    bpy.context.view_layer.update()
    return made


def wish(rig: Any, kind: str, at: int, **values: Any) -> Any:
    made = directing.add_wish(directing.of(rig), kind, at)
    for name, value in values.items():
        setattr(made, name, value)
    return made


def direct(rig: Any, **values: Any) -> Any:
    """Generate as directed and wait; the new take."""
    for name, value in values.items():
        setattr(directing.of(rig), name, value)
    assert bpy.ops.kinetype.direct(wait=True, timeout=120.0) == {"FINISHED"}
    return rig.animation_data.action


def asked(take: Any) -> dict[str, Any]:
    """The request of a take."""
    info = takes.info_of(take)
    assert info is not None
    return info.meta["request"]


def head(rig: Any, joint: str, frame: int) -> np.ndarray:
    """Where a joint's bone begins in the world, as Blender shows it."""
    bpy.context.scene.frame_set(frame)
    posed = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
    bone = armatures.find_bones(rig)[joint]
    return np.array(posed.matrix_world @ posed.pose.bones[bone].head)


def heads(rig: Any, frame: int) -> np.ndarray:
    """``[J, 3]`` of all mapped joints."""
    bpy.context.scene.frame_set(frame)
    posed = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
    bones = armatures.find_bones(rig).values()
    return np.array([posed.matrix_world @ posed.pose.bones[bone].head for bone in bones])


def turns(rig: Any, frame: int) -> np.ndarray:
    """``[J, 3, 3]`` of all mapped bones in the world."""
    bpy.context.scene.frame_set(frame)
    posed = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
    bones = armatures.find_bones(rig).values()
    return np.array(
        [(posed.matrix_world @ posed.pose.bones[b].matrix).to_3x3().normalized() for b in bones]
    )


def apart(a: np.ndarray, b: np.ndarray) -> float:
    """The largest angle between rotations, in degrees."""
    cosine = (np.einsum("jik,jik->j", a, b) - 1.0) / 2.0
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))).max())


# --------------------------------------------------------------------------- poses


@pytest.mark.parametrize("name", ["mannequin", "mpfb_mixamo", "cesium_man", "vrm_godette"])
def test_a_used_pose_is_met_on_the_character(director: Any, name: str, kit: Path) -> None:
    """Within 1 cm and 2 degrees, on rigs of other bones and proportions, at another rate."""
    rig = character(None if name == "mannequin" else kit_rig(kit, name))
    scene = bpy.context.scene
    scene.render.fps = 24
    rig.location = (1.0, -2.0, 0.0)
    rig.rotation_euler = (*rig.rotation_euler[:2], rig.rotation_euler[2] + 0.7)
    actions.apply_motion(rig, random_motion(90), scene=scene, start_frame=1)
    scene.frame_set(31)
    assert bpy.ops.kinetype.use_pose() == {"FINISHED"}
    places_before = heads(rig, 31)
    turns_before = turns(rig, 31)
    take = direct(rig, first=11)
    after = heads(rig, 31)
    size = np.linalg.norm(head(rig, "left_hip", 31) - head(rig, "left_knee", 31)) / 0.38
    assert np.linalg.norm(after - places_before, axis=-1).max() < 0.01 * size
    assert apart(turns(rig, 31), turns_before) < 2.0
    sent = asked(take)["constraints"][0]
    assert sent["type"] == "fullbody" and sent["frame_indices"] == [25]  # 20 frames at 24 fps
    told = directing.missed(take)[0]
    assert told["title"] == "Pose, frame 31" and told["cm"] < 0.1 and told["degrees"] < 0.1
    entry = directing.of(rig).wishes[0]
    assert (entry.cm, entry.degrees) == pytest.approx((told["cm"], told["degrees"]))
    assert "0.0 cm, 0.0°" in drawing.words(drawing.draw_panel(KINETYPE_PT_direct))


def test_a_pose_of_ik_is_read_as_it_is_shown(director: Any) -> None:
    rig = character()
    goal = empty(0.35, -0.3, 1.3)
    held = rig.pose.bones["left_elbow"].constraints.new("IK")
    held.target, held.chain_count = goal, 2
    bpy.context.view_layer.update()
    bpy.ops.kinetype.use_pose()
    held.mute = True
    directing.of(rig).wishes[0].frame = 20
    direct(rig, first=1)
    assert np.linalg.norm(head(rig, "left_wrist", 20) - np.array(goal.location)) < 0.01


def test_half_the_strength_goes_half_the_way_and_is_said(director: Any) -> None:
    rig = character()
    rig.pose.bones["left_shoulder"].rotation_quaternion = (0.8, 0.0, 0.0, 0.6)
    bpy.context.view_layer.update()
    bpy.ops.kinetype.use_pose()
    entry = directing.of(rig).wishes[0]
    entry.frame, entry.strength = 30, 0.5
    take = direct(rig, first=1)
    assert asked(take)["constraints"][0]["strength"] == 0.5
    whole = 2.0 * np.degrees(np.arccos(0.8))
    assert directing.missed(take)[0]["degrees"] == pytest.approx(0.5 * whole, abs=0.5)


# --------------------------------------------------------------------------- pins


@pytest.mark.parametrize("name", ["mannequin", "cesium_man", "quaternius_man"])
@pytest.mark.parametrize("limb", list(directing.PINNED))
def test_a_limb_is_pinned_to_a_moving_empty(director: Any, name: str, limb: str, kit: Path) -> None:
    """Within 2 cm of a body of 1.7 m, measured on the rig, whatever its proportions."""
    rig = character(None if name == "mannequin" else kit_rig(kit, name))
    joint = limb.replace("-", "_").replace("hand", "wrist").replace("foot", "ankle")
    size = np.linalg.norm(head(rig, "left_hip", 1) - head(rig, "left_knee", 1)) / 0.38
    base = head(rig, joint, 1)
    pelvis = head(rig, "pelvis", 1)
    inwards = 0.4 * (pelvis - base) * [1.0, 1.0, 0.0] + [0.0, 0.0, 0.1 * size]
    goal = empty(*(base + inwards))
    for frame, shift in ((10, 0.0), (40, 0.15 * size)):
        goal.location = base + inwards + [0.0, 0.0, shift]
        goal.keyframe_insert("location", frame=frame)
    bpy.context.scene.frame_set(1)
    wish(rig, "PIN", 15, last=35, limb=limb, goal=goal)
    take = direct(rig, first=1)
    for frame in (15, 22, 35):
        found = head(rig, joint, frame)
        wanted = np.array(goal.evaluated_get(bpy.context.evaluated_depsgraph_get()).matrix_world)
        assert np.linalg.norm(found - wanted[:3, 3]) < 0.02 * size
    sent = asked(take)["constraints"][0]
    assert (sent["type"], sent["frame_ranges"]) == (limb, [[14, 35]])
    assert len(sent["positions"]) == 21
    assert directing.missed(take)[0]["cm"] < 2.0
    still = [head(rig, joint, frame) for frame in (1, 90)]
    assert np.linalg.norm(still[0] - still[1]) < 0.01 * size


def test_what_is_out_of_reach_is_told_in_centimetres(director: Any) -> None:
    rig = character()
    wish(rig, "PIN", 20, last=40, limb="left-hand", goal=empty(8.0, 0.0, 1.0))
    take = direct(rig, first=1)
    shown = np.linalg.norm(head(rig, "left_wrist", 30) - [8.0, 0.0, 1.0])
    told = directing.missed(take)[0]["cm"]
    assert told > 300.0 and told == pytest.approx(100.0 * shown, rel=0.02)


def test_a_pin_marks_where_the_limb_is(director: Any) -> None:
    rig = character()
    bpy.context.scene.frame_set(7)
    assert bpy.ops.kinetype.add_pin(limb="right-foot") == {"FINISHED"}
    entry = directing.of(rig).wishes[0]
    assert (entry.kind, entry.limb, entry.frame, entry.last) == ("PIN", "right-foot", 7, 36)
    assert np.linalg.norm(np.array(entry.goal.location) - head(rig, "right_ankle", 7)) < 1e-5
    other = empty(1.0, 0.0, 1.0)
    other.select_set(True)
    bpy.ops.kinetype.add_pin(limb="left-hand")
    assert directing.of(rig).wishes[1].goal == other


# --------------------------------------------------------------------------- paths


def heading_of(rig: Any, frame: int) -> np.ndarray:
    """Where the hips face in the world, level."""
    across = head(rig, "left_hip", frame) - head(rig, "right_hip", frame)
    ahead = np.cross(across, [0.0, 0.0, 1.0])
    return ahead / np.linalg.norm(ahead)


@pytest.mark.parametrize("name", ["mannequin", "mpfb_mixamo", "vrm_godette"])
def test_the_root_follows_a_curve_in_the_world(director: Any, name: str, kit: Path) -> None:
    """The object moved, turned and scaled, the curve too: within 15 cm and 15 degrees."""
    rig = character(None if name == "mannequin" else kit_rig(kit, name))
    rig.location = (2.0, 1.0, 0.0)
    rig.rotation_euler = (*rig.rotation_euler[:2], rig.rotation_euler[2] + 0.5)
    way = line((0.0, 0.0, 0.0), (0.0, -2.0, 0.0), (1.5, -2.0, 0.0))
    way.location, way.scale = (1.0, 3.0, 0.0), (0.5, 0.5, 0.5)
    bpy.context.view_layer.update()
    wish(rig, "PATH", 1, last=90, curve=way)
    take = direct(rig, first=1)
    size = np.linalg.norm(head(rig, "left_hip", 1) - head(rig, "left_knee", 1)) / 0.38
    for frame, place, facing in (
        (1, (1.0, 3.0), (0.0, -1.0)),
        (90, (1.75, 2.0), (1.0, 0.0)),
        (21, (1.0, 3.0 - 1.75 * 20 / 89), (0.0, -1.0)),
    ):
        found = head(rig, "pelvis", frame)
        assert np.linalg.norm(found[:2] - place) < 0.15 * max(size, 0.4)
        assert np.dot(heading_of(rig, frame)[:2], facing) > np.cos(np.radians(15.0))
    told = directing.missed(take)[0]
    assert told["cm"] < 15.0 and told["degrees"] < 15.0
    sent = asked(take)["constraints"][0]
    assert sent["type"] == "root2d" and sent["frame_indices"] == list(range(90))


def test_a_path_is_sent_in_metres_of_the_motion(director: Any) -> None:
    """On a mannequin at the origin the motion's x is the world's, its z the world's -y."""
    rig = character()
    way = line((0.0, 0.0, 0.0), (0.0, -3.0, 0.0))
    wish(rig, "PATH", 31, last=60, curve=way, own_speed=True, speed=1.5)
    sent = asked(direct(rig, first=1))["constraints"][0]
    ground = np.array(sent["smooth_root_2d"])
    scale = armatures.body_of(rig).scale
    assert sent["frame_indices"] == list(range(30, 60))
    assert np.abs(ground[:, 0] * scale).max() < 1e-4
    assert np.diff(ground[:, 1] * scale) == pytest.approx(1.5 / 30.0, abs=1e-4)
    assert sent["global_root_heading"] == pytest.approx([0.0] * 30, abs=1e-4)


@pytest.mark.parametrize(
    ("facing", "wanted"), [("FREE", None), ("FIXED", [0.5] * 90), ("WAY", [np.pi / 2] * 90)]
)
def test_where_the_body_looks_on_its_way(director: Any, facing: str, wanted: Any) -> None:
    rig = character()
    way = line((0.0, 0.0, 0.0), (2.0, 0.0, 0.0))  # to the character's left
    wish(rig, "PATH", 1, last=90, curve=way, facing=facing, heading=0.5)
    sent = asked(direct(rig, first=1))["constraints"][0]
    found = sent.get("global_root_heading")
    assert found is None if wanted is None else found == pytest.approx(wanted, abs=1e-4)


def test_units_of_centimetres_and_a_bevelled_bezier_curve(director: Any) -> None:
    units = bpy.context.scene.unit_settings
    units.system, units.scale_length = "METRIC", 0.01
    rig = character()
    assert bpy.ops.kinetype.add_path() == {"FINISHED"}
    entry = directing.of(rig).wishes[0]
    entry.curve.data.bevel_depth = 4.0
    points = places.curve_points(entry.curve)
    assert places.length_of(points) == pytest.approx(300.0, rel=0.05)
    assert np.abs(points[:, 2]).max() < 1.0
    sent = asked(direct(rig, first=1))["constraints"][0]
    way = np.array(sent["smooth_root_2d"])
    assert np.linalg.norm(way[-1] - way[0]) == pytest.approx(3.0, rel=0.05)


@pytest.mark.parametrize("kind", ["POLY", "BEZIER", "NURBS", "cyclic"])
def test_curves_of_every_kind_are_followed_in_order(director: Any, kind: str) -> None:
    data = bpy.data.curves.new("way", "CURVE")
    data.dimensions = "3D"
    spline = data.splines.new("POLY" if kind == "cyclic" else kind)
    corners = [(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (1.0, 1.0, 0.0), (0.0, 1.0, 0.0)]
    points = spline.bezier_points if kind == "BEZIER" else spline.points
    points.add(len(corners) - 1)
    for point, place in zip(points, corners, strict=True):
        point.co = place if kind == "BEZIER" else (*place, 1.0)
        if kind == "BEZIER":
            point.handle_left_type = point.handle_right_type = "VECTOR"
    if kind == "NURBS":
        spline.use_endpoint_u = True
    spline.use_cyclic_u = kind == "cyclic"
    second = data.splines.new("POLY")
    second.points.add(1)
    second.points[1].co = (9.0, 9.0, 9.0, 1.0)
    made = bpy.data.objects.new("way", data)
    bpy.context.scene.collection.objects.link(made)
    found = places.curve_points(made)
    assert found[0] == pytest.approx(corners[0], abs=1e-5)
    assert found[-1] == pytest.approx(corners[0 if kind == "cyclic" else 3], abs=1e-5)
    wanted = {"cyclic": 4.0, "NURBS": 2.2}.get(kind, 3.0)
    assert places.length_of(found) == pytest.approx(wanted, rel=0.15)
    assert [thing.name for thing in bpy.data.objects if "kinetype" in thing.name] == []


def test_the_space_of_a_character_goes_both_ways(director: Any, kit: Path) -> None:
    rig = character(kit_rig(kit, "mpfb_mixamo"))
    rig.location, rig.scale = (3.0, 1.0, 0.2), rig.scale * 2.0
    actions.apply_motion(rig, random_motion(30), scene=bpy.context.scene, start_frame=1)
    bpy.context.view_layer.update()
    space = places.Space(rig, bpy.context.scene)
    points = np.random.default_rng(0).normal(size=(5, 3))
    assert np.abs(space.to_world(space.to_motion(points)) - points).max() < 1e-6
    assert np.abs(space.from_body(space.to_body(points)) - points).max() < 1e-9
    bpy.context.scene.frame_set(9)
    row = posing.Shown(rig).pose().row
    hips = motion135.joints(row[None].astype(np.float64))[0, [1, 2]].mean(0)
    shown = 0.5 * (head(rig, "left_hip", 9) + head(rig, "right_hip", 9))
    assert np.linalg.norm(space.to_world(hips[None])[0] - shown) < 0.02 * space.size


# --------------------------------------------------------------------------- prompts in time


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


# --------------------------------------------------------------------------- begin and blend


def test_a_motion_begins_as_the_action_ends(director: Any) -> None:
    rig = character()
    actions.apply_motion(rig, walk(2.0), scene=bpy.context.scene, start_frame=1)
    before = heads(rig, 60)
    take = direct(rig, begin="ACTION")
    assert take.frame_range[0] == 60
    after = heads(rig, 60)
    assert np.linalg.norm(after - before, axis=-1).max() < 0.01
    assert directing.missed(take)[0]["title"] == "Start pose"


def test_a_motion_begins_as_the_character_stands_now(director: Any) -> None:
    rig = character()
    rig.pose.bones["pelvis"].location = (0.4, 0.0, 0.0)
    rig.pose.bones["left_shoulder"].rotation_quaternion = (0.8, 0.0, 0.0, 0.6)
    bpy.context.view_layer.update()
    before = head(rig, "left_wrist", 1)
    direct(rig, begin="STANDS", first=20)
    assert np.linalg.norm(head(rig, "left_wrist", 20) - before) < 0.01


def test_new_frames_are_blended_into_a_copy_of_the_action(director: Any) -> None:
    rig = character()
    bpy.context.scene.render.fps = 24
    actions.apply_motion(rig, walk(8.0), scene=bpy.context.scene, start_frame=1)
    source = rig.animation_data.action
    rig["wave"] = 0.0
    rig.keyframe_insert('["wave"]', frame=11)
    frames = range(1, 190)
    before = {frame: heads(rig, frame) for frame in frames}
    take = direct(rig, blend=True, first=49)
    assert take != source
    after = {frame: heads(rig, frame) for frame in frames}
    moved = {f: np.linalg.norm(after[f] - before[f], axis=-1).max() for f in frames}
    assert max(moved[f] for f in frames if f <= 49 or f >= 120) < 1e-3
    assert min(moved[f] for f in range(75, 95)) > 0.05
    steps = [np.linalg.norm(after[f + 1] - after[f], axis=-1).max() for f in frames[:-1]]
    assert max(steps) * 24 < 6.0  # m/s: no pop
    from blender_addon.scene import compat

    assert '["wave"]' in {curve.data_path for curve in compat.fcurves_of(take)}


# --------------------------------------------------------------------------- refusals, undo, strangers


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
    assert smpl_to_blender(blender_to_smpl(np.eye(3))) == pytest.approx(np.eye(3))
    assert reading.frames_of(rig) is None
