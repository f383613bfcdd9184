"""What ``kinetype doctor`` finds in the backend's Python, for the preferences page. No bpy."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

from .client.command import default_command

SECONDS = 300.0
"""Importing PyTorch for the first time may take a minute on a slow disk."""


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, "ok", "advice" or "missing", what was found, what to do."""

    name: str
    status: str
    found: str
    fix: str = ""


class _Doctor:
    def __init__(self, python: Path | None) -> None:
        self.findings: tuple[Finding, ...] = ()
        self.finished = False
        self._command = default_command(python)
        self._thread = threading.Thread(target=self._run, name="kinetype-doctor", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.findings = self._ask()
        except (OSError, ValueError, KeyError, TypeError, subprocess.TimeoutExpired) as error:
            text = f"{type(error).__name__}: {error}"
            self.findings = (
                Finding("Check", "missing", f"It could not be checked: {text}", "Install again."),
            )
        self.finished = True

    def _ask(self) -> tuple[Finding, ...]:
        serve, changes, folder = self._command
        command = [*serve[: serve.index("serve")], "doctor", "--json"]
        variables = {**os.environ, **changes}
        done = subprocess.run(
            command,
            env={name: value for name, value in variables.items() if value is not None},
            cwd=folder,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        if not done.stdout.strip():
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise ValueError(f"exit code {done.returncode}, {last}")
        return tuple(Finding(**check) for check in json.loads(done.stdout)["checks"])


_current: list[_Doctor] = []


def start(python: Path | None) -> None:
    """Look the backend of this Python over, in the background; Blender's own when None."""
    _current[:] = [_Doctor(python)]


def running() -> bool:
    """Whether it is under way."""
    return bool(_current) and not _current[0].finished


def findings() -> tuple[Finding, ...]:
    """What was found last."""
    return _current[0].findings if _current else ()


def forget() -> None:
    """It is no longer true."""
    _current.clear()
