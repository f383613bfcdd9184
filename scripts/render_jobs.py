"""What ``render_batch.py`` is asked to do: prompts or a job file as a list of jobs."""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.errors import FormatError, InvalidRequest
from backend.wire import limits

SLUG_LENGTH = 40
JOB_KEYS = (
    "prompt", "seconds", "seed", "samples", "model", "guidance_scale", "steps", "sampler",
    "cleanup", "name",
)  # fmt: skip


@dataclass(frozen=True)
class Job:
    """One request and the stem of its files."""

    name: str
    request: dict[str, Any]  # without id; checked when it is this job's turn


def read_jobs(options: argparse.Namespace) -> list[Job]:
    """Jobs of ``--prompts`` and ``--jobs``, in that order, with the options as defaults.

    Raises:
        InvalidRequest: nothing to do, unknown keys, or two jobs of one name.
        FormatError: a file that cannot be read.
    """
    entries: list[dict[str, Any]] = []
    if options.prompts is not None:
        lines = (line.strip() for line in _read(options.prompts).splitlines())
        entries += [{"prompt": line} for line in lines if line and not line.startswith("#")]
    if options.jobs is not None:
        entries += _read_job_file(options.jobs)
    if not entries:
        raise InvalidRequest("There is nothing to do.", "Give prompts with --prompts or --jobs.")
    defaults = {
        "seconds": options.seconds, "seed": options.seed, "samples": options.samples,
        "model": options.model,
    }  # fmt: skip
    jobs = []
    for index, entry in enumerate(entries):
        request = {**defaults, **entry}
        name = request.pop("name", None) or f"{index:03d}_{slug(str(request['prompt']))}"
        if not isinstance(name, str) or Path(name).name != name or "\0" in name or name == "..":
            raise InvalidRequest(
                f"The name {name!r} is not a file name.", "Give a text without folders."
            )
        jobs.append(Job(name, request))
    names = [name for job in jobs for name in sample_names(job)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidRequest(f"Two jobs are named {twice[0]!r}.", "Give each its own name.")
    return jobs


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"{path} cannot be read: {error}.", "Give a UTF-8 text file.") from error


def _read_job_file(path: Path) -> list[dict[str, Any]]:
    try:
        entries = json.loads(_read(path))
    except ValueError as error:
        raise FormatError(f"{path} is not JSON: {error}.", "") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise FormatError(f"{path} must hold a list of objects.", "See --help.")
    for number, entry in enumerate(entries):
        unknown = sorted(set(entry) - set(JOB_KEYS))
        if unknown or "prompt" not in entry:
            problem = f"unknown keys {unknown}" if unknown else "no prompt"
            raise InvalidRequest(
                f"Job {number} of {path.name} has {problem}.", f"Keys: {', '.join(JOB_KEYS)}."
            )
    return entries


def slug(prompt: str) -> str:
    """A prompt as part of a file name."""
    words = re.sub(r"[^a-z0-9]+", "_", prompt.lower()).strip("_")
    return words[:SLUG_LENGTH].rstrip("_") or "motion"


def sample_names(job: Job) -> list[str]:
    """The stem of the files of each sample of a job."""
    samples = job.request.get("samples", 1)
    if not isinstance(samples, int) or samples <= 1:
        return [job.name]
    return [f"{job.name}_{index:02d}" for index in range(min(samples, limits.MAX_SAMPLES))]
