"""The mannequin as a Blender mesh, skinned to an armature with SMPL bones."""

from __future__ import annotations

from itertools import chain

import bpy
import numpy as np
from mathutils import Matrix

from ..backend_access import JOINT_NAMES, retarget
from ..core import mannequin
from . import armature as armatures
from . import compat

BODY_NAME = "Kinetype Mannequin"

_MATERIALS = (
    ("Kinetype Shell", (0.70, 0.69, 0.66), 0.45),
    ("Kinetype Joint", (0.055, 0.060, 0.070), 0.55),
    ("Kinetype Left", (0.90, 0.30, 0.05), 0.45),
    ("Kinetype Right", (0.04, 0.30, 0.80), 0.45),
)
"""Name, linear colour and roughness, in the slot order of ``core.mannequin``."""


def create_body(
    armature: bpy.types.Object, *, collection: bpy.types.Collection | None = None
) -> bpy.types.Object:
    """A mannequin that fits the rest pose of an armature and follows its SMPL bones.

    It is parented to the armature and deformed by an Armature modifier through vertex groups with
    the bones' names; selection and the active object stay as they are.

    Args:
        armature: object with SMPL bones in a T-pose. collection: the armature's own when omitted.

    Raises:
        ArmatureError: the armature lacks SMPL bones.
    """
    bones = armatures.find_bones(armature)
    heads = np.array([armature.data.bones[bones[j]].head_local for j in JOINT_NAMES], np.float64)
    basis, _ = retarget.measure_basis(dict(zip(JOINT_NAMES, heads, strict=True)))
    shape = mannequin.wardrobe.fitting(heads @ basis)
    mesh = _mesh(shape, basis)
    body = bpy.data.objects.new(BODY_NAME, mesh)
    (collection or armature.users_collection[0]).objects.link(body)
    body.parent = armature
    body.matrix_parent_inverse = Matrix.Identity(4)
    _skin(body, shape.weights, [bones[j] for j in JOINT_NAMES])
    modifier = body.modifiers.new("Armature", "ARMATURE")
    modifier.object = armature
    return body


def _mesh(shape: mannequin.Mannequin, basis: np.ndarray) -> bpy.types.Mesh:
    """In bulk: lists of Python numbers would take five times as long."""
    mesh = bpy.data.meshes.new(BODY_NAME)
    sizes = np.fromiter(map(len, shape.faces), np.int32, len(shape.faces))
    corners = np.fromiter(chain.from_iterable(shape.faces), np.int32, int(sizes.sum()))
    mesh.vertices.add(len(shape.vertices))
    mesh.vertices.foreach_set("co", (shape.vertices @ basis.T).astype(np.float32).ravel())
    mesh.loops.add(len(corners))
    mesh.loops.foreach_set("vertex_index", corners)
    mesh.polygons.add(len(sizes))
    mesh.polygons.foreach_set("loop_start", np.cumsum(sizes, dtype=np.int32) - sizes)
    for name, colour, roughness in _MATERIALS:
        mesh.materials.append(_material(name, colour, roughness))
    mesh.polygons.foreach_set("material_index", shape.materials)
    mesh.polygons.foreach_set("use_smooth", np.ones(len(sizes), bool))
    mesh.update(calc_edges=True)
    return mesh


def _material(
    name: str, colour: tuple[float, float, float], roughness: float
) -> bpy.types.Material:
    """The named material, shared by all mannequins of a file; a user's edits to it are kept."""
    material = bpy.data.materials.get(name)
    if material is not None:
        return material
    material = bpy.data.materials.new(name)
    compat.set_surface(material, colour, roughness)
    return material


def _skin(body: bpy.types.Object, weights: np.ndarray, bone_names: list[str]) -> None:
    """Vertex groups from ``[V, 22]`` weights; one call per joint and distinct weight."""
    for joint, bone in enumerate(bone_names):
        group = body.vertex_groups.new(name=bone)
        column = np.round(weights[:, joint], 4)
        for weight in np.unique(column[column > 0]):
            group.add(np.flatnonzero(column == weight).tolist(), float(weight), "REPLACE")
