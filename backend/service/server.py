"""``kinetype serve``: requests on stdin, answers on stdout, everything printed to stderr.

The main thread reads frames, so that a cancel or the end of the stream is seen while a model
runs; a :class:`JobQueue` runs the requests. Nothing listens on a port: whoever holds the two
pipes owns the process, and it ends with them.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import platform
import sys
import threading
from collections.abc import Callable
from typing import BinaryIO, NoReturn

from .. import __version__
from ..errors import FormatError, KinetypeError, ServiceError
from ..pipelines import registry
from ..wire import codec, framing, limits
from ..wire.control import (
    CLIENT_SILENCE_SECONDS,
    HEARTBEAT_SECONDS,
    Cancel,
    Hello,
    ListModels,
    Log,
    Models,
    Ping,
    Pong,
    Ready,
    Shutdown,
    Silence,
)
from ..wire.messages import Failure, Progress, Request
from ..wire.tasks import ModelTask
from .jobs import ABANDON_SECONDS, JobQueue, Runner, internal_error
from .library import Librarian
from .outbox import Outbox

EXIT_OK = 0
EXIT_PROTOCOL = 2
EXIT_CLIENT_GONE = 3
STOP_SECONDS = 1.0
"""How long a running step may take to notice that the client is gone."""

_log = logging.getLogger(__name__)


class Server:
    """Speaks the protocol over two byte streams.

    Args:
        reader: blocking binary stream of frames from the client.
        writer: binary stream for answers; used by one thread (:mod:`.outbox`).
        make_engine: called on the worker thread before the first job.
    """

    def __init__(
        self, reader: BinaryIO, writer: BinaryIO, make_engine: Callable[[], Runner[Request]]
    ) -> None:
        self._reader = reader
        self._outbox = Outbox(writer, _output_ended)
        self._reading = threading.get_ident()
        self._jobs: JobQueue[Request] = JobQueue(make_engine, self._send)
        self._tasks: JobQueue[ModelTask] = JobQueue(
            Librarian, self._send, abandon_seconds=ABANDON_SECONDS
        )
        self._silence = Silence(CLIENT_SILENCE_SECONDS, HEARTBEAT_SECONDS)
        self._watched = False

    def serve(self) -> int:
        """Answer until the stream ends or asks for it; returns a process exit code."""
        self._reading = threading.get_ident()
        try:
            return self._read_all()
        finally:
            # a long native step may outlast this; nobody waits for its result any more
            self._tasks.close(STOP_SECONDS)
            self._jobs.close(STOP_SECONDS)
            self._outbox.close(STOP_SECONDS)

    def _read_all(self) -> int:
        while True:
            try:
                frame = framing.read_frame(self._reader)
            except (FormatError, ServiceError) as error:
                # without a frame boundary there is no telling where the next message starts
                _log.error("cannot read on: %s", error)
                self._send(Failure.from_error("", error))
                return EXIT_PROTOCOL
            except OSError as error:
                _log.info("input failed: %s", error)
                return EXIT_CLIENT_GONE
            if frame is None:
                _log.info("input ended")
                return EXIT_OK
            self._silence.heard()
            if not self._handle_frame(*frame):
                return EXIT_OK

    def _handle_frame(self, header: dict[str, object], payload: bytes) -> bool:
        """False when the client asked to end."""
        try:
            message = codec.decode(header, payload)
            return self._handle(message)
        except KinetypeError as error:
            _log.warning("bad message: %s", error)
            self._send(Failure.from_error(_id_of(header), error))
        except Exception as error:  # one bad message must not end the service
            _log.exception("message failed")
            self._send(Failure.from_error(_id_of(header), internal_error(error)))
        return True

    def _handle(self, message: codec.Message) -> bool:
        if isinstance(message, Request):
            self._jobs.submit(message.validated())
        elif isinstance(message, ModelTask):
            self._tasks.submit(message.validated())
        elif isinstance(message, Cancel):
            self._jobs.cancel(message.id)
            self._tasks.cancel(message.id)
        elif isinstance(message, Ping):
            self._watch()
            self._send(Pong(message.number))
        elif isinstance(message, ListModels):
            self._send(Models(message.id, tuple(registry.list_models())))
        elif isinstance(message, Hello):
            self._greet(message)
        elif isinstance(message, Shutdown):
            return False
        else:
            raise FormatError(
                f"A client does not send {type(message).__name__} messages.",
                framing.SAME_VERSION,
            )
        return True

    def _greet(self, hello: Hello) -> None:
        self._send(Ready(__version__, os.getpid(), platform.node()))
        if hello.version != __version__:
            self._send(
                Log(
                    "warning",
                    f"The backend is Kinetype {__version__}, the client {hello.version}.",
                )
            )

    def _send(self, message: codec.Message) -> None:
        # the thread that reads must never wait for a client that does not
        may_wait = threading.get_ident() != self._reading
        late = isinstance(message, Progress)
        sent = self._outbox.put(_frame_of(message), wait=may_wait and not late)
        if not sent and not late:
            _log.error("the client does not read, ending")
            _exit_now(EXIT_CLIENT_GONE)

    def _watch(self) -> None:
        """Start to expect pings once the client has shown that it sends them."""
        if not self._watched:
            self._watched = True
            threading.Thread(target=self._watch_client, name="watch", daemon=True).start()

    def _watch_client(self) -> None:
        wait = threading.Event()
        while not wait.wait(HEARTBEAT_SECONDS):
            if self._silence.tick():
                _log.error("no ping for %g s, ending", CLIENT_SILENCE_SECONDS)
                _exit_now(EXIT_CLIENT_GONE)


def _frame_of(message: codec.Message) -> bytes:
    try:
        return codec.to_bytes(message)
    except FormatError as error:
        # e.g. a pipeline put something into Motion.meta that JSON does not know
        return codec.to_bytes(Failure.from_error(getattr(message, "id", ""), error))


def _output_ended() -> NoReturn:
    _log.info("output closed, ending")
    _exit_now(EXIT_CLIENT_GONE)


def serve_stdio(make_engine: Callable[[], Runner[Request]]) -> NoReturn:
    """Take over stdin and stdout, serve, and end the process.

    It ends without the interpreter's own clean-up: with torch loaded that takes seconds, and a
    step that still runs would crash in it.
    """
    reader, writer = take_stdio()
    faulthandler.enable()
    _exit_now(Server(reader, writer, make_engine).serve())


def take_stdio() -> tuple[BinaryIO, BinaryIO]:
    """The process's own stdin and stdout as protocol streams that nothing else can touch.

    File descriptor 1 then means stderr and descriptor 0 is empty, for Python and for native
    libraries alike, so neither a stray print nor a stray ``input()`` can harm the stream.
    """
    sys.stdout.flush()
    read_fd, write_fd = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(read_fd, os.O_BINARY)
        msvcrt.setmode(write_fd, os.O_BINARY)
    for stream in (sys.stdout, sys.stderr):
        # a console encoding must never turn a printed prompt into an exception
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    return os.fdopen(read_fd, "rb"), os.fdopen(write_fd, "wb")


def _id_of(header: dict[str, object]) -> str:
    body = header.get("request")
    found = body.get("id") if isinstance(body, dict) else header.get("id")
    # an id beyond the limit is no id: an answer that repeated it might not fit into a frame
    return found if isinstance(found, str) and len(found) <= limits.MAX_ID_CHARS else ""


def _exit_now(code: int) -> NoReturn:
    logging.shutdown()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    os._exit(code)
