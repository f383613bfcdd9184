"""What every long command looks at before it starts: is there room for what it will make?"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from ..errors import OutputError
from ..wire import limits
from .job_file import Job, sample_names

MOTION_BYTES = 25_000
"""Of a second of motion_135 as .npz, with its AMASS keys; measured 19,000."""
SPARE_BYTES = 20_000_000


def motion_bytes(jobs: Sequence[Job]) -> int:
    """Bytes that the motions of jobs take, rather too many."""
    return round(sum(seconds_of(j) * len(sample_names(j)) for j in jobs) * MOTION_BYTES)


def seconds_of(job: Job) -> float:
    """Length that a job asks for, within what any can."""
    seconds = job.request.get("seconds")
    number = isinstance(seconds, int | float) and seconds >= limits.MIN_SECONDS
    return min(float(str(seconds)), limits.MAX_SECONDS) if number else limits.DEFAULT_SECONDS


def free_bytes(folder: Path) -> int:
    """Free space of the disk of a folder that may not be there yet."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def check_space(out: Path, needed: int) -> None:
    """:class:`OutputError` where the disk of ``out`` cannot hold ``needed`` bytes more."""
    there = free_bytes(out)
    if there < needed + SPARE_BYTES:
        raise OutputError(
            f"{out} needs about {_size(needed)}, and {_size(there)} are free.",
            "Free some space, choose another folder, or make less in one run.",
        )


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
