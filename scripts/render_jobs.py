"""What ``render_batch.py`` is asked to do: prompts or a job file as a list of jobs."""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.errors import FormatError, InvalidRequest
from backend.wire import limits

SLUG_LENGTH = 40
MAX_NAME_BYTES = 200
"""File systems allow 255; suffixes and temporary names need some of them."""
_NOT_IN_NAMES = frozenset('/\\:*?"<>|')
_OWN_SUFFIXES = (".npz", ".blend", ".mp4", ".json")
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
        check_name(name)
        jobs.append(Job(name, request))
    names = Counter(name.casefold() for job in jobs for name in sample_names(job))
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise InvalidRequest(
            f"Two jobs are named {twice[0]!r} (capitals do not count).", "Give each its own name."
        )
    return jobs


def check_name(name: object) -> None:
    """:class:`InvalidRequest` unless a name can be the stem of files on every system.

    Blender takes a backslash for a folder everywhere, so it would write outside the output folder.
    """
    if not isinstance(name, str) or not name.isprintable() or set(name) & _NOT_IN_NAMES:
        raise InvalidRequest(
            f"The name {name!r} is not a file name.",
            'Give a text without folders or " * : < > ? |.',
        )
    if len(name.encode()) > MAX_NAME_BYTES:
        raise InvalidRequest(
            f"The name {name[:20]!r}… is too long.", f"Use at most {MAX_NAME_BYTES} bytes."
        )
    if name.endswith((".", " ")) or Path(name).suffix.lower() in _OWN_SUFFIXES:
        raise InvalidRequest(
            f"The name {name!r} ends like a file of the batch.", "Leave the suffix out."
        )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"{path} cannot be read: {error}.", "Give a UTF-8 text file.") from error


def _read_job_file(path: Path) -> list[dict[str, Any]]:
    try:
        entries = json.loads(_read(path), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} is not JSON: {error}.", "Correct it there.") from error
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


def _no_constant(word: str) -> float:
    """Python would read NaN and Infinity, and results.json would hold them."""
    raise ValueError(f"{word} is no number")


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
