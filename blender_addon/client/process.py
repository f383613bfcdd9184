"""A backend in another process: ``kinetype serve`` here, or any command that leads to one."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..backend_access import (
    VERSION,
    Failure,
    KinetypeError,
    ServiceError,
    codec,
    control,
    framing,
)
from .child import ChildProcess
from .logfile import LogFile
from .session import RESTART_HINT, Link, Session, internal_error

START_SECONDS = 60.0
"""How long a backend may take to say hello; ssh and a cold disk are slow."""
END_GRACE_SECONDS = 2.0
KILL_SECONDS = 1.0
"""How long a killed child may take to be gone."""
PREFERENCES_HINT = "Check the backend in the preferences, then press Restart."


class ProcessSession(Session):
    """Talks to a child process over its stdin and stdout.

    Args:
        command: program and arguments, for example of ``default_command`` or
            ``["ssh", "host", "kinetype", "serve"]``.
        env: changes to this process's environment; None removes a variable.
        cwd: working folder of the child.
        log_path: rotating file for what the child prints on stderr.
        start_timeout: seconds until a child that does not answer is given up.
        heartbeat: seconds between two pings.
        silence: seconds without any answer after which the child counts as hung.
    """

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str | None] | None = None,
        cwd: Path | str | None = None,
        log_path: Path | str | None = None,
        *,
        start_timeout: float = START_SECONDS,
        heartbeat: float = control.HEARTBEAT_SECONDS,
        silence: float = control.SERVER_SILENCE_SECONDS,
    ) -> None:
        super().__init__(LogFile(log_path))
        self.command = tuple(command)
        self._env = env
        self._cwd = cwd
        self._start_timeout = start_timeout
        self._heartbeat = heartbeat
        self._silence = silence

    def _new_link(self) -> Link:
        return _ProcessLink(self)

    def _spawn(self) -> ChildProcess:
        return ChildProcess(self.command, self._env, self._cwd, self.log)


class _ProcessLink:
    """One child: a thread that starts it and reads, one that writes, one that watches."""

    def __init__(self, session: ProcessSession) -> None:
        self._session = session
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._child: ChildProcess | None = None
        self._closing = threading.Event()
        self._finished = threading.Event()
        self._ready = threading.Event()
        self._end_lock = threading.Lock()
        self._reason: KinetypeError | None = None
        self._pulse = control.Silence(session._silence, session._heartbeat)
        self._patience = control.Silence(session._start_timeout, session._heartbeat)

    def open(self) -> None:
        self._thread("kinetype-reader", self._run)

    def send(self, message: codec.Message) -> None:
        self._outgoing.put(codec.to_bytes(message))

    def close(self, timeout: float) -> None:
        self._closing.set()
        self.send(control.Shutdown())
        self._outgoing.put(None)
        if not self._finished.wait(timeout) and self._child is not None:
            self._child.kill()
            self._finished.wait(KILL_SECONDS)

    def _run(self) -> None:
        self._session.log.forget()
        try:
            self._child = self._session._spawn()
        except ServiceError as error:
            self._report(error)
            self._finished.set()
            return
        self._thread("kinetype-writer", self._write)
        self._thread("kinetype-watch", self._watch)
        try:
            self._read(self._child)
        except KinetypeError as error:  # what it sent is not the protocol
            self._reason = self._reason or ServiceError(error.message, error.hint, error.detail)
        except (OSError, ValueError) as error:
            self._reason = self._reason or ServiceError(
                f"The connection to the backend broke: {error}.", RESTART_HINT
            )
        except Exception as error:  # a bug; without this the session would wait for ever
            self._reason = internal_error(error)
        self._end(self._child)
        self._child.close_output()

    def _read(self, child: ChildProcess) -> None:
        noise = bytearray()
        try:
            frame = framing.read_first_frame(child.stdout, noise)
        finally:
            if noise:
                self._session.log.write(bytes(noise) + b"\n")
        while frame is not None:
            self._pulse.heard()
            self._receive(codec.decode(*frame))
            frame = framing.read_frame(child.stdout)

    def _receive(self, message: codec.Message) -> None:
        if isinstance(message, control.Ready):
            self._ready.set()
        if isinstance(message, Failure) and not message.id:
            # the server says why it is about to end
            self._session.log.add(f"{message.message} {message.hint}")
            self._reason = message.to_error()
            return
        self._session._received(self, message)

    def _write(self) -> None:
        assert self._child is not None
        stream = self._child.stdin
        frame: bytes | None = codec.to_bytes(control.Hello(VERSION, "kinetype add-on"))
        with contextlib.suppress(OSError, ValueError):
            while frame is not None:
                stream.write(frame)
                stream.flush()
                frame = self._outgoing.get()
        # a broken pipe shows as the end of stdout too; the reader reports it
        with contextlib.suppress(OSError, ValueError):
            stream.close()

    def _watch(self) -> None:
        assert self._child is not None
        number = 0
        while not self._finished.wait(self._session._heartbeat):
            if self._child.exited:
                # the reader sees it too, unless a grandchild holds the pipe open for ever
                self._end(self._child)
                return
            if self._closing.is_set():
                continue
            if not self._ready.is_set():
                problem = "did not answer" if self._patience.tick() else ""
            else:
                number += 1
                self.send(control.Ping(number))
                problem = "stopped answering" if self._pulse.tick() else ""
            if problem:
                self._reason = ServiceError(
                    f"The backend {problem}.",
                    RESTART_HINT if self._ready.is_set() else PREFERENCES_HINT,
                    self._child.last_lines(),
                )
                self._end(self._child, grace=0.0)

    def _end(self, child: ChildProcess, grace: float = END_GRACE_SECONDS) -> None:
        """The child is no use any more: make sure that it is gone, and say why, once."""
        with self._end_lock:
            if self._finished.is_set():
                return
            self._outgoing.put(None)
            by_itself = child.end(grace)
            if not self._closing.is_set():
                self._report(self._reason or self._unexpected_end(child, by_itself))
            self._finished.set()

    def _unexpected_end(self, child: ChildProcess, by_itself: bool) -> ServiceError:
        how = child.how_it_ended() if by_itself else "it closed the connection"
        lines = child.last_lines()
        if self._ready.is_set():
            return ServiceError(f"The backend stopped unexpectedly ({how}).", RESTART_HINT, lines)
        last = self._session.log.tail(1)
        said = f" It said: {last[0].strip()}" if last else ""
        return ServiceError(f"The backend did not start ({how}).{said}", PREFERENCES_HINT, lines)

    def _report(self, error: KinetypeError) -> None:
        self._session._ended(self, error)

    def _thread(self, name: str, target: Callable[[], None]) -> None:
        threading.Thread(target=target, name=name, daemon=True).start()
