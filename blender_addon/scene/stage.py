"""A stage to look at a motion: metre-square floor, soft light, a camera that sees all of it."""

from __future__ import annotations

import bpy
import numpy as np
from mathutils import Matrix

from ..core import framing
from . import compat

STAGE_NAME = "Kinetype Stage"

_BACKGROUND = (0.62, 0.66, 0.71)
_TILES = ((0.44, 0.47, 0.51), (0.36, 0.39, 0.43))
"""Linear colours: the light and dark squares fade into the background with distance."""
_WORKBENCH_FLOOR_LIGHT = 0.604
"""How bright Workbench's ``paint.sl`` light makes a level floor under our camera's pitch. Tiles are
made brighter by as much, so that the far floor and the background are one colour."""
_FADE_STEPS = 10
_SOLID_METRES = 3.0
_FADE_METRES = 9.0
_SUN_ENERGY, _SKY_LIGHT = 2.75, 0.45
"""Together they give a level white floor a radiance of one, so that in Cycles and EEVEE
too the far floor and the background are one colour."""
_LENS, _SENSOR = 50.0, 36.0


def build_stage(
    scene: bpy.types.Scene, joints: np.ndarray, *, start_frame: int, scale: float = 1.0
) -> bpy.types.Collection:
    """Add floor, light and camera for a motion, in a collection of their own.

    An earlier stage in the scene is replaced. The scene's camera becomes the stage's; everything
    else of the scene stays as it is.

    Args:
        scene: receives the stage; its resolution decides the framing, its rate the camera's keys.
        joints: ``[T, 22, 3]`` world positions of the motion, one row per scene frame.
        start_frame: scene frame of the first row. scale: body size against the neutral skeleton.
    """
    remove_stage(scene)
    stage = bpy.data.collections.new(STAGE_NAME)
    scene.collection.children.link(stage)
    _add_floor(stage, joints)
    _add_light(stage, scene, joints)
    camera = _add_camera(stage, scene, joints, start_frame, scale)
    scene.camera = camera
    if scene.world is None or scene.world.name.startswith(STAGE_NAME):
        scene.world = _world()
    return stage


def remove_stage(scene: bpy.types.Scene) -> None:
    """Delete the stage that :func:`build_stage` made in this scene, if any."""
    for collection in list(scene.collection.children):
        if collection.name.split(".")[0] == STAGE_NAME:
            for thing in list(collection.objects):
                bpy.data.objects.remove(thing, do_unlink=True)
            bpy.data.collections.remove(collection)


def _add_floor(stage: bpy.types.Collection, joints: np.ndarray) -> None:
    """One square metre per tile, on the world's whole metres, around all of the path."""
    path = joints[:, 0, :2]
    extent = _SOLID_METRES + _FADE_METRES
    low = np.floor(path.min(0) - extent).astype(int)
    high = np.ceil(path.max(0) + extent).astype(int)
    columns, rows = high - low
    x, y = np.meshgrid(np.arange(columns + 1), np.arange(rows + 1))
    vertices = np.zeros(((columns + 1) * (rows + 1), 3))
    vertices[:, 0], vertices[:, 1] = x.ravel() + low[0], y.ravel() + low[1]
    corner = (np.arange(rows)[:, None] * (columns + 1) + np.arange(columns)).ravel()
    quads = np.stack([corner, corner + 1, corner + columns + 2, corner + columns + 1], -1)
    centres = vertices[quads].mean(1)[:, :2]

    thinned = path[:: max(1, len(path) // 200)]
    distance = np.linalg.norm(centres[:, None] - thinned[None], axis=-1).min(1)
    fade = np.clip((distance - _SOLID_METRES) / _FADE_METRES, 0, 1)
    step = np.round(fade * (_FADE_STEPS - 1)).astype(int)
    parity = (np.floor(centres).sum(-1) % 2).astype(int)

    mesh = bpy.data.meshes.new("Kinetype Floor")
    mesh.from_pydata(vertices.tolist(), [], quads.tolist())
    for tone in range(len(_TILES)):
        for level in range(_FADE_STEPS):
            mesh.materials.append(_tile_material(tone, level))
    mesh.polygons.foreach_set("material_index", (parity * _FADE_STEPS + step).astype(np.int32))
    mesh.update()
    floor = bpy.data.objects.new("Kinetype Floor", mesh)
    floor.hide_select = True
    floor.display.show_shadows = False  # Workbench of 4.2 draws stray shadows of a flat mesh
    stage.objects.link(floor)


def _tile_material(tone: int, level: int) -> bpy.types.Material:
    name = f"Kinetype Floor {'light' if tone == 0 else 'dark'} {level}"
    material = bpy.data.materials.get(name)
    if material is not None:
        return material
    amount = level / (_FADE_STEPS - 1)
    amount = amount * amount * (3 - 2 * amount)
    colour = (1 - amount) * np.array(_TILES[tone]) + amount * np.array(_BACKGROUND)
    material = bpy.data.materials.new(name)
    compat.set_surface(material, tuple(colour), roughness=0.9)
    material.diffuse_color = (*(colour / _WORKBENCH_FLOOR_LIGHT), 1.0)
    return material


def _add_light(stage: bpy.types.Collection, scene: bpy.types.Scene, joints: np.ndarray) -> None:
    """A wide sun for Cycles and EEVEE; Workbench has its own light, but its shadows fall alike."""
    data = bpy.data.lights.new("Kinetype Sun", "SUN")
    data.energy = _SUN_ENERGY
    data.angle = np.radians(12.0)
    data.color = (1.0, 0.965, 0.92)
    sun = bpy.data.objects.new("Kinetype Sun", data)
    facing = framing.facing_direction(joints)
    side = np.array([facing[1], -facing[0], 0.0])  # the character's right: opposite the camera
    toward = 0.75 * facing + 0.55 * side + np.array([0.0, 0.0, 1.25])
    sun.matrix_world = _look_along(-toward, joints[0, 0] + 4 * toward)
    stage.objects.link(sun)
    scene.display.light_direction = _workbench_direction(toward)


def _workbench_direction(toward: np.ndarray) -> tuple[float, float, float]:
    """Direction to the light for Workbench's shadows, which swaps and negates axes of its own."""
    x, y, z = toward / np.linalg.norm(toward)
    return (x, z, -y)


def _look_along(direction: np.ndarray, position: np.ndarray) -> Matrix:
    backward = -direction / np.linalg.norm(direction)
    right = np.cross([0.0, 0.0, 1.0], backward)
    right /= np.linalg.norm(right)
    return _matrix(np.stack([right, np.cross(backward, right), backward], 1), position)


def _matrix(rotation: np.ndarray, position: np.ndarray) -> Matrix:
    full = np.eye(4)
    full[:3, :3], full[:3, 3] = rotation, position
    return Matrix(full.tolist())


def _add_camera(
    stage: bpy.types.Collection,
    scene: bpy.types.Scene,
    joints: np.ndarray,
    start_frame: int,
    scale: float,
) -> bpy.types.Object:
    data = bpy.data.cameras.new("Kinetype Camera")
    data.lens, data.sensor_width = _LENS, _SENSOR
    camera = bpy.data.objects.new("Kinetype Camera", data)
    stage.objects.link(camera)
    render = scene.render
    width = render.resolution_x * render.pixel_aspect_x
    height = render.resolution_y * render.pixel_aspect_y
    wide = _SENSOR / (2 * _LENS)  # Blender's AUTO fit gives the sensor to the longer side
    longest = max(width, height)
    fps = render.fps / render.fps_base
    path = framing.camera_path(joints, fps, wide * width / longest, wide * height / longest, scale)
    camera.matrix_world = _matrix(path.rotation, path.positions[0])
    reach = np.linalg.norm(joints.reshape(-1, 3) - path.positions.mean(0), axis=-1).max()
    data.clip_end = max(100.0, 3 * float(reach))
    if not path.still:
        _, curves = compat.new_action("Kinetype Camera", camera, assign=True)
        frames = start_frame + np.arange(len(path.positions))
        compat.write_curves(curves, "location", frames, path.positions, group="Location")
    return camera


def _world() -> bpy.types.World:
    """The background as the camera sees it, and a dimmer sky of that colour as light."""
    world = bpy.data.worlds.get(STAGE_NAME)
    if world is not None:
        return world
    world = bpy.data.worlds.new(STAGE_NAME)
    world.color = _BACKGROUND
    tree = compat.world_nodes(world)
    for background in [node for node in tree.nodes if node.type == "BACKGROUND"]:
        background.inputs["Color"].default_value = (*_BACKGROUND, 1.0)
        ray = tree.nodes.new("ShaderNodeLightPath")
        strength = tree.nodes.new("ShaderNodeMath")
        strength.operation = "MULTIPLY_ADD"
        strength.inputs[1].default_value = 1.0 - _SKY_LIGHT
        strength.inputs[2].default_value = _SKY_LIGHT
        tree.links.new(ray.outputs["Is Camera Ray"], strength.inputs[0])
        tree.links.new(strength.outputs[0], background.inputs["Strength"])
    return world
