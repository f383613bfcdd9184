"""One stage of a run into a folder: what is kept, what workers do, the journal and the summary."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

from .. import __version__
from ..errors import OutputError
from ..motion.io.atomic import atomic_path
from . import drive, journal
from .work import DONE, FAILED, KEPT, Named, Outcome, Work, cut
from .workers import Workers

SUMMARY = "run_summary.json"
SHOWN_FAILURES = 100


@dataclass(frozen=True)
class Made:
    """What a stage did: an outcome for each of its items, in order, and how long it took."""

    outcomes: list[Outcome]
    progress: drive.Progress
    wall_seconds: float


class Keyed(Named, Protocol):
    """An item with the digest of all that its files depend on."""

    @property
    def key(self) -> str: ...


KeyedT = TypeVar("KeyedT", bound=Keyed)


@dataclass(frozen=True)
class Stage:
    """Items with keys that are kept, or done by workers and noted in a journal.

    Attributes:
        out: run folder, absolute; whoever calls holds its lock.
        journal: name of the journal in it.
        chunk: items that a worker takes at a time.
    """

    out: Path
    journal: str
    workers: Workers
    chunk: int
    on_progress: Callable[[drive.Progress], None]
    on_failure: Callable[[Outcome], None]

    def make(self, items: Sequence[KeyedT], work: Work[KeyedT]) -> Made:
        """Do what an earlier run has not done with the same key.

        Raises:
            OutputError: the journal cannot be read. ServiceError: no worker could start.
        """
        started = time.monotonic()
        log = self.out / self.journal
        known = journal.read(log, Outcome)
        journal.end_torn_line(log)
        found = {item.name: kept for item in items if (kept := _kept(item, known, self.out))}
        waiting = [item for item in items if item.name not in found]

        def note(outcomes: Sequence[Outcome]) -> None:
            for outcome in outcomes:
                found[outcome.name] = outcome
                with contextlib.suppress(OutputError):  # a full disk: it is made again next time
                    journal.append(log, outcome)
                if outcome.status == FAILED:
                    self.on_failure(outcome)

        progress = drive.Progress(0)
        if waiting:
            progress = drive.execute(
                self.workers.of(work),
                list(cut(waiting, self.chunk)),
                on_outcomes=note,
                on_progress=self.on_progress,
                patience=self.workers.patience,
            )
        seconds = time.monotonic() - started
        return Made([found[item.name] for item in items], progress, round(seconds, 2))


def write_summary(summary: dict[str, object], out: Path) -> None:
    """``run_summary.json``, whole or not at all; where it cannot be, ``unwritten`` says why."""
    try:
        with atomic_path(out / SUMMARY) as temporary:
            temporary.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    except OutputError as error:
        summary["unwritten"] = f"{error.message} {error.hint}"


def _kept(item: Keyed, known: dict[str, Outcome], out: Path) -> Outcome | None:
    record = known.get(item.name)
    if record is None or record.key != item.key or record.status == FAILED:
        return None
    if not record.files and record.record is None:
        return None
    if not all((out / name).is_file() for name in record.files):
        return None
    return replace(record, status=KEPT, seconds=0.0)


def summarise(made: Made, workers: Workers) -> dict[str, object]:
    """Counts, speed and failures, as plain JSON values."""
    outcomes, progress = made.outcomes, made.progress
    count = {s: sum(o.status == s for o in outcomes) for s in (DONE, KEPT, FAILED)}
    failures = [
        {"name": o.name, "message": o.message, "hint": o.hint, "quarantined": o.quarantined}
        for o in outcomes
        if o.status == FAILED
    ]
    return {
        "jobs": len(outcomes),
        **count,
        "files": sum(len(o.files) for o in outcomes),
        "engine": workers.engine,
        "workers": workers.count,
        "start_seconds": round(progress.started, 2),
        "seconds": round(progress.seconds, 2),
        "jobs_per_second": round(progress.rate, 3),
        "by_worker": {str(w): n for w, n in sorted(progress.by_worker.items())},
        "failures": failures[:SHOWN_FAILURES],
        "wall_seconds": made.wall_seconds,
        "version": __version__,
    }
