"""What the loop of :mod:`.drive` needs of an engine, and the engine of this machine's processes."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Generic, Protocol

from ..errors import KinetypeError, ServiceError
from .work import Chunk, ItemT, Outcome, Work

THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""One thread a worker, also where there is only one, so that bits do not depend on their number."""

STOP_SECONDS = 12.0
"""For a worker to end by itself; longer than Blender has for its last frame."""


@dataclass(frozen=True)
class Event:
    """News of a worker.

    Attributes:
        worker: its number, from 0.
        kind: ready (loaded), done (``outcomes`` of its chunk), raised (``message``: the chunk made
            it raise), broken (it cannot load: ``message``, ``hint``) or died.
    """

    worker: int
    kind: str
    outcomes: tuple[Outcome, ...] = ()
    message: str = ""
    hint: str = ""


class Engine(Protocol[ItemT]):
    """Workers that each hold the loaded work and do one chunk at a time."""

    @property
    def count(self) -> int:
        """How many workers there are."""

    def start(self, worker: int) -> None:
        """Start a worker, or start it again after it died; a ready event follows."""

    def give(self, worker: int, chunk: Chunk[ItemT]) -> None:
        """Hand a chunk to a worker that is ready or done."""

    def events(self, seconds: float) -> list[Event]:
        """What happened, waiting up to ``seconds`` for the first."""

    def kill(self, worker: int) -> None:
        """End a worker that hangs; a died event follows."""

    def stop(self) -> None:
        """End all workers."""


def serve(pipe: Connection, work: Work[ItemT]) -> None:
    """Main function of a worker process; SIGTERM ends it after what it began is removed."""
    _follow_parent()
    with contextlib.suppress(KeyboardInterrupt):
        event = load_event(0, work)
        pipe.send(event)
        while event.kind != "broken":
            chunk = pipe.recv()
            if chunk is None:
                return
            pipe.send(run_event(0, work, chunk))


def load_event(worker: int, work: Work[ItemT]) -> Event:
    """Load the work in the process of a worker."""
    try:
        work.load()
    except KinetypeError as error:
        return Event(worker, "broken", message=error.message, hint=error.hint)
    except Exception:
        return Event(worker, "broken", message=traceback.format_exc(limit=-3))
    return Event(worker, "ready")


def run_event(worker: int, work: Work[ItemT], chunk: Chunk[ItemT]) -> Event:
    """Do a chunk in the process of a worker."""
    try:
        return Event(worker, "done", tuple(work.run(chunk.items)))
    except MemoryError:
        return Event(worker, "raised", message="There was not enough memory.")
    except KinetypeError as error:
        return Event(worker, "raised", message=error.message, hint=error.hint)
    except Exception as error:
        return Event(worker, "raised", message=f"Unexpected {type(error).__name__}: {error}")


def _follow_parent() -> None:
    """In a worker: leave Ctrl-C to the parent, and end when the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _interrupt)
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _interrupt(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for the processes that the block starts."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@dataclass
class LocalEngine(Generic[ItemT]):
    """Processes on this machine, one thread each.

    Attributes:
        work: what they do.
        count: how many.
        gpus: with 1 or more, worker i sees only GPU ``i % gpus``.
    """

    work: Work[ItemT]
    count: int
    gpus: int = 0
    _context: SpawnContext = field(default_factory=lambda: multiprocessing.get_context("spawn"))
    _pipes: dict[int, Connection] = field(default_factory=dict)
    _processes: dict[int, SpawnProcess] = field(default_factory=dict)
    _busy: set[int] = field(default_factory=set)

    def start(self, worker: int) -> None:
        """See :class:`Engine`."""
        self._end(worker)
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=serve, args=(theirs, self.work), daemon=True)
        shown = {"CUDA_VISIBLE_DEVICES": str(worker % self.gpus)} if self.gpus else {}
        with _environment({**THREADS, **shown}):
            process.start()
        theirs.close()
        self._pipes[worker], self._processes[worker] = ours, process

    def give(self, worker: int, chunk: Chunk[ItemT]) -> None:
        """See :class:`Engine`."""
        self._busy.add(worker)
        # one that has just died is found by its closed pipe
        with contextlib.suppress(OSError):
            self._pipes[worker].send(chunk)

    def events(self, seconds: float) -> list[Event]:
        """See :class:`Engine`."""
        numbers = {id(pipe): worker for worker, pipe in self._pipes.items()}
        found = []
        for pipe in wait(list(self._pipes.values()), seconds):
            worker = numbers[id(pipe)]
            try:
                event = self._pipes[worker].recv()
            except (EOFError, OSError):
                self._end(worker)
                found.append(Event(worker, "died"))
                continue
            self._busy.discard(worker)
            found.append(replace(event, worker=worker))
            if event.kind == "broken":
                self._end(worker)
        return found

    def kill(self, worker: int) -> None:
        """See :class:`Engine`."""
        process = self._processes.get(worker)
        if process is not None:
            process.kill()

    def stop(self) -> None:
        """See :class:`Engine`."""
        for worker, pipe in self._pipes.items():
            with contextlib.suppress(OSError):
                pipe.send(None)
            if worker in self._busy:  # it removes what it began
                self._processes[worker].terminate()
        until = time.monotonic() + STOP_SECONDS
        for process in self._processes.values():
            process.join(max(0.0, until - time.monotonic()))
        for worker in list(self._processes):
            self._end(worker)

    def _end(self, worker: int) -> None:
        process, pipe = self._processes.pop(worker, None), self._pipes.pop(worker, None)
        self._busy.discard(worker)
        if pipe is not None:
            pipe.close()
        if process is not None:
            process.kill()
            process.join()
            process.close()


@dataclass
class HereEngine(Generic[ItemT]):
    """One worker in this very process, for short work: nothing is started, nothing protected."""

    work: Work[ItemT]
    count: int = 1
    _waiting: list[Event] = field(default_factory=list)

    def start(self, worker: int) -> None:
        """See :class:`Engine`."""
        self._waiting.append(load_event(worker, self.work))

    def give(self, worker: int, chunk: Chunk[ItemT]) -> None:
        """See :class:`Engine`."""
        self._waiting.append(run_event(worker, self.work, chunk))

    def events(self, seconds: float) -> list[Event]:
        """See :class:`Engine`."""
        found, self._waiting = self._waiting, []
        return found

    def kill(self, worker: int) -> None:
        """Nothing can end a chunk of this process."""

    def stop(self) -> None:
        """Nothing runs."""


def all_broken(messages: Sequence[Event]) -> ServiceError:
    """The error of a run none of whose workers could load its work."""
    first = messages[0]
    return ServiceError(
        f"No worker could start: {first.message}",
        first.hint or "Run the same with 'kinetype generate' to see where it fails.",
    )
