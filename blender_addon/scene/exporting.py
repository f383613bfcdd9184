"""A character with its take as .fbx or .glb, by Blender's own exporters."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..backend_access import OutputError, atomic
from . import reading, rooting

SUFFIXES = (".fbx", ".glb")


def write(
    context: bpy.types.Context,
    armature: bpy.types.Object,
    path: Path,
    *,
    root_bone: bool = False,
) -> None:
    """Write the armature and what it deforms with what it performs, at the scene's rate.

    Args:
        path: ends in one of :data:`SUFFIXES`; replaced only by a complete file.
        root_bone: the way through the room is on a root bone on the floor.

    Raises:
        OutputError: Blender's exporter is missing or failed, or the file cannot be written.
    """
    frames = reading.frames_of(armature)
    assert frames is not None
    with (
        rooting.rooted(context, armature, enabled=root_bone),
        rooting.only_selected(context, armature),
        rooting.frame_range(context.scene, *frames),
        atomic.atomic_path(path) as temporary,
    ):
        try:
            _export(path.suffix.lower(), str(temporary))
        except (RuntimeError, AttributeError, TypeError) as error:
            raise OutputError(
                f"Blender's exporter could not write {path.name}.",
                "Enable the FBX and glTF add-ons of Blender, and choose a folder you can write to.",
                str(error),
            ) from error


def _export(suffix: str, path: str) -> None:
    if suffix == ".fbx":
        bpy.ops.export_scene.fbx(
            filepath=path,
            use_selection=True,
            object_types={"ARMATURE", "MESH"},
            add_leaf_bones=False,
            bake_anim_use_all_actions=False,
            bake_anim_use_nla_strips=False,
            bake_anim_simplify_factor=0.0,
        )
    else:
        bpy.ops.export_scene.gltf(
            filepath=path,
            use_selection=True,
            export_format="GLB",
            export_animation_mode="ACTIVE_ACTIONS",
        )
