"""The loop that gives chunks to workers: retries, quarantine, progress. It knows no engine."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic

from ..errors import InvalidRequest
from .engine import Engine, Event, all_broken
from .work import FAILED, Chunk, ItemT, Outcome

TRIES = 3
"""How often a chunk may end or confuse its worker before its items are tried alone."""
TRIES_ALONE = 2
STARTS = 5
"""How often in a row a worker may die before it has done anything."""
POLL_SECONDS = 0.2

_GIVEN_UP = "It ended its worker process each time it was tried"
_GIVEN_UP_HINT = (
    "It may need more memory than there is. Try it alone with 'kinetype generate'; the others of "
    "the run are not affected."
)


@dataclass
class Progress:
    """How far a run is.

    Attributes:
        total, done, failed: items; ``done`` counts what this run made.
        started: seconds from the start of the run to the first worker that was ready.
        seconds: since that moment.
        by_worker: items that each worker did.
    """

    total: int
    done: int = 0
    failed: int = 0
    started: float = 0.0
    seconds: float = 0.0
    by_worker: Counter[int] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Items per second, start-up not counted."""
        return (self.done + self.failed) / self.seconds if self.seconds > 0 else 0.0

    @property
    def remaining(self) -> float | None:
        """Seconds that are left at this rate; None before the first item."""
        left = self.total - self.done - self.failed
        return left / self.rate if self.rate > 0 else None

    def line(self) -> str:
        """For a terminal: done, failed, what is left, and how much each worker does."""
        left = self.remaining
        eta = "" if left is None else f", {left:.0f} s left"
        each = " ".join(
            f"#{worker} {count / self.seconds:.2f}/s"
            for worker, count in sorted(self.by_worker.items())
            if self.seconds > 0
        )
        return f"{self.done}/{self.total} done, {self.failed} failed, {self.rate:.2f}/s{eta}" + (
            f" ({each})" if len(self.by_worker) > 1 else ""
        )


@dataclass
class _Task(Generic[ItemT]):
    chunk: Chunk[ItemT]
    tries: int = 0

    @property
    def allowed(self) -> int:
        return TRIES if len(self.chunk.items) > 1 else TRIES_ALONE


class Drive(Generic[ItemT]):
    """One run; see :func:`execute`."""

    def __init__(
        self,
        engine: Engine[ItemT],
        chunks: Sequence[Chunk[ItemT]],
        on_outcomes: Callable[[Sequence[Outcome]], None],
        on_progress: Callable[[Progress], None],
        patience: float | None,
    ) -> None:
        self.engine, self.patience = engine, patience
        self.on_outcomes, self.on_progress = on_outcomes, on_progress
        self.waiting: deque[_Task[ItemT]] = deque(_Task(chunk) for chunk in chunks)
        self.busy: dict[int, tuple[_Task[ItemT], float]] = {}
        self.idle: set[int] = set()
        self.starts: Counter[int] = Counter()
        self.broken: list[Event] = []
        self.progress = Progress(sum(len(chunk.items) for chunk in chunks))
        self.began = time.monotonic()
        self.ready_at: float | None = None

    def run(self) -> None:
        """Until all is done, or no worker is left."""
        workers = min(self.engine.count, len(self.waiting))
        for worker in range(workers):
            self._start(worker)
        while self.waiting or self.busy:
            for event in self.engine.events(POLL_SECONDS):
                self._take(event)
            if len(self.broken) == workers:
                raise all_broken(self.broken)
            while self.waiting and self.idle:
                worker = min(self.idle)
                self.idle.discard(worker)
                task = self.waiting.popleft()
                self.busy[worker] = (task, time.monotonic())
                self.engine.give(worker, task.chunk)
            self._end_hanging()
            self._tell()

    def _start(self, worker: int) -> None:
        self.starts[worker] += 1
        self.engine.start(worker)

    def _take(self, event: Event) -> None:
        worker = event.worker
        if event.kind == "ready":
            self.ready_at = self.ready_at or time.monotonic()
            self.idle.add(worker)
        elif event.kind == "broken":
            self.broken.append(event)
        elif event.kind == "done":
            self.starts[worker] = 0
            task, _ = self.busy.pop(worker)
            self.idle.add(worker)
            self._count(worker, event.outcomes)
            assert len(event.outcomes) == len(task.chunk.items)
        elif event.kind == "raised":
            self._again(worker, event.message, event.hint)
            self.idle.add(worker)
        else:  # died
            self.idle.discard(worker)
            self._again(worker)
            if self.starts[worker] >= STARTS:
                self.broken.append(Event(worker, "broken", message="it ended each time it started"))
            elif self.waiting or self.busy:
                self._start(worker)

    def _again(self, worker: int, message: str = "", hint: str = "") -> None:
        """A chunk that did not come back: try it again, then its items alone, then give them up."""
        found = self.busy.pop(worker, None)
        if found is None:
            return
        task, _ = found
        task.tries += 1
        items = task.chunk.items
        if task.tries < task.allowed:
            self.waiting.appendleft(task)
        elif len(items) > 1:
            alone = [_Task(Chunk(task.chunk.index, (item,))) for item in items]
            self.waiting.extendleft(reversed(alone))
        else:
            text = message or f"{_GIVEN_UP}."
            given_up = Outcome(
                items[0].name, FAILED, message=text, hint=hint or _GIVEN_UP_HINT, quarantined=True
            )
            self._count(worker, (given_up,))

    def _count(self, worker: int, outcomes: Sequence[Outcome]) -> None:
        failed = sum(outcome.status == FAILED for outcome in outcomes)
        self.progress.failed += failed
        self.progress.done += len(outcomes) - failed
        self.progress.by_worker[worker] += len(outcomes)
        self.on_outcomes(outcomes)

    def _end_hanging(self) -> None:
        if self.patience is None:
            return
        now = time.monotonic()
        for worker, (task, since) in self.busy.items():
            if now - since > self.patience * len(task.chunk.items):
                self.engine.kill(worker)

    def _tell(self) -> None:
        if self.ready_at is not None:
            self.progress.started = self.ready_at - self.began
            self.progress.seconds = time.monotonic() - self.ready_at
        self.on_progress(self.progress)


def execute(
    engine: Engine[ItemT],
    chunks: Sequence[Chunk[ItemT]],
    *,
    on_outcomes: Callable[[Sequence[Outcome]], None],
    on_progress: Callable[[Progress], None] = lambda _: None,
    patience: float | None = None,
) -> Progress:
    """Have an engine do all chunks; every item gets exactly one outcome.

    Each worker has at most one chunk. A chunk whose worker dies, hangs or raises is tried
    ``TRIES`` times as it is (the death may have been an accident, and the bits stay the same), then
    its items alone; an item that ends its worker alone too is given up and named.

    Args:
        on_outcomes: called on this thread with the outcomes of each chunk as it ends; the files are
            there by then.
        patience: seconds that one item may take before its worker is ended; any time when None.

    Raises:
        ServiceError: no worker could load its work, or each died whenever it was started.
        InvalidRequest: the engine has no workers.
    """
    if engine.count < 1:
        raise InvalidRequest(f"{engine.count} workers do nothing.", "Use 1 or more.")
    drive = Drive(engine, chunks, on_outcomes, on_progress, patience)
    try:
        drive.run()
    finally:
        engine.stop()
    return drive.progress
