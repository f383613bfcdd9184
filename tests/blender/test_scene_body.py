"""The mannequin in Blender: it follows the bones and fits other skeletons."""

from __future__ import annotations

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from mathutils import Matrix  # noqa: E402

from backend.wire.skeleton import JOINT_NAMES  # noqa: E402
from blender_addon.scene import action as actions  # noqa: E402
from blender_addon.scene.body import create_body  # noqa: E402
from blender_addon.scene.character import create_character  # noqa: E402
from tests.blender import synthetic  # noqa: E402

pytestmark = pytest.mark.usefixtures("empty_file")


def vertices(body: bpy.types.Object, *, posed: bool) -> np.ndarray:
    """``[V, 3]`` in the world."""
    source = body
    if posed:
        source = body.evaluated_get(bpy.context.evaluated_depsgraph_get())
    flat = np.empty(3 * len(source.data.vertices), np.float32)
    source.data.vertices.foreach_get("co", flat)
    world = np.array(body.matrix_world)
    return flat.reshape(-1, 3) @ world[:3, :3].T + world[:3, 3]


def group_members(body: bpy.types.Object, name: str) -> np.ndarray:
    """Indices of the vertices that follow one bone alone."""
    index = body.vertex_groups[name].index
    return np.array(
        [
            v.index
            for v in body.data.vertices
            if [g.group for g in v.groups if g.weight > 0.99] == [index]
        ]
    )


def test_every_vertex_has_weights_of_real_bones() -> None:
    armature = create_character(bpy.context)
    body = armature.children[0]
    assert [group.name for group in body.vertex_groups] == list(JOINT_NAMES)
    totals = [sum(g.weight for g in vertex.groups) for vertex in body.data.vertices]
    assert np.abs(np.array(totals) - 1).max() < 1e-3
    assert not body.data.validate(), "the mesh had to be repaired"


def test_limbs_follow_their_bones() -> None:
    scene = bpy.context.scene
    armature = create_character(bpy.context)
    body = armature.children[0]
    actions.apply_motion(armature, synthetic.random_motion(20), scene=scene, start_frame=1)
    rest = vertices(body, posed=False)
    scene.frame_set(12)
    moved = vertices(body, posed=True)
    for name in ("left_elbow", "right_knee", "head"):
        members = group_members(body, name)
        bone = armature.pose.bones[name]
        change = np.array(bone.matrix @ bone.bone.matrix_local.inverted())
        want = rest[members] @ change[:3, :3].T + change[:3, 3]
        assert np.abs(moved[members] - want).max() < 1e-4


def test_soles_are_on_the_floor_at_rest() -> None:
    body = create_character(bpy.context).children[0]
    assert abs(vertices(body, posed=True)[:, 2].min()) < 1e-5


def test_it_fits_a_tall_y_up_armature() -> None:
    armature = create_character(bpy.context, with_body=False)
    armature.data.transform(Matrix.Rotation(-np.pi / 2, 4, "X") @ Matrix.Scale(1.25, 4))
    armature.matrix_world = Matrix.Rotation(np.pi / 2, 4, "X")
    bpy.context.view_layer.update()
    body = create_body(armature)
    bpy.context.view_layer.update()
    points = vertices(body, posed=True)
    assert abs(points[:, 2].min()) < 1e-4 and 2.0 < points[:, 2].max() < 2.25
    head = group_members(body, "head")
    assert points[head].mean(0)[1] < 0.02, "faces -Y"


def test_materials_are_shared_and_a_users_colours_kept() -> None:
    create_character(bpy.context)
    bpy.data.materials["Kinetype Shell"].diffuse_color = (1, 0, 0, 1)
    second = create_character(bpy.context)
    slots = [slot.material.name for slot in second.children[0].material_slots]
    assert slots == ["Kinetype Shell", "Kinetype Joint", "Kinetype Left", "Kinetype Right"]
    assert tuple(bpy.data.materials["Kinetype Shell"].diffuse_color) == (1, 0, 0, 1)
