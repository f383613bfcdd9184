"""Rendering to an H.264 video or a PNG sequence, with or without a display."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import bpy

from ..backend_access import OutputError, atomic
from ..core import media
from ..core.errors import RenderError
from . import compat

OnFrame = Callable[[int, int], None]
"""Called with (frames done, frames in all)."""

_CYCLES_SAMPLES = 16
_WORKBENCH_SAMPLES = (5, 8, 11, 16, 32)
"""What Workbench offers besides FXAA, which costs a quarter of 8 samples and looks nearly as good
in motion."""


@dataclass(frozen=True)
class RenderSettings:
    """How to render; what is None is as in the person's own file, else :meth:`filled`.

    Attributes:
        width, height: pixels; made even, because H.264 needs that.
        engine: a key of ``scene.compat.ENGINES``.
        samples: per pixel, None for a good default. Workbench takes the nearest that it offers,
            EEVEE ignores it.
    """

    width: int | None = None
    height: int | None = None
    engine: str | None = None
    samples: int | None = None

    def filled(self) -> Filled:
        """Size and engine of a scene that Kinetype makes."""
        return Filled(self.width or 640, self.height or 360, self.engine or "workbench")


class Filled(NamedTuple):
    """Size and engine, without gaps."""

    width: int
    height: int
    engine: str


def prepare(scene: bpy.types.Scene, settings: RenderSettings) -> None:
    """Set engine, size and look of a scene that Kinetype made for rendering.

    Raises:
        RenderError: unknown engine, or this machine lacks the graphics library the engine needs.
    """
    width, height, engine = settings.filled()
    if engine not in compat.ENGINES:
        raise RenderError(
            f"Unknown render engine {engine!r}.", f"Use one of: {', '.join(compat.ENGINES)}."
        )
    check_graphics(engine)
    render = scene.render
    render.resolution_x, render.resolution_y = width + width % 2, height + height % 2
    render.resolution_percentage = 100
    render.use_file_extension = True
    render.use_overwrite = True
    render.engine = compat.ENGINES[engine]
    scene.view_settings.view_transform = "Standard"
    if engine == "workbench":
        scene.display.render_aa = "FXAA"
        studio_shading(scene.display.shading)
    elif engine == "cycles":
        _cycles_look(scene)
    _set_samples(scene, settings.samples)


def check_graphics(engine: str) -> None:
    """:class:`RenderError` where Workbench or EEVEE would abort the process.

    Headless Blender on Linux opens EGL; when the library is missing it calls ``abort`` rather than
    raising, which would take the unsaved results with it.
    """
    if engine == "cycles" or not sys.platform.startswith("linux") or not bpy.app.background:
        return
    try:
        ctypes.CDLL("libEGL.so.1")
    except OSError as error:
        raise RenderError(
            "The library libEGL.so.1, which Workbench and EEVEE need, is not installed.",
            "Install it (Debian, Ubuntu: apt-get install libegl1 libgl1-mesa-dri) or render with "
            "the engine cycles.",
            str(error),
        ) from error


def check_path(path: Path) -> None:
    """:class:`OutputError` for a path that renders would miss.

    Blender takes a backslash for a folder on every system, so where it is part of a name the
    pictures would go elsewhere.
    """
    whole = str(Path(path).absolute())
    if os.sep != "\\" and "\\" in whole:
        raise OutputError(
            f"Blender cannot render to {whole}: it takes the backslash for a folder.",
            "Choose a name without backslashes.",
        )


def _set_samples(scene: bpy.types.Scene, samples: int | None) -> None:
    engine = engine_of(scene)
    if samples is None or engine == "eevee":
        return
    if engine == "cycles":
        scene.cycles.samples = samples
    else:
        nearest = min(_WORKBENCH_SAMPLES, key=lambda offered: abs(offered - samples))
        scene.display.render_aa = str(nearest)


def engine_of(scene: bpy.types.Scene) -> str:
    """Our name of a scene's engine; :class:`RenderError` for one that Blender does not bring."""
    return check_known(scene.render.engine)


def check_known(identifier: str) -> str:
    """Our name of an engine that Blender brings; :class:`RenderError` for any other."""
    for name, known in compat.ENGINES.items():
        if identifier == known:
            return name
    raise RenderError(
        f"The scene renders with {identifier}, which is not part of Blender.",
        f"Choose an engine: {', '.join(compat.ENGINES)}.",
    )


def studio_shading(shading: bpy.types.View3DShading) -> None:
    """The look of Workbench renders, for a scene or for a 3D view of it."""
    shading.light = "STUDIO"
    shading.studio_light = "paint.sl"
    shading.color_type = "MATERIAL"
    shading.background_type = "WORLD"
    shading.show_specular_highlight = False  # it would brighten parts of the floor
    shading.show_shadows = True
    shading.shadow_intensity = 0.45
    shading.show_cavity = True
    shading.cavity_type = "SCREEN"  # the other kind is noisy on flat surfaces, and slow
    shading.curvature_ridge_factor = 0.4
    shading.curvature_valley_factor = 0.6


def _cycles_look(scene: bpy.types.Scene) -> None:
    cycles = scene.cycles
    cycles.device = "CPU"
    cycles.samples = _CYCLES_SAMPLES
    cycles.use_adaptive_sampling = False
    cycles.use_denoising = True
    cycles.max_bounces = 3
    scene.render.use_persistent_data = True


def adopt(scene: bpy.types.Scene, settings: RenderSettings) -> None:
    """Make a person's own scene render to one file or sequence of ours, else as they set it up.

    Its engine, size and samples stay unless the settings name others. Outputs of its compositor,
    strips of its sequencer, skipped frames and stereo would write elsewhere or something else.

    Raises:
        RenderError: see :func:`prepare`.
    """
    render = scene.render
    if settings.engine is not None:
        render.engine = compat.ENGINES[settings.engine]
    check_graphics(engine_of(scene))
    share = render.resolution_percentage / 100
    width = settings.width or round(render.resolution_x * share)
    height = settings.height or round(render.resolution_y * share)
    render.resolution_x, render.resolution_y = width + width % 2, height + height % 2
    render.resolution_percentage = 100
    _set_samples(scene, settings.samples)
    render.use_file_extension = render.use_overwrite = True
    render.use_placeholder = render.use_sequencer = render.use_multiview = False
    scene.frame_step = 1
    compat.mute_file_outputs(scene)


def render_video(scene: bpy.types.Scene, path: Path, on_frame: OnFrame | None = None) -> None:
    """Render the scene's frame range to an MP4 that appears only when it is complete.

    Raises:
        OutputError: the file cannot be written. RenderError: Blender could not render.
    """
    check_path(path)
    compat.set_video_output(scene)
    with atomic.atomic_path(Path(path)) as temporary:
        scene.render.filepath = compat.render_path(temporary.absolute())
        _render(scene, on_frame)
        if not (temporary.exists() and media.mp4_is_complete(temporary)):
            raise _incomplete(Path(path), "the video")


def render_frames(
    scene: bpy.types.Scene, folder: Path, on_frame: OnFrame | None = None
) -> list[Path]:
    """Render the scene's frame range to ``folder/frame_0001.png`` and so on.

    Files of those names are replaced once all frames are rendered; other files stay.

    Raises:
        OutputError: the folder cannot be written. RenderError: Blender could not render.
    """
    check_path(folder)
    compat.set_image_output(scene)
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder) as temporary:
            scene.render.filepath = compat.render_path(Path(temporary).absolute() / "frame_####")
            _render(scene, on_frame)
            rendered = sorted(Path(temporary).iterdir())
            whole = sum(media.png_is_complete(frame) for frame in rendered)
            if whole != frame_total(scene):
                missing = frame_total(scene) - whole
                raise _incomplete(folder, f"{missing} of {frame_total(scene)} frames")
            return [frame.replace(folder / frame.name) for frame in rendered]
    except OSError as error:
        raise atomic.output_error(folder, error) from error


def _incomplete(path: Path, what: str) -> OutputError:
    """Blender says that all went well, but the files say otherwise."""
    return OutputError(
        f"Blender could not write {what} to {path}.",
        "The disk is probably full: free some space or choose another folder.",
    )


def frame_total(scene: bpy.types.Scene) -> int:
    """How many frames the scene's range renders."""
    return len(range(scene.frame_start, scene.frame_end + 1, scene.frame_step))


_OF_FILES = re.compile(r"\bwrit|permission|space left|read-only|output file|create file", re.I)
"""Of what Blender says when it is the files that do not work, not the engine or the display."""


def _render(scene: bpy.types.Scene, on_frame: OnFrame | None) -> None:
    with _interruptible() as interrupted, _frame_counter(scene, on_frame, interrupted):
        try:
            bpy.ops.render.render(animation=True, scene=scene.name)
        except RuntimeError as error:
            text = str(error)
            if _OF_FILES.search(text):
                raise OutputError(
                    f"Blender could not write {scene.render.filepath}.",
                    "Choose a folder that you can write to and that has free space.",
                    text,
                ) from error
            raise RenderError(
                f"Blender could not render the motion: {_last_line(text)}",
                "Try the engine cycles or workbench, which need no display.",
                text,
            ) from error


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it does not say why."


_DEFAULT: dict[int, Any] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
}


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """Ctrl-C and SIGTERM during a render end it after the frame, then raise KeyboardInterrupt.

    Python's own handler would raise inside a render handler of ours, where Blender prints the
    exception and goes on for the rest of the animation.
    """
    interrupted = threading.Event()
    if not bpy.app.background or threading.current_thread() is not threading.main_thread():
        yield interrupted
        return
    came: list[int] = []

    def note(number: int, *_: object) -> None:
        came.append(number)
        interrupted.set()

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            # None: Blender's own handler, which Python cannot name
            signal.signal(number, handler or _DEFAULT[number])
    if came:
        ask = before[signal.Signals(came[0])]
        if callable(ask):  # the program tells its ends apart, and may want to hear of one only
            ask(came[0], None)
        raise KeyboardInterrupt


@contextmanager
def _frame_counter(
    scene: bpy.types.Scene, on_frame: OnFrame | None, interrupted: threading.Event
) -> Iterator[None]:
    """Report each finished frame while a render runs, and end the render on request."""
    total, done = frame_total(scene), 0

    def count(*_: object) -> None:
        nonlocal done
        done += 1
        if on_frame is not None:
            on_frame(done, total)
        if interrupted.is_set():
            scene.frame_current = scene.frame_end + 1  # what Blender's loop over frames looks at

    bpy.app.handlers.render_post.append(count)
    try:
        yield
    finally:
        bpy.app.handlers.render_post.remove(count)
