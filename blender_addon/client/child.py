"""One child process: started without a shell, its stderr drained, ended for certain."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from ..backend_access import ServiceError
from .logfile import LogFile

DRAIN_SECONDS = 1.0
REAP_SECONDS = 2.0
TAIL_IN_DETAIL = 40


class ChildProcess:
    """A started process with pipes.

    Args:
        command: program and arguments; never given to a shell.
        env: changes to this process's environment; None removes a variable.
        cwd: working folder.
        log: takes what the process prints on stderr.

    Raises:
        ServiceError: the program does not exist or cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str | None] | None,
        cwd: Path | str | None,
        log: LogFile,
    ) -> None:
        self._log = log
        self._popen = _spawn(command, env, cwd)
        assert self._popen.stdin and self._popen.stdout and self._popen.stderr
        self.stdin: IO[bytes] = self._popen.stdin
        self.stdout: IO[bytes] = self._popen.stdout
        self._stderr: IO[bytes] = self._popen.stderr
        self._drain = threading.Thread(target=self._drain_stderr, name="kinetype-log", daemon=True)
        self._drain.start()

    @property
    def exited(self) -> bool:
        """Whether the process has ended."""
        return self._popen.poll() is not None

    def wait(self, timeout: float) -> bool:
        """True when the process ended within ``timeout`` seconds."""
        try:
            self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end(self, grace: float) -> bool:
        """Give it ``grace`` seconds, then kill it with its children; True if it needed no kill."""
        by_itself = self.wait(grace)
        if not by_itself:
            self.kill()
            self.wait(REAP_SECONDS)
        self._drain.join(DRAIN_SECONDS)
        return by_itself

    def close_output(self) -> None:
        """Close stdout; only for the thread that reads it."""
        with contextlib.suppress(OSError):
            self.stdout.close()

    def how_it_ended(self) -> str:
        """For people: "exit code 1", "killed by signal 9 ...", or "still running"."""
        code = self._popen.poll()
        if code is None:
            return "still running"
        if code >= 0:
            return f"exit code {code}"
        text = f"killed by signal {-code}"
        if -code == getattr(signal, "SIGKILL", 0):
            text += ", perhaps for lack of memory"
        return text

    def last_lines(self) -> str:
        """The end of the log, for ``detail`` of an error."""
        return "\n".join(self._log.tail(TAIL_IN_DETAIL))

    def kill(self) -> None:
        """Kill it and what it started, without waiting."""
        if self._popen.poll() is not None:
            return
        with contextlib.suppress(OSError):
            if sys.platform == "win32":
                self._popen.kill()
            else:
                # it leads its own group, so wrappers such as "conda run" end with their child
                os.killpg(self._popen.pid, signal.SIGKILL)

    def _drain_stderr(self) -> None:
        descriptor = self._stderr.fileno()
        with contextlib.suppress(OSError, ValueError):
            while data := os.read(descriptor, 65536):
                self._log.write(data)
        self._log.close()
        self._stderr.close()


def _spawn(
    command: Sequence[str], env: Mapping[str, str | None] | None, cwd: Path | str | None
) -> subprocess.Popen[bytes]:
    if not command or not all(isinstance(part, str) and "\0" not in part for part in command):
        raise ServiceError("The backend command is empty.", "Enter one in the preferences.")
    merged = {**os.environ, **(env or {})}
    started = time.monotonic()
    try:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={name: value for name, value in merged.items() if value is not None},
            cwd=cwd,
            shell=False,
            # Ctrl-C in the terminal that Blender was started from is not for the backend
            start_new_session=sys.platform != "win32",
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except FileNotFoundError as error:
        missing = cwd if cwd is not None and not Path(cwd).is_dir() else command[0]
        raise ServiceError(
            f"The backend cannot start: {missing} does not exist.",
            "Choose the backend's Python or command in the preferences.",
            str(error),
        ) from error
    except (OSError, ValueError) as error:
        raise ServiceError(
            f"The backend cannot start: {command[0]}: {error}.",
            "Choose the backend's Python or command in the preferences.",
            f"after {time.monotonic() - started:.1f} s: {error!r}",
        ) from error
