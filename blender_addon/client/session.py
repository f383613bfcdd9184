"""What the add-on holds: a session that takes requests and yields events, never waiting.

Everything that may block runs on threads of the link behind the session. The main thread calls
:meth:`Session.submit` and, from one timer, :meth:`Session.events`.
"""

from __future__ import annotations

import queue
import threading
import traceback
import uuid
from abc import ABC, abstractmethod
from typing import Literal, Protocol

from ..backend_access import (
    Failure,
    InternalError,
    InvalidRequest,
    KinetypeError,
    Models,
    ModelTask,
    Progress,
    Request,
    Result,
    ServiceError,
    TaskDone,
    codec,
    control,
)
from . import replies
from .logfile import LogFile

State = Literal["stopped", "starting", "ready", "busy", "dead"]
Event = Progress | Result | TaskDone | Failure | Models | control.Ready | control.Log
"""What :meth:`Session.events` yields. A :class:`Failure` with an empty id is about the backend
itself, not about one request."""

RESTART_HINT = "Press Restart."
STOP_SECONDS = 3.0
MAX_EVENTS = 1000
"""Progress and other news that wait to be looked at; more of it is left out."""


class Link(Protocol):
    """One life of a backend; a session that restarts drops it and makes another."""

    def open(self) -> None:
        """Start without waiting."""

    def send(self, message: codec.Message) -> None:
        """Send without waiting."""

    def close(self, timeout: float) -> None:
        """Tell it to end, and kill what has not ended after ``timeout`` seconds."""


class Session(ABC):
    """Requests in, events out; one subclass per way to reach a backend.

    Args:
        log: what the backend printed.
    """

    def __init__(self, log: LogFile) -> None:
        self.log = log
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._lock = threading.RLock()
        self._link: Link | None = None
        self._ready = False
        self._error: KinetypeError | None = None
        self._asked: dict[str, Request | ModelTask] = {}
        self._cancelling: dict[str, bool] = {}

    @property
    def state(self) -> State:
        """ "stopped", "starting", "ready", "busy" (jobs in flight) or "dead" (needs a restart)."""
        with self._lock:
            if self._error is not None:
                return "dead"
            if self._link is None:
                return "stopped"
            if not self._ready:
                return "starting"
            return "busy" if self._cancelling else "ready"

    @property
    def error(self) -> KinetypeError | None:
        """Why the session is dead, or None."""
        return self._error

    @property
    def in_flight(self) -> tuple[str, ...]:
        """Ids of the requests that have not ended, oldest first."""
        with self._lock:
            return tuple(self._cancelling)

    def start(self) -> None:
        """Start the backend in the background; nothing happens if it runs already."""
        with self._lock:
            if self._link is not None:
                return
            self._error, self._ready = None, False
            self._link = self._new_link()
            self._link.open()

    def submit(self, request: Request) -> str:
        """Send a request and return its id; starts a stopped backend.

        Raises:
            InvalidRequest: a value out of its limits, or the same request twice at once.
            ServiceError: the backend is dead.
        """
        return self._send_job(request.validated())

    def submit_task(self, task: ModelTask) -> str:
        """As :meth:`submit`, for something to do with a model's files; it ends with a
        :class:`TaskDone` or a :class:`Failure`.
        """
        return self._send_job(task.validated())

    def _send_job(self, job: Request | ModelTask) -> str:
        with self._lock:
            if job.id in self._cancelling:
                raise InvalidRequest("This request is already being worked on.", "Wait for it.")
            self._live_link().send(job)
            self._asked[job.id], self._cancelling[job.id] = job, False
        return job.id

    def cancel(self, request_id: str) -> None:
        """Ask to stop a request; it then ends with a ``Failure`` of code "cancelled"."""
        with self._lock:
            if self._link is not None and request_id in self._cancelling:
                self._cancelling[request_id] = True
                self._link.send(control.Cancel(request_id))

    def list_models(self) -> str:
        """Ask for the models; a :class:`Models` event with the returned id follows."""
        query = uuid.uuid4().hex
        with self._lock:
            self._live_link().send(control.ListModels(query))
        return query

    def events(self, limit: int = 1000) -> list[Event]:
        """What happened since the last call, at most ``limit`` events; never waits."""
        found: list[Event] = []
        while len(found) < limit:
            try:
                found.append(self._events.get_nowait())
            except queue.Empty:
                break
        return found

    def stop(self, timeout: float = STOP_SECONDS) -> None:
        """End the backend; requests in flight are cancelled.

        Args:
            timeout: seconds to wait for it to end by itself before it is killed; with 0 that
                happens in the background.
        """
        link = self._detach()
        if link is None:
            return
        if timeout > 0.0:
            link.close(timeout)
        else:
            _close_in_background(link)

    def abandon(self) -> None:
        """End a backend that does not answer at once; requests in flight are cancelled."""
        link = self._detach()
        if link is not None:
            _close_in_background(link, 0.0)

    def restart(self) -> None:
        """Start afresh at once; the old backend ends in the background."""
        link = self._detach()
        if link is not None:
            _close_in_background(link)
        self.start()

    def log_tail(self, count: int = 20) -> list[str]:
        """The last lines that the backend printed."""
        return self.log.tail(count)

    @abstractmethod
    def _new_link(self) -> Link:
        """A link that reports to :meth:`_received` and :meth:`_ended`."""

    def _live_link(self) -> Link:
        """The link, started if need be; under the lock, so that it cannot end in between."""
        if self._error is not None:
            raise ServiceError("The backend is not running.", RESTART_HINT, self._error.message)
        self.start()
        assert self._link is not None
        return self._link

    def _detach(self) -> Link | None:
        with self._lock:
            link, self._link = self._link, None
            self._error, self._ready = None, False
            self._fail_all("cancelled", "The backend was stopped.", "", "")
        return link

    def _received(self, link: Link, message: codec.Message) -> None:
        """A message from the backend, on a thread of the link."""
        with self._lock:
            if link is not self._link:
                return
            message = replies.bounded(message)
            if isinstance(message, control.Ready):
                self._ready = True
            elif isinstance(message, control.Log):
                self.log.add(f"{message.level}: {message.text}")
            elif isinstance(message, Progress):
                if self._cancelling.get(message.id, True):
                    return
            elif isinstance(message, Result | TaskDone | Failure):
                if message.id not in self._cancelling:
                    return
                cancelled = self._cancelling.pop(message.id)
                asked = self._asked.pop(message.id)
                if cancelled and isinstance(message, Result):
                    # it was finished when the cancel arrived; the person does not want it
                    message = Failure(message.id, "cancelled", "Cancelled.")
                elif isinstance(message, Result):
                    message = replies.checked(message, asked)
                self._events.put(message)
                return
            elif not isinstance(message, Models):
                return
            # a backend that floods must not fill the memory; what ends a request is never lost
            if self._events.qsize() < MAX_EVENTS:
                self._events.put(message)

    def _ended(self, link: Link, error: KinetypeError) -> None:
        """The backend is gone although nobody stopped it, on a thread of the link."""
        with self._lock:
            if link is not self._link:
                return
            self._link, self._error = None, error
            if not self._cancelling:
                self._events.put(Failure.from_error("", error))
            self._fail_all(error.code, error.message, error.hint, error.detail)

    def _fail_all(self, code: str, message: str, hint: str, detail: str) -> None:
        for request_id in self._cancelling:
            self._events.put(Failure(request_id, code, message, hint, detail))
        self._cancelling.clear()
        self._asked.clear()


def internal_error(error: Exception) -> InternalError:
    """A bug of the client, so that a session ends with a word instead of waiting for ever."""
    return InternalError(
        f"Something went wrong inside Kinetype: {type(error).__name__}: {error}",
        "Please report this with the log.",
        "".join(traceback.format_exception(error)),
    )


def _close_in_background(link: Link, timeout: float = STOP_SECONDS) -> None:
    threading.Thread(target=link.close, args=(timeout,), name="kinetype-stop", daemon=True).start()
