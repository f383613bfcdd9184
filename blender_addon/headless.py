"""Motions to .blend, .fbx, .glb, .mp4 and PNG frames without a window.

As a program, in any Python with bpy or in Blender itself::

    python -m blender_addon.headless --motion walk.npz --out walk.blend --out walk.mp4
    blender -b --python blender_addon/headless.py -- --motion walk.npz --out walk.mp4

``--character own.blend`` opens a person's own file instead of making a mannequin, and never saves
over it. ``--check FILE`` tries a JSON list of ``{file, armature, camera, engine}``, makes nothing.

stdout carries one JSON object per line: ``{"event": "progress", "stage", "step", "total"}``,
``{"event": "warning", "message"}``, and last either ``{"event": "done", "files", ...}`` or
``{"event": "error", "code", "message", "hint", "detail"}``. Blender's own chatter goes to stderr,
as does an error in words. Exit code 0 means that every file is there; 1 that it is not; 2 wrong
usage; 130 that Ctrl-C or SIGTERM ended it, or with ``--follow-stdin`` the end of its input.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import traceback
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

if __name__ == "__main__" and not __package__:  # started by path: relative imports need a package
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "blender_addon"
    import blender_addon  # noqa: F401

import bpy
import numpy as np

from . import character_scene, program_end
from .backend_access import (
    MOTION_FPS,
    FormatError,
    InternalError,
    InvalidRequest,
    KinetypeError,
    Motion,
    OutputError,
    atomic,
    retarget,
)
from .scene import armature as armatures
from .scene import exporting, render, stage
from .scene.action import apply_motion, scene_fps
from .scene.character import create_character
from .scene.character_file import CharacterFile

OnProgress = Callable[[str, int, int], None]
"""Called with (stage, step, total)."""

START_FRAME = 1
MIN_FPS, MAX_FPS = 1.0, 240.0
SIZES = (16, 8192)
_BAD_ARCHIVE = (zipfile.BadZipFile, zlib.error, NotImplementedError)
"""What a damaged or foreign zip archive raises besides ordinary errors."""


@dataclass(frozen=True)
class Outputs:
    """Files to write; those left None are not written. ``frames`` is a folder."""

    blend: Path | None = None
    fbx: Path | None = None
    glb: Path | None = None
    mp4: Path | None = None
    frames: Path | None = None

    def existing(self) -> list[Path]:
        """The outputs in the order they are written."""
        return [
            path
            for path in (self.blend, self.fbx, self.glb, self.mp4, self.frames)
            if path is not None
        ]


def export(
    motion: Motion,
    outputs: Outputs,
    settings: render.RenderSettings | None = None,
    *,
    fps: float | None = None,
    character: CharacterFile | None = None,
    frames: tuple[int, int] | None = None,
    clip: bool = False,
    on_progress: OnProgress | None = None,
    on_warning: character_scene.Warn = lambda _: None,
) -> dict[str, Any]:
    """A character that performs one motion, saved and rendered: a mannequin, or a person's own.

    A new file is made for the mannequin; the person's own is opened and never saved over. The file
    that Blender has open is discarded, so this refuses to run in a Blender with windows.

    Args:
        motion: motion_135 with its meta.
        outputs: what to write. An output whose writing fails leaves the earlier ones in place.
        settings: size and engine of the pictures.
        fps: rate of the scene and the video, whole or not; the file's own, or that of motions,
            when None.
        character: whose file is opened.
        frames: the first and the last to render, by the numbers of the scene; all when None.
        clip: that the motion has none of them is no error.

    Returns:
        ``{"frames": rendered, "first": its number, "of": in all, "fps": fps, "seconds": s}``.

    Raises:
        KinetypeError: FormatError, OutputError or RenderError.
    """
    settings = settings or render.RenderSettings()
    report = on_progress or (lambda *_: None)
    if not bpy.app.background:
        raise InternalError(
            "Headless export would close the open file.", "Run it with blender --background."
        )
    for path in filter(None, (outputs.mp4, outputs.frames)):
        render.check_path(path)
    for path in filter(None, (outputs.blend, outputs.mp4)):
        if character is not None and path.exists() and path.samefile(character.path):
            raise OutputError(f"{path} is the character's own file.", "Write to another folder.")
    report("building the scene", 0, 1)
    if character is None:
        scene = build_scene(motion, settings, fps or MOTION_FPS)
    else:
        check_settings(settings, fps)
        scene = character_scene.build(motion, character, settings, fps, on_warning)
    total = render.frame_total(scene)
    report("building the scene", 1, 1)
    if outputs.blend is not None:
        report("saving the file", 0, 1)
        save_blend(outputs.blend)
        report("saving the file", 1, 1)
    for path in filter(None, (outputs.fbx, outputs.glb)):
        report("exporting", 0, 1)
        exporting.write(bpy.context, bpy.context.object, path)
        report("exporting", 1, 1)
    if outputs.mp4 or outputs.frames:
        if not _limit(scene, frames, clip):
            return {"frames": 0, "first": scene.frame_start, "of": total, "fps": scene_fps(scene)}
        if render.engine_of(scene) == "eevee":
            report("compiling shaders for the first frame", 0, 1)
    if outputs.mp4 is not None:
        render.render_video(scene, outputs.mp4, lambda i, n: report("rendering", i, n))
    if outputs.frames is not None:
        render.render_frames(scene, outputs.frames, lambda i, n: report("rendering", i, n))
    return {
        "frames": render.frame_total(scene),
        "first": scene.frame_start,
        "of": total,
        "fps": scene_fps(scene),
        "seconds": motion.seconds,
    }


def _limit(scene: bpy.types.Scene, frames: tuple[int, int] | None, clip: bool) -> bool:
    """Render only these frames; the saved file has all of them. False where there are none."""
    if frames is None:
        return True
    first, last = max(frames[0], scene.frame_start), min(frames[1], scene.frame_end)
    if first > last and clip:
        return False
    if first > last:
        raise InvalidRequest(
            f"The motion has no frames {frames[0]} to {frames[1]}.",
            f"Its frames are {scene.frame_start} to {scene.frame_end}.",
        )
    scene.frame_start, scene.frame_end = first, last
    return True


def check_settings(settings: render.RenderSettings, fps: float | None) -> None:
    """:class:`InvalidRequest` for a rate or a picture size that cannot be."""
    if fps is not None and not MIN_FPS <= fps <= MAX_FPS:
        raise InvalidRequest(
            f"The frame rate is {fps:g}.", f"Choose one from {MIN_FPS:g} to {MAX_FPS:g}."
        )
    given = [side for side in (settings.width, settings.height) if side is not None]
    if not all(SIZES[0] <= side <= SIZES[1] for side in given):
        raise InvalidRequest(
            f"The picture size is {' x '.join(map(str, given))}.",
            f"Choose {SIZES[0]} to {SIZES[1]} pixels for each side.",
        )


def build_scene(motion: Motion, settings: render.RenderSettings, fps: float) -> bpy.types.Scene:
    """A new file with character, keyed motion, stage and camera; returns its scene."""
    check_settings(settings, fps)
    # not read_factory_settings: that would also reset preferences and disable add-ons
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    scene.render.fps = max(1, round(fps))
    scene.render.fps_base = scene.render.fps / fps
    render.prepare(scene, settings)
    armature = create_character(bpy.context)
    apply_motion(armature, motion, scene=scene, start_frame=START_FRAME, feet=1.0)
    body = armatures.body_of(armature)
    joints = retarget.joint_path(body, motion.data, motion.fps, scene_fps(scene), feet=1.0)
    scene.frame_start, scene.frame_end = START_FRAME, START_FRAME + len(joints) - 1
    scene.frame_set(START_FRAME)
    stage.build_stage(scene, joints, start_frame=START_FRAME, scale=body.scale)
    armature.select_set(True)
    bpy.context.view_layer.objects.active = armature
    _show_camera_view()
    return scene


def _show_camera_view() -> None:
    """3D views of the saved file open on the stage's camera and look like its renders."""
    for screen in bpy.data.screens:
        for area in screen.areas:
            if area.type != "VIEW_3D":
                continue
            space = area.spaces.active
            if space.shading.type == "SOLID":
                render.studio_shading(space.shading)
            if space.region_3d is not None:
                space.region_3d.view_perspective = "CAMERA"


def save_blend(path: Path) -> None:
    """Save the open file to ``path``; an existing file is replaced only by a complete one."""
    with atomic.atomic_path(Path(path)) as temporary:
        try:
            bpy.ops.wm.save_as_mainfile(
                filepath=str(temporary.absolute()), copy=True, compress=True, check_existing=False
            )
        except RuntimeError as error:
            raise OutputError(
                f"Blender could not write {path}.",
                "Choose a folder that you can write to and that has free space.",
                str(error),
            ) from error


def read_motion(path: Path) -> Motion:
    """A motion from an npz file that Kinetype wrote (its ``motion_135``, ``fps`` and meta).

    Raises:
        FormatError: no such file, not an npz, or without motion_135.
    """
    hint = "Give an .npz that kinetype generate or kinetype convert wrote."
    try:
        with np.load(path, allow_pickle=False) as file:
            if "motion_135" not in file:
                raise FormatError(f"{path} holds no motion_135.", hint)
            data = file["motion_135"]
            fps = float(file["fps"]) if "fps" in file else MOTION_FPS
            meta = json.loads(str(file["kinetype_meta"])) if "kinetype_meta" in file else {}
        if data.dtype.kind not in "fiu":
            raise ValueError(f"its numbers are of the type {data.dtype}")
    except (OSError, ValueError, TypeError, EOFError, *_BAD_ARCHIVE) as error:
        # numpy calls any text file a pickle, and says how to open that without care
        why = "it is no .npz" if "pickle" in str(error) else str(error).rstrip(".")
        raise FormatError(f"{path} cannot be read: {why}.", hint) from error
    if not np.isfinite(fps) or fps <= 0 or not isinstance(meta, dict):
        raise FormatError(f"{path} has a wrong frame rate or notes.", hint)
    return Motion(data, fps, meta)


# --------------------------------------------------------------------------- the program


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    options = _parser().parse_args(_own_arguments() if arguments is None else arguments)
    with _claim_stdout() as out, program_end.once():
        if options.follow_stdin:
            threading.Thread(target=program_end.follow_stdin, daemon=True).start()

        def emit(event: str, **values: object) -> None:
            out.write(json.dumps({"event": event, **values}) + "\n")
            out.flush()

        try:
            if options.check is not None:
                asked = json.loads(options.check.read_text(encoding="utf-8"))
                character_scene.look_at_all(
                    asked, lambda number, found: emit("found", number=number, **found)
                )
                emit("done", blender=bpy.app.version_string)
                return 0
            outputs, summary = _export(options, emit)
        except KinetypeError as error:
            return _fail(emit, error)
        except KeyboardInterrupt:
            return program_end.EXIT_CANCELLED
        except Exception as error:
            problem = f"Unexpected error: {error}."
            return _fail(emit, InternalError(problem, "Report this.", traceback.format_exc()))
        emit("done", files=[str(path) for path in outputs.existing()], **summary)
    return 0


def _export(
    options: argparse.Namespace, emit: Callable[..., None]
) -> tuple[Outputs, dict[str, Any]]:
    """Do what the options ask for."""
    if options.motion is None:
        raise InvalidRequest("No motion is named.", "Give it with --motion.")
    outputs = plan_outputs(options)
    character = None
    if options.character is not None:
        character = CharacterFile(options.character, options.armature, options.camera)
    summary = export(
        read_motion(options.motion),
        outputs,
        render.RenderSettings(
            options.width, options.height, options.engine, options.render_samples
        ),
        fps=options.fps,
        character=character,
        frames=tuple(options.range) if options.range else None,
        clip=options.clip,
        on_progress=lambda stage, step, total: emit(
            "progress", stage=stage, step=step, total=total
        ),
        on_warning=lambda text: emit("warning", message=text),
    )
    return outputs, summary


def _fail(emit: Callable[..., None], error: KinetypeError) -> int:
    emit("error", code=error.code, message=error.message, hint=error.hint, detail=error.detail)
    sys.stderr.write(f"error: {error.message}\nhint: {error.hint}\n")
    if error.detail:
        sys.stderr.write(error.detail.rstrip() + "\n")
    return 1


def plan_outputs(options: argparse.Namespace) -> Outputs:
    """The outputs that ``--out`` (by suffix), ``--blend``, ``--mp4`` and ``--frames`` name."""
    chosen: dict[str, Path | None] = {
        "blend": options.blend, "fbx": None, "glb": None, "mp4": options.mp4,
        "frames": options.frames,
    }  # fmt: skip
    for path in options.out:
        kind = path.suffix.lower().removeprefix(".")
        if kind not in ("blend", "fbx", "glb", "mp4"):
            raise InvalidRequest(
                f"{path} has no suffix that Blender writes.",
                "End it in .blend, .fbx, .glb or .mp4.",
            )
        if chosen[kind] is not None:
            raise InvalidRequest(f"Two .{kind} files are asked for.", "Give one of each kind.")
        chosen[kind] = path
    if not any(chosen.values()):
        raise InvalidRequest("No output is named.", "Give --out, --blend, --mp4 or --frames.")
    return Outputs(**chosen)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="blender_addon.headless", description="Write a motion as .blend, .mp4 or PNG frames."
    )
    parser.add_argument("--motion", type=Path, help=".npz that Kinetype wrote")
    parser.add_argument(
        "--out", type=Path, action="append", default=[], help=".blend .fbx .glb or .mp4"
    )
    parser.add_argument("--blend", type=Path, help="keyed character")
    parser.add_argument("--mp4", type=Path, help="rendered video")
    parser.add_argument("--frames", type=Path, help="folder for a PNG sequence")
    parser.add_argument("--fps", type=float, help="default: the character's file's, or 30")
    parser.add_argument("--character", type=Path, help=".blend with the character to animate")
    parser.add_argument("--armature", help="its armature, where it has several")
    parser.add_argument("--camera", help="one of its cameras, or 'stage'")
    parser.add_argument("--range", type=int, nargs=2, metavar="N", help="frames to render")
    parser.add_argument("--clip", action="store_true", help="a range without frames is no error")
    parser.add_argument("--check", type=Path, help="JSON list of what to try instead")
    parser.add_argument("--follow-stdin", action="store_true", help="end when the input ends")
    add_render_options(parser)
    return parser


def add_render_options(parser: argparse.ArgumentParser) -> None:
    """``--width``, ``--height``, ``--engine`` and ``--render-samples``."""
    default = render.RenderSettings().filled()
    own = "or the character's file's own"
    parser.add_argument("--width", type=int, help=f"pixels (default {default.width}, {own})")
    parser.add_argument("--height", type=int, help=f"pixels (default {default.height}, {own})")
    parser.add_argument("--engine", choices=sorted(render.compat.ENGINES),
                        help=f"default {default.engine}, {own}")  # fmt: skip
    parser.add_argument(
        "--render-samples", type=int, help="per pixel (workbench, cycles); default: fast"
    )


def _own_arguments() -> list[str]:
    """What follows ``--`` when Blender runs this file, else everything after the program name."""
    if "--" in sys.argv:
        return sys.argv[sys.argv.index("--") + 1 :]
    return sys.argv[1:]


class _claim_stdout:
    """The real stdout for JSON lines, while file descriptor 1 leads to stderr.

    Blender prints a line per frame from C; those must not mix with the JSON.
    """

    def __enter__(self) -> IO[str]:
        sys.stdout.flush()
        self._saved = os.dup(1)
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        return self._out

    def __exit__(self, *_: object) -> None:
        sys.stdout.flush()
        self._out.close()
        os.dup2(self._saved, 1)
        os.close(self._saved)


if __name__ == "__main__":
    sys.exit(main())
