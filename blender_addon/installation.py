"""A running installation of the managed environment. No bpy."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from .backend_access import (
    VERSION,
    Cancelled,
    InternalError,
    KinetypeError,
    MissingDependency,
    OutputError,
)
from .environment import (
    CACHE,
    LOCK_FILE,
    OWNER_FILE,
    PLAN_FILE,
    READY_FILE,
    TEMPORARY,
    delete,
    empty,
    is_ours,
    made_from,
)
from .install_plan import Plan, Step, hint_for

KEPT_LINES = 200
"""Of what a step prints; the cause of a failure is among them."""
_LOCKED = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
_RAW_PROGRESS = re.compile(r"^Progress (\d+) of (\d+)")
_VARIABLES_OF_BLENDER = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "VIRTUAL_ENV")


@dataclass
class Installation:
    """A running installation: one thread, one child process at a time.

    The main thread reads ``title``, ``detail``, ``fraction``, ``finished`` and ``error``; it never
    waits. ``cancel`` may be called at any time.
    """

    plan: Plan
    title: str = ""
    detail: str = ""
    fraction: float = 0.0
    finished: bool = False
    error: KinetypeError | None = None
    _cancelled: threading.Event = field(default_factory=threading.Event)
    _child: subprocess.Popen[str] | None = None
    _printed: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin in the background."""
        self._thread = threading.Thread(target=self._run, name="kinetype-install", daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """Stop the running command; the thread then ends with :class:`Cancelled`."""
        self._cancelled.set()
        child = self._child
        if child is not None:
            _kill(child)

    def join(self, timeout: float) -> bool:
        """Wait for the end; True when it came within ``timeout`` seconds."""
        if self._thread is not None:
            self._thread.join(timeout)
            return not self._thread.is_alive()
        return True

    def _run(self) -> None:
        try:
            self._claim()
            with _alone(self.plan.folder):
                (self.plan.folder / READY_FILE).unlink(missing_ok=True)
                self.plan.log.parent.mkdir(parents=True, exist_ok=True)
                try:
                    self._prepare()
                    with self.plan.log.open("w", encoding="utf-8", errors="replace") as log:
                        for number, step in enumerate(self.plan.steps):
                            self._run_step(number, step, log)
                    delete(self.plan.folder / CACHE)
                    self._write_ready()
                finally:
                    # a killed pip leaves what it was unpacking, gigabytes of it
                    shutil.rmtree(self.plan.folder / TEMPORARY, ignore_errors=True)
        except KinetypeError as error:
            self.error = error
        except OSError as error:
            self.error = OutputError(
                f"The installation failed: {error.strerror or error} ({error.filename}).",
                "Check free space and permissions, then install again.",
            )
        except Exception as error:  # a bug; without this the panel would show it for ever
            self.error = InternalError(
                f"The installation failed: {type(error).__name__}: {error}",
                "Please report this with the log.",
                traceback.format_exc(),
            )
        self.finished = True

    def _claim(self) -> None:
        folder = self.plan.folder
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise OutputError(f"{folder} is in the way.", "Move it away, then install again.")
        if folder.is_dir() and any(folder.iterdir()) and not is_ours(folder):
            raise OutputError(
                f"{folder} exists and was not made by Kinetype.",
                "Move it away, then install again.",
            )
        folder.mkdir(parents=True, exist_ok=True)
        (folder / OWNER_FILE).write_text(f"Made by Kinetype {VERSION}\n", encoding="utf-8")

    def _prepare(self) -> None:
        """Clear away what another Python or build left, and what a crash left unpacked."""
        folder = self.plan.folder
        if self.plan.made_from and made_from(folder) != self.plan.made_from:
            empty(folder)
        delete(folder / TEMPORARY)
        for name in (TEMPORARY, CACHE):
            (folder / name).mkdir(exist_ok=True)
        self._write(PLAN_FILE, json.dumps(self.plan.made_from, indent=1) + "\n")
        for name, text in self.plan.files.items():
            self._write(name, text)

    def _write(self, name: str, text: str) -> None:
        """Write a file of the folder whole or not at all."""
        target = self.plan.folder / name
        temporary = target.with_name(f"{name}.part")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(target)

    def _run_step(self, number: int, step: Step, log: IO[str]) -> None:
        self._stop_if_cancelled()
        self.title, self.detail = step.title, ""
        self._printed.clear()
        self.fraction = number / len(self.plan.steps)
        log.write(f"# {step.title}\n# {subprocess.list2cmdline(step.command)}\n")
        log.flush()
        try:
            child = self._child = _spawn(step.command, self.plan.folder)
        except OSError as error:
            raise MissingDependency(
                f"{step.command[0]} could not be started: {error.strerror or error}.",
                "Choose another Python executable in the preferences.",
            ) from error
        if self._cancelled.is_set():  # cancelled between the check above and the start
            _kill(child)
        assert child.stdout is not None
        with child.stdout:
            for line in child.stdout:
                self._take_line(number, line.rstrip(), log)
        code = child.wait()
        self._child = None
        log.write(f"# exit code {code}\n")
        self._stop_if_cancelled()
        if code != 0:
            said = f": {self.detail}" if self.detail else ""
            raise MissingDependency(
                f"{step.title} failed (exit code {code}){said}",
                hint_for("\n".join(self._printed)) or "Read the log, then install again.",
                "\n".join(self._printed) or self.detail,
            )

    def _take_line(self, number: int, line: str, log: IO[str]) -> None:
        found = _RAW_PROGRESS.match(line)
        if found:
            part = int(found[1]) / max(int(found[2]), 1)
            self.fraction = (number + min(part, 1.0)) / len(self.plan.steps)
            return
        if line.strip():
            self.detail = line.strip()
            self._printed.append(line)
        log.write(line + "\n")
        log.flush()

    def _stop_if_cancelled(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled(
                "The installation was cancelled. What was fetched whole is kept in its folder: "
                "Install goes on with it, Remove deletes it.",
            )

    def _write_ready(self) -> None:
        values = {
            "version": self.plan.version,
            **self.plan.made_from,
            "installed": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        self._write(READY_FILE, json.dumps(values, indent=1) + "\n")
        self.fraction = 1.0


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep a second Blender from installing into the same folder at the same time.

    The system frees the lock when the process ends, however it ends.

    Raises:
        OutputError: another process holds it.
    """
    with (folder / LOCK_FILE).open("a+b") as file:
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _LOCKED:
                raise
            raise OutputError(
                "Another Blender is installing the backend at this moment.",
                "Wait until it is ready; then this one can use it too.",
            ) from error
        yield


def _spawn(command: Sequence[str], folder: Path) -> subprocess.Popen[str]:
    variables = {k: v for k, v in os.environ.items() if k not in _VARIABLES_OF_BLENDER}
    variables |= {"PYTHONNOUSERSITE": "1", "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}
    variables |= {name: str(folder / TEMPORARY) for name in ("TMPDIR", "TEMP", "TMP")}
    variables["PIP_CACHE_DIR"] = str(folder / CACHE)
    options: dict[str, object] = {"start_new_session": True}
    if sys.platform == "win32":
        options = {
            "creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
        }
    return subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env=variables,
        **options,  # type: ignore[call-overload]
    )


def _kill(child: subprocess.Popen[str]) -> None:
    """End a command and what it started (pip runs builds in children of its own)."""
    with contextlib.suppress(ProcessLookupError, PermissionError, OSError):
        if os.name == "posix":
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()
