"""A person's own character performing a motion in its own file, and what can be said before."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import bpy
import numpy as np

from .backend_access import FormatError, KinetypeError, Motion, retarget
from .scene import armature as armatures
from .scene import mapping, render, stage
from .scene.action import apply_motion, scene_fps
from .scene.character_file import CharacterFile, Opened, open_character

Warn = Callable[[str], None]


def build(
    motion: Motion,
    character: CharacterFile,
    settings: render.RenderSettings,
    fps: float | None,
    warn: Warn,
) -> bpy.types.Scene:
    """Open the character's file and key the motion on it, from the first frame of the file's range.

    The file on disk stays as it is.

    Args:
        fps: of the scene; the file's own when None.
        warn: takes sentences on what hides or changes the motion.

    Raises:
        KinetypeError: see :func:`.scene.character_file.open_character` and ``apply_motion``.
    """
    opened = open_character(character)
    scene, armature = opened.scene, opened.armature
    if armature.mode != "OBJECT":
        bpy.context.view_layer.objects.active = armature
        bpy.ops.object.mode_set(mode="OBJECT")
    if fps is not None:
        scene.render.fps = max(1, round(fps))
        scene.render.fps_base = scene.render.fps / fps
    prepare(opened, settings)
    start = scene.frame_start
    apply_motion(armature, motion, scene=scene, start_frame=start, feet=1.0, here=True)
    body = armatures.body_of(armature)
    joints = retarget.joint_path(
        body, motion.data, motion.fps, scene_fps(scene), feet=1.0, here=True
    )
    scene.frame_end = start + len(joints) - 1
    scene.frame_set(start)
    if opened.camera is None:
        _add_stage(scene, armature, joints, body.scale)
    else:
        scene.camera = opened.camera
    bpy.context.view_layer.objects.active = armature  # what exporters take
    unseen = armatures.why_unseen(armature)
    if unseen:
        warn(unseen)
    return scene


def prepare(opened: Opened, settings: render.RenderSettings) -> None:
    """Engine, size and outputs: of the file, or of Kinetype's stage where the file has no camera.

    Raises:
        RenderError: this machine cannot render with the engine.
    """
    scene = opened.scene
    if opened.camera is not None or settings.engine is None:
        render.adopt(scene, settings)
    else:
        render.adopt(scene, render.RenderSettings())
        render.prepare(scene, settings)


def _add_stage(
    scene: bpy.types.Scene, armature: bpy.types.Object, joints: np.ndarray, scale: float
) -> None:
    """Floor, camera and, where the file has no lamps, light around a path in armature space."""
    world = np.array(armature.matrix_world)
    places = joints @ world[:3, :3].T + world[:3, 3]
    size = scale * float(np.cbrt(abs(np.linalg.det(world[:3, :3]))))
    lit = any(thing.type == "LIGHT" for thing in scene.objects)
    made = stage.build_stage(scene, places, start_frame=scene.frame_start, scale=size)
    for lamp in [thing for thing in made.objects if thing.type == "LIGHT"] if lit else ():
        bpy.data.objects.remove(lamp, do_unlink=True)


# --------------------------------------------------------------------------- before the work


def look(character: CharacterFile | None, engine: str | None) -> dict[str, object]:
    """What a job will meet: the file opened, the character mapped, the camera found, one picture.

    Raises:
        KinetypeError: what will not work, and why.
    """
    settings = render.RenderSettings(64, 36, engine)
    found: dict[str, object] = {}
    if character is None:
        bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
        scene = bpy.context.scene
        render.prepare(scene, settings)
    else:
        opened = open_character(character)
        scene = opened.scene
        prepare(opened, settings)
        found |= {
            "file": str(character.path),
            "armature": opened.armature.name,
            "rig": mapping.rig_of(opened.armature).name,
            "camera": opened.camera.name if opened.camera else "stage",
            "size": [scene.render.resolution_x, scene.render.resolution_y],
        }
    _try_picture(scene)
    return found | {"engine": render.engine_of(scene)}


def _try_picture(scene: bpy.types.Scene) -> None:
    """One picture of an empty scene with the same engine: whether it works here at all."""
    empty = bpy.data.scenes.new("Kinetype Trial")
    camera = bpy.data.objects.new("Kinetype Trial", bpy.data.cameras.new("Kinetype Trial"))
    empty.collection.objects.link(camera)
    empty.camera = camera
    empty.render.engine = scene.render.engine
    empty.render.resolution_x, empty.render.resolution_y = 16, 16
    empty.render.resolution_percentage = 100
    empty.frame_start = empty.frame_end = 1
    if render.engine_of(empty) == "cycles":
        empty.cycles.samples = 1
    with tempfile.TemporaryDirectory(prefix="kinetype-") as folder:
        render.render_frames(empty, Path(folder) / "trial")


def look_at_all(
    asked: Sequence[Mapping[str, object]], on_found: Callable[[int, dict[str, object]], None]
) -> None:
    """:func:`look` at each of a list of ``{file, armature, camera, engine}``.

    Raises:
        FormatError: the list is not of that kind. KinetypeError: the first thing that will not do.
    """
    for number, each in enumerate(asked):
        texts = {k: str(v) for k, v in each.items() if v is not None}
        if not set(texts) <= {"file", "armature", "camera", "engine"}:
            raise FormatError(f"Nothing can be said of {sorted(texts)}.", "Use the same version.")
        file = texts.get("file")
        character = None
        if file is not None:
            character = CharacterFile(Path(file), texts.get("armature"), texts.get("camera"))
        try:
            on_found(number, look(character, texts.get("engine")))
        except KinetypeError as error:
            if file is not None and Path(file).name not in error.message:
                error.message = f"{Path(file).name}: {error.message}"
            raise
