"""The backend inside this Python: the same engine and queue as the service, on a worker thread.

Only for a Python that has torch. Nothing of the backend is imported on the main thread.
"""

from __future__ import annotations

import atexit
import os
import platform
import queue
import threading
from pathlib import Path
from typing import Any

from .. import backend_access
from ..backend_access import (
    VERSION,
    Cancelled,
    Failure,
    InternalError,
    Models,
    ModelTask,
    Request,
    codec,
    control,
)
from .logfile import LogFile
from .session import RESTART_HINT, STOP_SECONDS, Link, Session, internal_error

CLOSE_SECONDS = 60.0
"""How long the background thread looks after a step that does not notice its cancel."""


class InProcessSession(Session):
    """Runs the engine on a thread of this process.

    Args:
        device: "cpu", "cuda", "cuda:1" or "mps"; the best there is when None.
        threads: CPU threads of torch; a sensible number when None.
        log_path: rotating file for failures.
    """

    def __init__(
        self,
        *,
        device: str | None = None,
        threads: int | None = None,
        log_path: Path | str | None = None,
    ) -> None:
        super().__init__(LogFile(log_path))
        self.options: dict[str, Any] = {"device": device, "threads": threads}

    def _new_link(self) -> Link:
        return _LocalLink(self)


class _LocalLink:
    """One engine and its job queue; a thread imports and builds them, then hands out messages."""

    def __init__(self, session: InProcessSession) -> None:
        self._session = session
        self._incoming: queue.SimpleQueue[codec.Message | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kinetype-backend", daemon=True)

    def open(self) -> None:
        # a thread that still frees tensors while the interpreter ends would abort the process
        atexit.register(self.close, STOP_SECONDS)
        self._thread.start()

    def send(self, message: codec.Message) -> None:
        self._incoming.put(message)

    def close(self, timeout: float) -> None:
        atexit.unregister(self.close)
        self._closing.set()
        self._incoming.put(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        try:
            self._serve()
        except ImportError as error:
            problem = InternalError(f"The backend cannot be loaded: {error}.", RESTART_HINT)
            self._session._ended(self, problem)
        except Exception as error:  # a bug; without this the session would wait for ever
            self._session._ended(self, internal_error(error))

    def _serve(self) -> None:
        backend = backend_access.load_service()
        options = self._session.options
        jobs = backend.jobs.JobQueue(lambda: backend.engine.Engine(**options), self._emit)
        tasks = backend.jobs.JobQueue(
            backend.library.Librarian, self._emit, abandon_seconds=backend.jobs.ABANDON_SECONDS
        )
        try:
            self._emit(control.Ready(VERSION, os.getpid(), platform.node()))
            while (message := self._incoming.get()) is not None and not self._closing.is_set():
                if isinstance(message, Request):
                    jobs.submit(message)
                elif isinstance(message, ModelTask):
                    tasks.submit(message)
                elif isinstance(message, control.Cancel):
                    jobs.cancel(message.id)
                    tasks.cancel(message.id)
                elif isinstance(message, control.ListModels):
                    self._emit(Models(message.id, tuple(backend.registry.list_models())))
        finally:
            tasks.close(CLOSE_SECONDS)
            jobs.close(CLOSE_SECONDS)

    def _emit(self, message: codec.Message) -> None:
        if isinstance(message, Failure) and message.code != Cancelled.code:
            self._session.log.add(f"{message.message}\n{message.detail}")
        self._session._received(self, message)
