"""Motions to .blend and .mp4: done by the add-on in a Blender process of its own.

The backend never imports bpy. This module finds a Blender (bpy in this Python, or a ``blender``
program), starts ``blender_addon/headless.py`` in it, and reads its errors.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import MissingDependency, OutputError
from . import console

if TYPE_CHECKING:
    from ..wire.messages import Motion

OLDEST = (4, 2)
"""First Blender with extensions; the add-on's manifest says the same."""
PROGRAM_VARIABLE = "KINETYPE_BLENDER"
"""Names the Blender program to use, before this Python's bpy and the PATH are tried."""
BPY_FOR_PYTHON = {(3, 11): "bpy==5.0.1", (3, 13): "bpy==5.2.3"}

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


def find() -> Blender:
    """The Blender to use.

    Raises:
        MissingDependency: there is none, or it is too old; the hint has the command to get one.
    """
    if find_spec("blender_addon") is None and not (_ROOT / "blender_addon").is_dir():
        raise MissingDependency(
            "The part of Kinetype that writes .blend and .mp4 is not installed here.",
            "Use the kinetype distribution or a checkout, or write .npz and .bvh.",
        )
    named = os.environ.get(PROGRAM_VARIABLE)
    if named:
        return _program(named)
    if find_spec("bpy") is not None:
        return Blender((sys.executable, "-m", "blender_addon.headless"), _bpy_version(), "bpy")
    program = shutil.which("blender")
    if program:
        return _program(program)
    raise MissingDependency(
        "Writing .blend and .mp4 needs Blender, and there is none here.", install_hint()
    )


def _bpy_version() -> str:
    try:
        return version("bpy")
    except PackageNotFoundError:
        return "unknown"


def _program(path: str) -> Blender:
    """A ``blender`` executable, checked for its version."""
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


def export(motion: Motion, paths: Sequence[Path], *, quiet: bool = False) -> None:
    """Write one motion as .blend, .mp4 or both, in one run of Blender.

    Raises:
        MissingDependency: no Blender.
        OutputError: Blender failed; its last lines are in ``detail``.
    """
    from ..motion.io import npz

    blender = find()
    names = " and ".join(path.name for path in paths)
    with tempfile.TemporaryDirectory(prefix="kinetype-") as folder:
        source = Path(folder) / "motion.npz"
        npz.write_motion(source, motion)
        command = [*blender.command, "--motion", str(source)]
        for path in paths:
            command += ["--out", str(path.absolute())]
        with console.ProgressBars(quiet=quiet) as bars:
            bars.update_stage(f"writing {names}")
            done = subprocess.run(
                command, cwd=_ROOT, capture_output=True, text=True, errors="replace", check=False
            )
    said = f"{done.stdout}\n{done.stderr}".strip()
    missing = [path.name for path in paths if not path.is_file()]
    if done.returncode != 0 or missing:
        raise _failure(names, done.returncode, said)


def _failure(names: str, code: int, said: str) -> OutputError:
    """What Blender's own output says went wrong."""
    error = re.findall(r"^error: (.+)$", said, re.MULTILINE)
    hint = re.findall(r"^hint: (.+)$", said, re.MULTILINE)
    detail = "\n".join(said.splitlines()[-30:])
    if error:
        return OutputError(f"{names}: {error[-1]}", hint[-1] if hint else "", detail)
    if "libEGL" in said:
        return OutputError(
            f"Blender could not render {names}: the library libEGL is missing.",
            "On Debian or Ubuntu: apt-get install libegl1 libgl1-mesa-dri",
            detail,
        )
    ended = f"exit code {code}" if code >= 0 else f"signal {-code}"
    last = said.splitlines()[-1] if said else "no output"
    return OutputError(
        f"Blender could not write {names} ({ended}): {last}",
        "Run again with --debug to see what Blender printed; 'kinetype doctor' checks the parts.",
        detail,
    )
