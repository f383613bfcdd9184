"""Pictures to MP4 with whatever encoder this computer has."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import MissingDependency, OutputError
from ..motion.io.atomic import atomic_path


def check() -> str:
    """The ffmpeg program.

    Raises:
        MissingDependency: there is none on the PATH, nor in the package imageio-ffmpeg.
    """
    program = shutil.which("ffmpeg")
    if program:
        return program
    try:
        from imageio_ffmpeg import get_ffmpeg_exe
    except ImportError as error:
        raise MissingDependency(
            "Writing .mp4 needs ffmpeg, which is not on the PATH.",
            "Install ffmpeg, or run: pip install imageio-ffmpeg; or write a .gif.",
        ) from error
    return str(get_ffmpeg_exe())


def save_mp4(frames: Sequence[np.ndarray], path: str | Path, fps: float) -> None:
    """H.264 of RGB pictures ``[H, W, 3]`` uint8; odd sizes are padded to even ones.

    Raises:
        MissingDependency: no encoder.
        OutputError: the encoder failed, or the file cannot be written.
    """
    height, width = frames[0].shape[:2]
    pad = ((0, height % 2), (0, width % 2), (0, 0))
    size = f"{width + width % 2}x{height + height % 2}"
    content = b"".join(np.pad(f, pad, mode="edge").tobytes() for f in frames)
    command = [check(), "-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-s", size, "-r", f"{fps:g}", "-i", "-", "-c:v", "libx264", "-pix_fmt", "yuv420p"]
    with atomic_path(path) as temporary:
        done = subprocess.run(
            [*command, str(temporary)], input=content, capture_output=True, check=False
        )
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()
            raise OutputError(
                f"ffmpeg could not write {path}.", "Write a .gif instead.", said[-2000:]
            )
