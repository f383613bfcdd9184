"""What can be known about renders before anything is made: characters, cameras, engines, space."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from . import blender_process, preflight
from .job_file import Job, sample_names
from .render_settings import RenderSettings
from .rendering import has_pictures

BLEND_BYTES = 2_500_000
"""A saved mannequin, compressed; a character's file is saved whole besides."""
VIDEO_BYTES = 60_000
"""Of a second of 640 x 360 pixels."""
PIXEL_BYTES = 1.2
"""Of a PNG picture of a stage, at most about."""


def look(jobs: Sequence[Job], blender: str | None = None) -> dict[str, object]:
    """Open every character, find what the jobs name in it, and try every engine once.

    Returns:
        Version of Blender, and for each different character or engine what was found.

    Raises:
        InvalidRequest, FormatError, ArmatureError, RenderError: what will not work.
        MissingDependency: no Blender. OutputError: Blender ended without a word.
    """
    asked: list[dict[str, str | None]] = []
    for job in jobs:
        settings = RenderSettings.of(job.render)
        each = {
            "file": settings.character,
            "armature": settings.armature,
            "camera": settings.camera,
            "engine": settings.engine if has_pictures(settings) else "cycles",
        }
        if each not in asked:
            asked.append(each)
    found: list[dict[str, object]] = []

    def tell(event: blender_process.Event) -> None:
        if event["event"] == "found":
            found.append({k: v for k, v in event.items() if k not in ("event", "number")})

    with tempfile.TemporaryDirectory(prefix="kinetype-") as folder:
        path = Path(folder) / "asked.json"
        path.write_text(json.dumps(asked), encoding="utf-8")
        with (Path(folder) / "log.txt").open("w+", errors="replace") as log:
            last = blender_process.run(
                [f"--check={path}"], log, tell, what="the check", named=blender
            )
    return {"blender": last["blender"], "found": found}


def space_needed(jobs: Sequence[Job]) -> int:
    """Bytes that the files of the jobs take, roughly and rather too many."""
    total = 0.0
    for job in jobs:
        settings = RenderSettings.of(job.render)
        seconds = preflight.seconds_of(job)
        frames = seconds * (settings.fps or 30.0)
        if settings.frames is not None:
            frames = min(frames, settings.frames[1] - settings.frames[0] + 1)
        pixels = (settings.width or 640) * (settings.height or 360)
        each = 0.0
        if "mp4" in settings.outputs:
            each += seconds * VIDEO_BYTES * max(1.0, pixels / (640 * 360))
        if "png" in settings.outputs:
            each += frames * pixels * PIXEL_BYTES
        if "blend" in settings.outputs:
            own = Path(settings.character).stat().st_size if settings.character else 0
            each += BLEND_BYTES + own
        total += each * len(sample_names(job))
    return round(total) + preflight.motion_bytes(jobs)
