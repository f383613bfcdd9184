"""Floor, light and camera for looking at a motion."""

from __future__ import annotations

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from bpy_extras.object_utils import world_to_camera_view  # noqa: E402
from mathutils import Vector  # noqa: E402

from backend.motion.retarget import joint_path  # noqa: E402
from backend.wire.messages import Motion  # noqa: E402
from blender_addon.scene import action as actions  # noqa: E402
from blender_addon.scene import armature as armatures  # noqa: E402
from blender_addon.scene import stage  # noqa: E402
from blender_addon.scene.character import create_character  # noqa: E402
from tests.blender import synthetic  # noqa: E402

pytestmark = pytest.mark.usefixtures("empty_file")


def perform(motion: Motion) -> tuple[bpy.types.Object, np.ndarray]:
    """A character that performs a motion from frame 1, and its joints in the world."""
    scene = bpy.context.scene
    scene.render.fps = 30
    armature = create_character(bpy.context)
    actions.apply_motion(armature, motion, scene=scene, start_frame=1)
    return armature, joint_path(armatures.body_of(armature), motion.data, motion.fps, 30.0)


@pytest.mark.parametrize("size", [(640, 360), (360, 640), (400, 400)])
@pytest.mark.parametrize("motion", [synthetic.walk(1.0, 0.5), synthetic.walk(5.0, 1.5, 0.3)])
def test_the_whole_body_stays_in_the_picture(motion: Motion, size: tuple[int, int]) -> None:
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = size
    armature, joints = perform(motion)
    stage.build_stage(scene, joints, start_frame=1)
    body = armature.children[0]
    for frame in (1, len(joints) // 2, len(joints)):
        scene.frame_set(frame)
        posed = body.evaluated_get(bpy.context.evaluated_depsgraph_get())
        corners = [
            world_to_camera_view(scene, scene.camera, body.matrix_world @ vertex.co)
            for vertex in list(posed.data.vertices)[::40]
        ]
        seen = np.array(corners)
        assert seen[:, :2].min() > 0 and seen[:, :2].max() < 1
        assert seen[:, 2].min() > 0
        assert np.ptp(seen[:, 1]) > 0.3 or size[0] < size[1]


def test_the_camera_sees_the_face() -> None:
    _, joints = perform(synthetic.walk(1.0, 0.5))
    scene = bpy.context.scene
    stage.build_stage(scene, joints, start_frame=1)
    bpy.context.view_layer.update()
    toward = (scene.camera.matrix_world.translation - Vector(joints[0, 15])).normalized()
    assert toward.dot(Vector((0, -1, 0))) > 0.7


def test_floor_squares_are_metres_under_the_path() -> None:
    _, joints = perform(synthetic.walk(3.0, 1.5))
    collection = stage.build_stage(bpy.context.scene, joints, start_frame=1)
    floor = next(thing for thing in collection.objects if thing.type == "MESH")
    assert {round(polygon.area, 5) for polygon in floor.data.polygons} == {1.0}
    corners = np.array([vertex.co for vertex in floor.data.vertices])
    assert (corners == np.round(corners)).all() and (corners[:, 2] == 0).all()
    assert (corners[:, :2].min(0) < joints[..., :2].min((0, 1)) - 5).all()
    assert (corners[:, :2].max(0) > joints[..., :2].max((0, 1)) + 5).all()


def test_building_again_replaces_the_stage_and_removing_leaves_nothing() -> None:
    scene = bpy.context.scene
    _, joints = perform(synthetic.walk(5.0, 1.5))
    before = len(scene.objects)
    stage.build_stage(scene, joints, start_frame=1)
    once = len(scene.objects)
    stage.build_stage(scene, joints, start_frame=1)
    assert len(scene.objects) == once == before + 3
    stage.remove_stage(scene)
    assert len(scene.objects) == before
    assert [c.name for c in bpy.data.collections if c.name.startswith(stage.STAGE_NAME)] == []


def test_a_users_world_is_kept() -> None:
    scene = bpy.context.scene
    scene.world = bpy.data.worlds.new("Mine")
    _, joints = perform(synthetic.walk(1.0))
    stage.build_stage(scene, joints, start_frame=1)
    assert scene.world.name == "Mine"
