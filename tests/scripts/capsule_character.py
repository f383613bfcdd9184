"""Build a user's character file: a real skeleton as JSON, a body of capsules around its bones.

    python tests/scripts/capsule_character.py SKELETON.json OUT.blend [--camera NAME] [--decoy]

The skeleton's file is one of the golden kit's (``rigs/skeletons``): ``bones`` with name, parent,
head, tail and matrix_local, and the object's world matrix. Soles are flat and lie at the lowest
height that the kit measured on the real body.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Vector

_RINGS, _SIDES = 6, 12
_COLOURS = {"left": (0.10, 0.35, 0.75, 1), "right": (0.75, 0.22, 0.12, 1), "": (0.55, 0.5, 0.42, 1)}


def build(data: Mapping[str, Any], path: Path, *, camera: str = "", decoy: bool = False) -> None:
    """Write ``path`` with the character.

    Args:
        camera: add one of this name, that looks at the character from its front left.
        decoy: add a second armature that is no body, and a rate and a range of its own.
    """
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    scene.render.engine = "BLENDER_WORKBENCH"
    armature = _armature(data)
    _body(data, armature)
    if camera:
        _camera(scene, camera, float(data["mesh_highest_z_world_at_rest"]))
    if decoy:
        prop = bpy.data.objects.new("Prop", bpy.data.armatures.new("Prop"))
        scene.collection.objects.link(prop)
        scene.render.fps, scene.frame_start, scene.frame_end = 24, 11, 20
    bpy.ops.wm.save_as_mainfile(filepath=str(path.absolute()), compress=True)


def _armature(data: Mapping[str, Any]) -> bpy.types.Object:
    made = bpy.data.armatures.new("Rig")
    armature = bpy.data.objects.new("Hero", made)
    bpy.context.scene.collection.objects.link(armature)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    for bone in data["bones"]:
        new = made.edit_bones.new(bone["name"])
        new.head, new.tail = Vector(bone["head"]), Vector(bone["tail"])
        new.align_roll(Vector([row[2] for row in bone["matrix_local"]]))
        new.use_inherit_rotation = bone["inherit_rotation"]
        new.use_local_location = bone["local_location"]
    for bone in data["bones"]:
        if bone["parent"]:
            made.edit_bones[bone["name"]].parent = made.edit_bones[bone["parent"]]
            made.edit_bones[bone["name"]].use_connect = bone["connect"]
    bpy.ops.object.mode_set(mode="OBJECT")
    armature.matrix_world = Matrix(data["object"]["matrix_world"])
    return armature


def _body(data: Mapping[str, Any], armature: bpy.types.Object) -> None:
    to_world = np.array(data["object"]["matrix_world"])
    low = float(data.get("mesh_lowest_z_world_at_rest") or 0.0)
    tall = float(data["mesh_highest_z_world_at_rest"]) - low
    points: list[np.ndarray] = []
    faces: list[list[int]] = []
    owners: list[tuple[str, int]] = []
    colours: list[str] = []
    for bone in data["bones"]:
        if not _is_part(bone, data["bones"]):
            continue
        heads = [b["head"] for b in data["bones"] if b["parent"] == bone["name"]]
        # the bones of some formats end anywhere; what follows a limb begins where it ends
        end = (
            heads[0] if len(heads) == 1 and math.dist(heads[0], bone["head"]) > 0 else bone["tail"]
        )
        ends = np.array([[*bone["head"], 1.0], [*end, 1.0]]) @ to_world.T
        head, tail = ends[:, :3]
        cloud, quads = _capsule(head, tail, _radius(head, tail, low, tall))
        axis = min(head[2], tail[2])
        if axis - low < 0.07 * tall:  # a foot: its underside is flat and on the ground
            cloud[:, 2] = np.where(cloud[:, 2] < axis, low, cloud[:, 2])
        start = sum(map(len, points))
        points.append(cloud)
        faces += [[start + i for i in quad] for quad in quads]
        owners.append((bone["name"], len(cloud)))
        side = "left" if head[0] + tail[0] > 0.06 * tall else ""
        side = "right" if head[0] + tail[0] < -0.06 * tall else side
        colours += [side] * len(quads)
    mesh = bpy.data.meshes.new("Body")
    mesh.from_pydata(np.concatenate(points).tolist(), [], faces)
    names = list(_COLOURS)
    for name, colour in _COLOURS.items():
        material = bpy.data.materials.new(f"Cloth {name}".strip())
        material.diffuse_color = colour
        mesh.materials.append(material)
    mesh.polygons.foreach_set("material_index", [names.index(colour) for colour in colours])
    body = bpy.data.objects.new("Body", mesh)
    bpy.context.scene.collection.objects.link(body)
    at = 0
    for name, count in owners:
        body.vertex_groups.new(name=name).add(list(range(at, at + count)), 1.0, "REPLACE")
        at += count
    body.modifiers.new("Armature", "ARMATURE").object = armature


def _is_part(bone: Mapping[str, Any], bones: Sequence[Mapping[str, Any]]) -> bool:
    """Not the root at the ground, nor targets that stand apart."""
    children = [b for b in bones if b["parent"] == bone["name"]]
    return bone["parent"] is not None or len(children) > 1


def _radius(head: np.ndarray, tail: np.ndarray, low: float, tall: float) -> float:
    middle = (head + tail) / 2
    height = (middle[2] - low) / tall
    if abs(middle[0]) < 0.03 * tall and height > 0.45:
        return (0.06 if height > 0.85 else 0.075) * tall
    return float(np.clip(0.2 * np.linalg.norm(tail - head), 0.006 * tall, 0.04 * tall))


def _capsule(
    head: np.ndarray, tail: np.ndarray, radius: float
) -> tuple[np.ndarray, list[list[int]]]:
    length = float(np.linalg.norm(tail - head))
    axis = (tail - head) / max(length, 1e-9)
    aside = np.cross(axis, [0.0, 0.0, 1.0] if abs(axis[2]) < 0.9 else [1.0, 0.0, 0.0])
    aside /= np.linalg.norm(aside)
    other = np.cross(axis, aside)
    rings = []
    for step in range(2 * _RINGS):
        angle = math.pi * (step / (2 * _RINGS - 1)) - math.pi / 2
        along = radius * 0.7 * math.sin(angle) + (length if step >= _RINGS else 0.0)
        wide = max(radius * math.cos(angle), 0.02 * radius)
        turn = 2 * math.pi * np.arange(_SIDES) / _SIDES
        circle = np.outer(np.cos(turn), aside) + np.outer(np.sin(turn), other)
        rings.append(head + along * axis + wide * circle)
    count = len(rings)
    quads = [
        [r * _SIDES + s, r * _SIDES + (s + 1) % _SIDES,
         (r + 1) * _SIDES + (s + 1) % _SIDES, (r + 1) * _SIDES + s]
        for r in range(count - 1) for s in range(_SIDES)
    ]  # fmt: skip
    caps = [list(range(_SIDES))[::-1], [(count - 1) * _SIDES + s for s in range(_SIDES)]]
    return np.concatenate(rings), quads + caps


def _camera(scene: bpy.types.Scene, name: str, tall: float) -> None:
    camera = bpy.data.objects.new(name, bpy.data.cameras.new(name))
    place = Vector((1.6 * tall, -3.2 * tall, 1.0 * tall))
    camera.location = place
    camera.rotation_euler = (Vector((0, 0, 0.5 * tall)) - place).to_track_quat("-Z", "Y").to_euler()
    scene.collection.objects.link(camera)
    scene.camera = camera


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("skeleton", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--camera", default="", help="add a camera of this name")
    parser.add_argument("--decoy", action="store_true", help="add a second armature")
    options = parser.parse_args()
    data = json.loads(options.skeleton.read_text(encoding="utf-8"))
    build(data, options.out, camera=options.camera, decoy=options.decoy)


if __name__ == "__main__":
    main()
