"""One queue, one worker thread: what the stdio server and the in-process session share.

A job is a :class:`Request` or a :class:`ModelTask`. It ends with exactly one :class:`Result`,
:class:`TaskDone` or :class:`Failure`, handed to ``emit`` on the worker thread (on another one for a
job that never ran, or that did not notice its cancel).
"""

from __future__ import annotations

import contextlib
import logging
import threading
import traceback
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from ..errors import Cancelled, InternalError, InvalidRequest, KinetypeError, ServiceError
from ..store import watch
from ..wire.codec import Message
from ..wire.messages import Failure, Progress, Request, Result
from ..wire.tasks import ModelTask, TaskDone

MAX_QUEUED = 64
ABANDON_SECONDS = 0.35
"""For work beside the engine: a cancel that is not noticed by then is answered without it."""

_log = logging.getLogger(__name__)


Job = TypeVar("Job", contravariant=True)


class Runner(Protocol[Job]):
    """What a worker needs of an engine."""

    def run(
        self, job: Job, on_progress: Callable[[Progress], None] | None = None, /
    ) -> Result | TaskDone:
        """The result, or a :class:`KinetypeError`."""


Queued = TypeVar("Queued", Request, ModelTask)


class JobQueue(Generic[Queued]):
    """Runs jobs one after the other, first come first served.

    Args:
        make_engine: called once on the worker thread, before the first job.
        emit: takes every :class:`Progress`, :class:`Result` and :class:`Failure`; must not block
            for long and must be safe to call from two threads.
        abandon_seconds: a job that has not noticed its cancel by then is answered without it; what
            it makes is dropped when it comes. Without it the answer waits for the job.
    """

    def __init__(
        self,
        make_engine: Callable[[], Runner[Queued]],
        emit: Callable[[Message], None],
        *,
        abandon_seconds: float | None = None,
    ) -> None:
        self._make_engine: Callable[[], Runner[Queued]] = make_engine
        self._emit = emit
        self._abandon_seconds = abandon_seconds
        self._engine: Runner[Queued] | None = None
        self._waiting: deque[Queued] = deque()
        self._running: Queued | None = None
        self._cancelled = threading.Event()
        self._abandoned = False
        self._closing = False
        self._changed = threading.Condition()
        self._worker = threading.Thread(target=self._work, name="kinetype-worker", daemon=True)
        self._worker.start()

    def submit(self, request: Queued) -> None:
        """Queue a job; what is wrong with it comes back as its :class:`Failure`."""
        with self._changed:
            problem = self._problem(request)
            if problem is None:
                self._waiting.append(request)
                self._changed.notify()
        if problem is not None:
            self._emit(Failure.from_error(request.id, problem))

    def cancel(self, request_id: str) -> None:
        """Drop a queued job now, stop a running one at its next step; others are ignored."""
        with self._changed:
            dropped = [job for job in self._waiting if job.id == request_id]
            for job in dropped:
                self._waiting.remove(job)
            if self._running is not None and self._running.id == request_id:
                self._cancelled.set()
                if self._abandon_seconds is not None:
                    given_up = threading.Timer(self._abandon_seconds, self._abandon, [request_id])
                    given_up.daemon = True
                    given_up.start()
        for job in dropped:
            self._emit(Failure.from_error(job.id, _cancelled()))

    def close(self, timeout: float) -> bool:
        """Drop what waits, stop what runs; True when the worker ended in ``timeout`` seconds."""
        with self._changed:
            self._closing = True
            dropped = list(self._waiting)
            self._waiting.clear()
            self._cancelled.set()
            self._changed.notify()
        for job in dropped:
            self._emit(Failure.from_error(job.id, _cancelled()))
        self._worker.join(timeout)
        return not self._worker.is_alive()

    def _abandon(self, request_id: str) -> None:
        with self._changed:
            running = self._running is not None and self._running.id == request_id
            if not running or self._abandoned:
                return
            self._abandoned = True
        self._emit(Failure.from_error(request_id, _cancelled()))

    def _problem(self, request: Queued) -> KinetypeError | None:
        if self._closing:
            return ServiceError("The backend is stopping.", "Press Restart.")
        known = {job.id for job in self._waiting}
        if self._running is not None:
            known.add(self._running.id)
        if request.id in known:
            return InvalidRequest("This request is already being worked on.", "Wait for it.")
        if len(self._waiting) >= MAX_QUEUED:
            return ServiceError(
                f"{MAX_QUEUED} requests are waiting already.", "Wait for them, or cancel some."
            )
        return None

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if self._closing:
                    return
                job = self._running = self._waiting.popleft()
                self._cancelled.clear()
            outcome = self._run(job)
            with self._changed:
                answered, self._abandoned = self._abandoned, False
                self._running = None
            if not answered:
                self._deliver(job, outcome)

    def _deliver(self, job: Queued, outcome: Message) -> None:
        """Hand out an outcome; where it cannot be sent (JSON too deep, no memory), say that."""
        try:
            self._emit(outcome)
        except BaseException as error:
            _log.exception("the outcome of %s cannot be sent", job.id)
            plain = InternalError(
                f"The result cannot be sent: {type(error).__name__}.", "Look into the log."
            )
            with contextlib.suppress(Exception):
                self._emit(Failure.from_error(job.id, plain))

    def _run(self, job: Queued) -> Message:
        try:
            if self._engine is None:
                self._engine = self._make_engine()
            with watch.cancellable(self._check):
                result = self._engine.run(job, self._step)
            self._check()
            return result
        except KinetypeError as error:
            return Failure.from_error(job.id, error)
        except BaseException as error:
            # also what is no Exception: a library that calls sys.exit, or whose Rust code panics,
            # must not end the worker, which would leave every later request without an answer
            return Failure.from_error(job.id, internal_error(error))

    def _step(self, progress: Progress) -> None:
        self._check()
        self._emit(progress)

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise _cancelled()


def internal_error(error: BaseException) -> InternalError:
    """An unexpected exception as one of ours: one line for people, the traceback in ``detail``."""
    return InternalError(
        f"Something went wrong inside Kinetype: {type(error).__name__}: {error}".strip(": "),
        "Please report this with the log.",
        "".join(traceback.format_exception(error)),
    )


def _cancelled() -> Cancelled:
    return Cancelled("Cancelled.")
