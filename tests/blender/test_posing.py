"""A posed rig read as Blender shows it: keys, IK, a moved root, other bodies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from blender_addon.scene import action as actions  # noqa: E402
from blender_addon.scene import armature as armatures  # noqa: E402
from blender_addon.scene import reading  # noqa: E402
from blender_addon.scene.posing import Shown  # noqa: E402

from .synthetic import random_motion  # noqa: E402
from .test_rig_map import kit_rig  # noqa: E402

pytestmark = pytest.mark.usefixtures("empty_file")


def joints(rig: bpy.types.Object, shown: Shown) -> np.ndarray:
    """``[J, 3]`` heads of the mapped bones as Blender shows them, in the world."""
    posed = rig.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones
    return np.array([rig.matrix_world @ posed[name].head for name in shown.body.names])


def test_the_mannequin_is_read_as_its_action_is() -> None:
    rig = armatures.create_armature(bpy.context)
    actions.apply_motion(rig, random_motion(30), scene=bpy.context.scene, start_frame=1)
    bpy.context.scene.render.fps = 30
    bpy.context.scene.frame_set(12)
    wanted = reading.read_performance(rig, bpy.context.scene).motion.data[11]
    assert np.abs(Shown(rig).pose().row - wanted).max() < 1e-5


@pytest.mark.parametrize("name", ["mpfb_mixamo", "cesium_man", "mpfb_cmu_mb", "vrm_godette"])
def test_what_is_read_shows_the_same_again(name: str, kit: Path) -> None:
    """Of any mapped rig: every joint within a millimetre of a body of 1.7 m."""
    rig = kit_rig(kit, name)
    rig.location = (3.0, -2.0, 0.0)
    actions.apply_motion(rig, random_motion(30), scene=bpy.context.scene, start_frame=1)
    bpy.context.scene.frame_set(17)
    shown = Shown(rig)
    body, before = shown.body, joints(rig, shown)
    space = np.array(rig.matrix_world)
    pose = shown.pose().on(body)
    again = pose.places[0] @ body.basis.T @ space[:3, :3].T + space[:3, 3]
    size = body.scale * np.cbrt(abs(np.linalg.det(space[:3, :3])))
    assert np.abs(again - before).max() < 1e-3 * size


def test_ik_is_read() -> None:
    rig = armatures.create_armature(bpy.context)
    goal = bpy.data.objects.new("goal", None)
    bpy.context.scene.collection.objects.link(goal)
    goal.location = (0.35, -0.3, 1.3)
    held = rig.pose.bones["left_elbow"].constraints.new("IK")
    held.target, held.chain_count = goal, 2
    bpy.context.view_layer.update()
    from backend.motion.representations import motion135

    shown = Shown(rig)
    x, y, z = motion135.joints(shown.pose().row[None].astype(np.float64))[0, 20]
    assert np.linalg.norm(np.array([x, -z, y]) - goal.location) < 2e-3


def test_a_moved_root_bone_is_what_carries_the_rig(kit: Path) -> None:
    rig = kit_rig(kit, "mpfb_game_engine")
    still = Shown(rig).pose().row
    root = armatures.body_of(rig)
    above = rig.data.bones[root.names[root.root]].parent
    rig.pose.bones[above.name].location = (0.0, 2.0, 0.0)
    bpy.context.view_layer.update()
    shown = Shown(rig)
    assert np.abs(shown.pose().row - still).max() < 1e-4
    moved = (shown.carried().translation - rig.matrix_world.translation).length
    assert moved == pytest.approx(2.0 * rig.matrix_world.to_scale()[0], rel=1e-4)
