"""Blender as a process: finding one, running the add-on's headless program in it, its errors.

The backend never imports bpy. It finds a Blender (bpy in this Python, or a ``blender`` program) and
starts ``blender_addon/headless.py`` in it, which answers with a JSON object per line.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, ClassVar

from ..errors import MissingDependency, OutputError, error_class

GRACE_SECONDS = 10.0
"""For Blender to end by itself after Ctrl-C."""
OLDEST = (4, 2)
"""First Blender with extensions; the add-on's manifest says the same."""
PROGRAM_VARIABLE = "KINETYPE_BLENDER"
"""Names the Blender program to use, before this Python's bpy and the PATH are tried."""
MODULE = "bpy"
"""Stands for this Python's module where a program can be named."""
BPY_FOR_PYTHON = {(3, 11): "bpy==5.0.1", (3, 13): "bpy==5.2.3"}

Event = dict[str, Any]
"""One line of the add-on's answer; ``blender_addon/headless.py`` describes them."""

_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Blender:
    """One way to run Blender: ``command`` takes the arguments of ``headless.py`` after it."""

    command: tuple[str, ...]
    version: str
    source: str


def install_hint() -> str:
    """How to get a Blender for this Python."""
    wheel = BPY_FOR_PYTHON.get(sys.version_info[:2])
    program = f"or install Blender {OLDEST[0]}.{OLDEST[1]} or later and put it on the PATH"
    if wheel is None:
        return f"{program[3:].capitalize()} (or name it in {PROGRAM_VARIABLE})."
    numpy = ' "numpy<2"' if wheel.startswith("bpy==5.0") else ""
    return f"Run: {sys.executable} -m pip install {wheel}{numpy}; {program}."


def find(named: str | None = None) -> Blender:
    """The Blender to use.

    Args:
        named: a program, or :data:`MODULE`; what ``KINETYPE_BLENDER`` names when None, then this
            Python's bpy, then the PATH's.

    Raises:
        MissingDependency: there is none, or it is too old; the hint has the command to get one.
    """
    if find_spec("blender_addon") is None and not (_ROOT / "blender_addon").is_dir():
        raise MissingDependency(
            "The part of Kinetype that writes .blend, .fbx, .glb and .mp4 is not installed here.",
            "Use the kinetype distribution or a checkout, or write .npz and .bvh.",
        )
    named = named or os.environ.get(PROGRAM_VARIABLE)
    if named and named != MODULE:
        return _program(named)
    if find_spec("bpy") is not None:
        return Blender((sys.executable, "-m", "blender_addon.headless"), _bpy_version(), MODULE)
    if named:
        raise MissingDependency(f"{sys.executable} has no module bpy.", install_hint())
    program = shutil.which("blender")
    if program:
        return _program(program)
    raise MissingDependency(
        "Writing .blend, .fbx, .glb and .mp4 needs Blender, and there is none here.", install_hint()
    )


def _bpy_version() -> str:
    try:
        return version("bpy")
    except PackageNotFoundError:
        return "unknown"


def _program(path: str) -> Blender:
    """A ``blender`` executable, checked for its version."""
    if {os.sep, os.altsep} & set(path):  # it is started from another folder than it is named in
        path = str(Path(path).absolute())
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingDependency(f"{path} cannot be run: {error}.", install_hint()) from error
    found = re.search(r"Blender (\d+)\.(\d+)(\.\d+)?", done.stdout)
    if found is None:
        raise MissingDependency(f"{path} is not Blender.", install_hint())
    number = found.group(0).removeprefix("Blender ")
    if (int(found.group(1)), int(found.group(2))) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise MissingDependency(
            f"{path} is Blender {number}; Kinetype needs {oldest} or later.", install_hint()
        )
    script = _ROOT / "blender_addon" / "headless.py"
    flags = ("--background", "--factory-startup", "--python-exit-code", "1", "--python")
    return Blender((path, *flags, str(script), "--"), number, path)


def run(
    arguments: Sequence[str],
    log: IO[str],
    on_event: Callable[[Event], None],
    *,
    what: str,
    named: str | None = None,
) -> Event:
    """Run the headless program to its end; its last event.

    It is told to end when this process ends: it follows its standard input.

    Args:
        arguments: of the program.
        log: readable and writable text file that receives what Blender says.
        on_event: takes every event as it comes.
        what: names of the outputs, for messages.
        named: as for :func:`find`.

    Raises:
        MissingDependency: no Blender.
        KinetypeError: what the add-on reports (no space, cannot render, ...).
        BlenderDied: a signal ended Blender. OutputError: it failed in another way; its last lines
            are in ``detail``.
    """
    command = [*find(named).command, "--follow-stdin", *arguments]
    code, last = _follow(command, log, on_event)
    log.seek(0)
    said = log.read()
    if last.get("event") == "error":
        raise error_class(last["code"])(
            f"{what}: {last['message']}", last["hint"], last["detail"] or _tail(said)
        )
    if code != 0 or last.get("event") != "done":
        raise _crash(what, code, said)
    return last


def _follow(
    command: Sequence[str], log: IO[str], on_event: Callable[[Event], None]
) -> tuple[int, Event]:
    """Exit code and last event."""
    last: Event = {}
    with subprocess.Popen(
        command,
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            for line in process.stdout:
                event = _event(line)
                if event is None:
                    log.write(line)
                    continue
                last = event
                on_event(event)
        except KeyboardInterrupt:
            # it ends after the frame that it renders, and removes what it began
            process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_SECONDS)
            process.kill()
            raise
        except BaseException:
            process.kill()
            raise
    return process.returncode, last


def _event(line: str) -> Event | None:
    """The JSON event in a line, or None for Blender's own chatter."""
    if not line.startswith('{"event"'):
        return None
    try:
        return json.loads(line)
    except ValueError:
        return None


def _tail(said: str) -> str:
    return "\n".join(said.strip().splitlines()[-30:])


class BlenderDied(OutputError):
    """A signal ended Blender: out of memory, or a crash of its own. It may be an accident."""

    code: ClassVar[str] = "blender_died"


def _crash(names: str, code: int, said: str) -> OutputError:
    """Blender ended without a word of its own."""
    if "libEGL" in said:
        return OutputError(
            f"Blender could not render {names}: the library libEGL is missing.",
            "On Debian or Ubuntu: apt-get install libegl1 libgl1-mesa-dri",
            _tail(said),
        )
    ended = f"exit code {code}" if code >= 0 else f"signal {-code}"
    last = (said.strip().splitlines() or ["it said nothing"])[-1]
    kind = OutputError if code >= 0 else BlenderDied
    return kind(
        f"Blender could not write {names} ({ended}): {last}",
        "Run again with --debug to see what Blender printed; 'kinetype doctor' checks the parts.",
        _tail(said),
    )
