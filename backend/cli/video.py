"""Pictures to MP4 with whatever encoder this computer has: ffmpeg, or Blender's own."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import MissingDependency, OutputError
from . import blender

if TYPE_CHECKING:
    import numpy as np

_PROGRAM = "pictures_to_video"
_PATIENCE_SECONDS = 600
_ROOT = Path(__file__).resolve().parents[2]


def encoder() -> tuple[str, ...]:
    """The command of ffmpeg, or else of Blender's encoder (the pictures' program).

    Raises:
        MissingDependency: there is neither.
    """
    program = shutil.which("ffmpeg")
    if program:
        return (program,)
    try:
        found = blender.find()
    except MissingDependency as error:
        raise MissingDependency(
            "Writing .mp4 needs ffmpeg or Blender, and there is neither here.",
            "Install ffmpeg, or write a .gif.",
        ) from error
    if found.source == "bpy":
        return (sys.executable, "-m", f"blender_addon.{_PROGRAM}")
    headless = str(_ROOT / "blender_addon" / "headless.py")
    script = str(_ROOT / "blender_addon" / f"{_PROGRAM}.py")
    return tuple(script if part == headless else part for part in found.command)


def save_mp4(frames: Sequence[np.ndarray], path: str | Path, fps: float) -> None:
    """H.264 of RGB pictures ``[H, W, 3]`` uint8; odd sizes are padded to even ones.

    Raises:
        MissingDependency: no encoder.
        OutputError: the encoder failed, or the file cannot be written.
    """
    import numpy as np
    from PIL import Image

    from ..motion.io.atomic import atomic_path

    command = encoder()
    height, width = frames[0].shape[:2]
    pad = ((0, height % 2), (0, width % 2), (0, 0))
    with tempfile.TemporaryDirectory(prefix="kinetype-") as folder, atomic_path(path) as temporary:
        for index, frame in enumerate(frames):
            Image.fromarray(np.pad(frame, pad, mode="edge")).save(Path(folder) / f"{index:06d}.png")
        target = temporary.absolute()
        if len(command) == 1:
            arguments = ["-loglevel", "error", "-y", "-framerate", f"{fps:g}"]
            arguments += ["-i", f"{folder}/%06d.png", "-c:v", "libx264", "-pix_fmt", "yuv420p"]
            arguments += [str(target)]
        else:
            arguments = [folder, str(target), "--fps", f"{fps:g}"]
        _run([*command, *arguments], Path(path))
        if not target.is_file():
            raise OutputError(f"The encoder wrote no {path}.", "Write a .gif instead.")


def _run(command: Sequence[str], path: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=_ROOT, capture_output=True, timeout=_PATIENCE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OutputError(
            f"The encoder could not write {path} ({error}).", "Write a .gif instead."
        ) from error
    if done.returncode != 0:
        said = (done.stderr + done.stdout).decode(errors="replace").strip()
        raise OutputError(
            f"The encoder could not write {path}.", "Write a .gif instead.", said[-2000:]
        )
