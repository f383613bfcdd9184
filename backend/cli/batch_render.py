"""``kinetype batch render``: a job file to videos, pictures and .blend files of characters."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidRequest
from . import batch_generate, console

if TYPE_CHECKING:
    from ..batch import generation
    from ..batch.job_file import Job, Value
    from ..batch.rendering import RenderItem

HELP = "prompts or a job file to videos, pictures and .blend files, on your own characters"
OPTIONS = ("character", "armature", "camera", "fps", "width", "height", "render_samples", "outputs")
"""Options that are keys of a job; ``--render-engine`` is its ``engine``."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    batch_generate.add_arguments(parser)
    parser.add_argument("--character", metavar="FILE", help=".blend with your character, of jobs "
                        "that do not say it; opened, never saved over")  # fmt: skip
    parser.add_argument("--armature", help="likewise: its armature, where it has several")
    parser.add_argument("--camera", help="likewise: one of its cameras, or 'stage' for floor, "
                        "light and a camera that follows")  # fmt: skip
    parser.add_argument("--fps", type=float, help="likewise (default: the file's, or 30)")
    parser.add_argument("--width", type=int, help="likewise (default: the file's, or 640)")
    parser.add_argument("--height", type=int, help="likewise (default: the file's, or 360)")
    parser.add_argument("--render-engine", choices=("workbench", "cycles", "eevee"),
                        help="likewise (default: the file's, or workbench)")  # fmt: skip
    parser.add_argument("--render-samples", type=int, help="likewise: samples per pixel")
    parser.add_argument("--outputs", help="likewise: mp4, png, blend; several with commas "
                        "(default mp4)")  # fmt: skip
    parser.add_argument("--blender", metavar="PROGRAM", help="Blender to render with, or 'bpy' "
                        "(default: KINETYPE_BLENDER, bpy, or the PATH's)")  # fmt: skip
    parser.add_argument("--made", action="store_true", help="the motions are in --out already, "
                        "from 'batch generate' with the same jobs: render only")  # fmt: skip
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only the jobs of these names")
    parser.add_argument("--frames", metavar="A-B", help="only the pictures of these frames: a "
                        "farm's task; such runs can share a folder (needs --made)")  # fmt: skip


@dataclass(frozen=True)
class _Planned:
    """What is checked before anything is made."""

    jobs: list[Job]
    requests: tuple[list[generation.Item], list[str]]
    part: tuple[int, int] | None


def run(options: argparse.Namespace) -> int:
    """Check, make the motions, render them, count; 1 when a job failed."""
    from ..batch import render_check, rendering, stage
    from ..store.folder_lock import folder_lock

    planned = _plan(options)
    found = render_check.look(planned.jobs, options.blender)
    if options.check:
        samples = len(_sample_names(planned.jobs))
        print(json.dumps({"jobs": len(planned.jobs), "samples": samples, **found}, indent=1))
        return 0
    out = options.out.absolute()
    place = out / f".part-{_part_id(options)}" if options.made and _is_part(options) else out
    workers = batch_generate.workers_of(options)
    with folder_lock(place):
        motions, failed = _motions(options, planned, out)
        items = rendering.plan(
            planned.jobs, out, motions, part=planned.part, carries=options.collect
        )
        tell = batch_generate.Teller(options.quiet)
        made = rendering.make(
            items,
            rendering.RenderWork(out, options.blender, options.quiet, _carried(options, items)),
            workers,
            journal=f"{place.relative_to(out) / rendering.JOURNAL}",
            on_progress=tell.progress,
            on_failure=batch_generate.tell_failure,
        )
        summary = {**stage.summarise(made, workers), "blender": found["blender"]}
        summary["motions_failed"] = failed
        stage.write_summary(summary, place)
    console.note(
        f"{summary['done']} rendered, {summary['kept']} kept, {summary['failed']} failed"
        + (f"; {failed} motions could not be made" if failed else "")
        + f"; logs in {out / rendering.LOGS}"
    )
    return batch_generate.finish(summary, place / stage.SUMMARY, failed=failed)


def _plan(options: argparse.Namespace) -> _Planned:
    """Everything that this Python can check."""
    from ..batch import generation, render_check, render_settings
    from ..batch.job_file import Job

    listed = batch_generate.read_jobs(options)
    given: dict[str, Value] = {name: getattr(options, name) for name in OPTIONS}
    given["engine"] = options.render_engine
    defaults = {key: value for key, value in given.items() if value is not None}
    jobs = [Job(job.name, job.request, {**defaults, **job.render}) for job in listed]
    if options.only:
        unknown = sorted(set(options.only) - {job.name for job in jobs})
        if unknown:
            raise InvalidRequest(f"There is no job {unknown[0]!r}.", f"One is {jobs[0].name!r}.")
        jobs = [job for job in jobs if job.name in options.only]
    for job in jobs:
        try:
            render_settings.RenderSettings.of(job.render)
        except InvalidRequest as error:
            raise InvalidRequest(f"Job {job.name!r}: {error.message}", error.hint) from error
    if options.frames and not options.made:
        raise InvalidRequest(
            "--frames is for motions that are made already.",
            "Run 'kinetype batch generate' first and add --made, or use the key 'frames'.",
        )
    requests: tuple[list[generation.Item], list[str]] = ([], [])
    if not options.made:
        requests = generation.plan(jobs)
    batch_generate.check_folder(options, render_check.space_needed(jobs))
    part = render_settings.read_frames(options.frames) if options.frames else None
    return _Planned(jobs, requests, part)


def _motions(
    options: argparse.Namespace, planned: _Planned, out: Path
) -> tuple[dict[str, tuple[str, ...]], int]:
    """Names of the motion files by job, and how many jobs failed."""
    from ..batch import generation, rendering
    from ..batch.work import FAILED

    if options.made:
        return rendering.motions_there(planned.jobs, out), 0
    tell = batch_generate.Teller(options.quiet)
    made = generation.make(
        planned.requests,
        out,
        batch_generate.settings_of(options),
        on_progress=tell.progress,
        on_failure=batch_generate.tell_failure,
    )
    done = {o.name: o.files for o in made.outcomes if o.status != FAILED}
    return done, len(made.outcomes) - len(done)


def _carried(options: argparse.Namespace, items: Sequence[RenderItem]) -> dict[str, bytes]:
    """Content of the characters, for workers that do not see this machine's files."""
    if not options.collect:
        return {}
    paths = {item.settings.character for item in items}
    return {path: Path(path).read_bytes() for path in sorted(p for p in paths if p)}


def _is_part(options: argparse.Namespace) -> bool:
    return bool(options.only or options.frames)


def _part_id(options: argparse.Namespace) -> str:
    """One for each part of a farm's job: parts share no journal, summary or lock."""
    text = json.dumps([sorted(options.only or ()), options.frames])
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def _sample_names(jobs: list[Job]) -> list[str]:
    from ..batch.job_file import sample_names

    return [name for job in jobs for name in sample_names(job)]
