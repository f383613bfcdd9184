"""``kinetype batch generate``: a list of prompts or a job file to one npz a sample."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..wire import limits
from . import console, motion_options

if TYPE_CHECKING:
    from ..batch import generation
    from ..batch.drive import Progress
    from ..batch.job_file import Job
    from ..batch.work import Outcome
    from ..batch.workers import Workers

HELP = "prompts or a job file to one npz a sample, with several workers, GPUs or machines"
LINE_SECONDS = 2.0
SHOWN_ALIKE = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    from ..batch import job_file

    parser.epilog = f"Keys of a job file (JSON or YAML list, CSV table): {job_file.key_help()}."
    parser.add_argument("--prompts", type=Path, metavar="FILE",
                        help="one prompt a line, or a job file (.json, .csv, .yaml)")  # fmt: skip
    parser.add_argument("--jobs", type=Path, metavar="FILE", help="a job file, whatever its suffix")
    parser.add_argument("--out", type=Path, required=True, help="run folder")
    parser.add_argument("--check", action="store_true",
                        help="read and check everything, make nothing")  # fmt: skip
    parser.add_argument("--seconds", type=float, default=limits.DEFAULT_SECONDS,
                        help="of jobs that do not say it (default %(default)g)")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0,
                        help="likewise; a prompt that is repeated gets new ones")  # fmt: skip
    parser.add_argument("--samples", type=int, default=1, help="likewise")
    parser.add_argument("--model", default=limits.DEFAULT_MODEL, help="likewise")
    motion_options.add_quality(parser)
    parser.add_argument("--chunk", type=int, default=4, help="jobs that a worker takes at a time")
    add_engine(parser)
    parser.add_argument("--device", help="cpu, cuda ... (default: the best a worker sees)")
    parser.add_argument("--offline", action="store_true", help="never use the network")
    parser.add_argument("--quiet", action="store_true", help="no progress lines")


def add_engine(parser: argparse.ArgumentParser) -> None:
    """The options that say who does the work."""
    parser.add_argument("--engine", choices=("local", "ray"), default="local",
                        help="processes of this machine, or actors of a Ray cluster")  # fmt: skip
    parser.add_argument("--workers", type=int, default=1, help="how many, one thread each")
    parser.add_argument("--gpus", type=int, default=0, help="GPUs to share among the workers")
    parser.add_argument("--address", help="Ray cluster to join, 'auto' for this machine's "
                        "(default: start one for this run)")  # fmt: skip
    parser.add_argument("--collect", action="store_true",
                        help="for machines that do not see --out: bring the files")  # fmt: skip
    parser.add_argument("--patience", type=float, metavar="SECONDS",
                        help="end a worker that takes longer over one job")  # fmt: skip


def workers_of(options: argparse.Namespace, *, here: bool = False) -> Workers:
    """The options of :func:`add_engine`."""
    from ..batch.workers import Workers

    return Workers(
        options.engine, options.workers, options.gpus, options.address, options.collect,
        options.patience, here,
    )  # fmt: skip


def read_jobs(options: argparse.Namespace) -> list[Job]:
    """The jobs that the options name; says which of them would make the same motion."""
    from ..batch import job_file

    defaults: dict[str, job_file.Value] = {
        name: getattr(options, name) for name in ("seconds", "seed", "samples", "model", "quality")
    }
    prompts, jobs = options.prompts, options.jobs
    if prompts is not None and prompts.suffix.lower() in job_file.SUFFIXES and jobs is None:
        prompts, jobs = None, prompts
    listed = job_file.read_jobs(prompts, jobs, defaults)
    for first, second in job_file.alike(listed)[:SHOWN_ALIKE]:
        console.warning(f"{second} will be the same motion as {first}: give it another seed.")
    return listed


def check_folder(options: argparse.Namespace, bytes_needed: int) -> None:
    """:class:`OutputError` where ``--out`` cannot be written or has not enough space."""
    from ..batch import preflight, stage
    from .outputs import check_writable

    check_writable(options.out / stage.SUMMARY)
    preflight.check_space(options.out, bytes_needed)


def settings_of(options: argparse.Namespace) -> generation.Settings:
    """How motions are made."""
    from ..batch import generation

    return generation.Settings(workers_of(options), options.chunk, options.device, options.offline)


def run(options: argparse.Namespace) -> int:
    """Check, make, count; 1 when a job failed."""
    from ..batch import generation, job_file, preflight, stage

    listed = read_jobs(options)
    check_folder(options, preflight.motion_bytes(listed))
    if options.check:
        items, models = generation.plan(listed)
        samples = sum(len(job_file.sample_names(item.job)) for item in items)
        print(json.dumps({"jobs": len(items), "samples": samples, "models": len(models)}))
        return 0
    tell = Teller(options.quiet)
    summary = generation.run(
        listed,
        options.out,
        settings_of(options),
        on_progress=tell.progress,
        on_failure=tell_failure,
    )
    console.note(
        f"{summary['done']} made, {summary['kept']} kept, {summary['failed']} failed; "
        f"{summary['jobs_per_second']} jobs/s after {summary['start_seconds']} s of start-up"
    )
    return finish(summary, options.out / stage.SUMMARY)


def finish(summary: dict[str, object], path: Path, *, failed: int = 0) -> int:
    """Print where the summary is; the exit code."""
    from .main import EXIT_FAILED

    unwritten = summary.get("unwritten")
    if unwritten is not None:
        console.error(str(unwritten))
    else:
        print(path)
    return EXIT_FAILED if failed or summary["failed"] or unwritten is not None else 0


class Teller:
    """A line now and then; a terminal and a log file are served alike."""

    def __init__(self, quiet: bool) -> None:
        self.quiet, self.last, self.line = quiet, time.monotonic(), ""

    def progress(self, progress: Progress) -> None:
        """Say how far a run is."""
        line = progress.line()
        if self.quiet or line == self.line or time.monotonic() - self.last < LINE_SECONDS:
            return
        self.last, self.line = time.monotonic(), line
        console.note(line)


def tell_failure(outcome: Outcome) -> None:
    """One job that failed."""
    console.error(f"{outcome.name}: {outcome.message}", outcome.hint)
