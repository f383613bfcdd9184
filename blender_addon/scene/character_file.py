"""A person's own .blend as the stage of a motion: opened without its scripts, never saved over."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bpy

from ..backend_access import ArmatureError, FormatError, InvalidRequest
from . import armature as armatures
from . import mapping

STAGE = "stage"
"""Asks for Kinetype's floor, light and camera instead of a camera of the file."""


@dataclass(frozen=True)
class CharacterFile:
    """A character to animate.

    Attributes:
        path: .blend file.
        armature: name of its object; the only body of the file when None.
        camera: name of a camera of the file, or :data:`STAGE`; the scene's own when None, and the
            stage where it has none.
    """

    path: Path
    armature: str | None = None
    camera: str | None = None


@dataclass(frozen=True)
class Opened:
    """What was found; ``camera`` is None where the stage is wanted."""

    scene: bpy.types.Scene
    armature: bpy.types.Object
    camera: bpy.types.Object | None


def open_character(character: CharacterFile) -> Opened:
    """Open the file in place of the one that is open, and find its parts.

    Raises:
        FormatError: no .blend that can be read.
        ArmatureError: no such armature, or none or several bodies to choose from.
        InvalidRequest: no such camera.
    """
    path = character.path
    if not path.is_file():
        raise FormatError(f"There is no file {path}.", "Check the path of the character.")
    try:
        # scripts in a file that somebody sent must not run
        bpy.ops.wm.open_mainfile(filepath=str(path.absolute()), load_ui=False, use_scripts=False)
    except RuntimeError as error:
        raise FormatError(
            f"{path} cannot be opened as a .blend file.",
            "Save it with this version of Blender or an older one.",
            str(error),
        ) from error
    armature = _armature(character)
    scenes = armature.users_scene
    scene = bpy.context.scene if bpy.context.scene in scenes else scenes[0]
    return Opened(scene, armature, _camera(character, scene))


def _armature(character: CharacterFile) -> bpy.types.Object:
    """The armature, checked: it can take a motion."""
    there = [o for o in bpy.data.objects if o.type == "ARMATURE" and o.users_scene]
    names = ", ".join(sorted(o.name for o in there)) or "none"
    file = character.path.name
    if character.armature is not None:
        found = [o for o in there if o.name == character.armature]
        if not found:
            raise ArmatureError(
                f"{file} has no armature {character.armature!r}.", f"Its armatures: {names}."
            )
    else:
        found = [o for o in there if mapping.is_body(o)] or there
        if not found:
            raise ArmatureError(f"{file} has no armature.", "Name a file with a rigged character.")
        if len(found) > 1:
            raise ArmatureError(
                f"{file} has several armatures: {names}.", "Say which one with 'armature'."
            )
    armatures.body_of(armatures.editable(found[0]))
    return found[0]


def _camera(character: CharacterFile, scene: bpy.types.Scene) -> bpy.types.Object | None:
    if character.camera == STAGE:
        return None
    if character.camera is None:
        return scene.camera
    camera = scene.objects.get(character.camera)
    if camera is None or camera.type != "CAMERA":
        names = ", ".join(sorted(o.name for o in scene.objects if o.type == "CAMERA")) or "none"
        raise InvalidRequest(
            f"{character.path.name} has no camera {character.camera!r}.",
            f"Its cameras: {names}; or use {STAGE!r}.",
        )
    return camera
