"""Paths in a real Blender: curves of every kind, in the character's own metres and axes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from backend.motion.representations import motion135  # noqa: E402
from blender_addon import directing  # noqa: E402
from blender_addon.scene import action as actions  # noqa: E402
from blender_addon.scene import armature as armatures  # noqa: E402
from blender_addon.scene import places, posing  # noqa: E402

from .directed import (  # noqa: E402
    asked,
    character,
    direct,
    head,
    line,
    wish,
)
from .synthetic import random_motion  # noqa: E402
from .test_rig_map import kit_rig  # noqa: E402


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
