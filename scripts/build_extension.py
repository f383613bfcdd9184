#!/usr/bin/env python3
"""Build ``dist/kinetype-<version>.zip``, the Blender extension, and check it.

The add-on's files lie at the root of the archive with ``backend/`` (its starter model included)
beside them, so that one archive holds all that a person installs. Building and checking is done
by Blender's own extension command-line tool, which the ``bpy`` module brings.

Usage: ``python scripts/build_extension.py [--output DIR]``; exit code 1 with a message when
something is wrong.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = "blender_manifest.toml"
FILES = (MANIFEST, "LICENSE", "README.md", "constraints.txt")
"""Copied from the root of the checkout to the root of the archive."""
REQUIREMENTS = "requirements.txt"
SKIP_FOLDERS = {"__pycache__", "tests", "runs", "data"}
SKIP_SUFFIXES = {".pyc", ".pyo", ".tmp", ".part", ".blend1"}
STARTER = Path("backend/assets/starter")
STARTER_FILES = ("config.json", "model.safetensors")
MAX_MEGABYTES = 48
CLI_PATTERN = "**/bl_pkg/cli/blender_ext.py"


class BuildError(Exception):
    """The archive cannot be built; the message says why and what to do."""


def read_toml(path: Path) -> dict:
    """A TOML file of the checkout."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise BuildError(f"{path.name} cannot be read: {error}.") from error


def package_version(root: Path) -> str:
    """``backend.__version__``, the one home of the version, read without importing anything."""
    text = (root / "backend" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if found is None:
        raise BuildError("backend/__init__.py has no __version__.")
    return found[1]


def check_version(root: Path) -> str:
    """The version, if the manifest says the same."""
    version = package_version(root)
    stated = read_toml(root / MANIFEST).get("version")
    if stated != version:
        raise BuildError(
            f"{MANIFEST} says version {stated}, backend.__version__ is {version}; "
            "make them the same."
        )
    return version


def wanted_files(folder: Path) -> Iterator[Path]:
    """Files of a package that belong into the archive."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") or part in SKIP_FOLDERS for part in parts)
        if path.is_file() and not hidden and path.suffix not in SKIP_SUFFIXES:
            yield path


def copy_package(source: Path, target: Path) -> None:
    """Copy the wanted files, keeping the folders."""
    for path in wanted_files(source):
        copied = target / path.relative_to(source)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copied)


def stage(root: Path, folder: Path, *, need_starter: bool) -> None:
    """Lay out the archive's content in an empty folder."""
    copy_package(root / "blender_addon", folder)
    if (folder / "backend").exists():
        raise BuildError("blender_addon/backend would hide the backend package; rename it.")
    copy_package(root / "backend", folder / "backend")
    for name in FILES:
        if not (root / name).is_file():
            raise BuildError(f"{name} is missing from the checkout.")
        shutil.copyfile(root / name, folder / name)
    missing = [name for name in STARTER_FILES if not (folder / STARTER / name).is_file()]
    if missing and need_starter:
        raise BuildError(
            f"The starter model lacks {', '.join(missing)}; train it into {STARTER}, "
            "or build with --without-model."
        )
    dependencies = read_toml(root / "pyproject.toml")["project"]["dependencies"]
    (folder / REQUIREMENTS).write_text("\n".join(dependencies) + "\n", encoding="utf-8")


def find_cli() -> Path:
    """Blender's extension tool inside the installed ``bpy`` module."""
    spec = find_spec("bpy")
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    for place in places:
        for found in sorted(Path(place).glob(CLI_PATTERN)):
            return found
    raise BuildError(
        "Blender's extension tool was not found; run this with a Python that has the bpy module "
        "(pip install bpy)."
    )


def run_cli(*arguments: str | Path) -> None:
    """Run Blender's extension tool; its output is part of the message when it fails."""
    command = [sys.executable, str(find_cli()), *map(str, arguments)]
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "PYTHONUTF8": "1"},
        check=False,
    )
    if done.returncode != 0:
        raise BuildError(
            f"Blender's tool refuses to {arguments[0]} (exit code {done.returncode}):\n"
            f"{done.stdout.strip()}"
        )


def check_archive(path: Path) -> None:
    """No strays, no secrets of the build machine, not too large."""
    size = path.stat().st_size / 2**20
    if size > MAX_MEGABYTES:
        raise BuildError(f"{path.name} has {size:.0f} MB; the limit is {MAX_MEGABYTES} MB.")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    strays = [name for name in names if "__pycache__" in name or name.startswith(("/", "../"))]
    if strays:
        raise BuildError(f"{path.name} holds {strays[0]}.")
    needed = {"__init__.py", MANIFEST, "LICENSE", "backend/__init__.py"}
    absent = sorted(needed - set(names))
    if absent:
        raise BuildError(f"{path.name} lacks {', '.join(absent)}.")


def build(root: Path, output: Path, *, need_starter: bool = True) -> Path:
    """Build and check the archive; nothing is left in ``output`` when it fails."""
    version = check_version(root)
    name = f"kinetype-{version}.zip"
    with tempfile.TemporaryDirectory(prefix="kinetype-build-") as temporary:
        staged = Path(temporary) / "kinetype"
        staged.mkdir()
        stage(root, staged, need_starter=need_starter)
        run_cli("validate", staged)
        run_cli("build", "--source-dir", staged, "--output-dir", temporary)
        built = Path(temporary) / name
        if not built.is_file():
            raise BuildError(f"Blender's tool did not make {name}.")
        run_cli("validate", built)
        check_archive(built)
        output.mkdir(parents=True, exist_ok=True)
        part = output / f"{name}.part"
        shutil.copyfile(built, part)
        part.replace(output / name)
    return output / name


def main(arguments: Sequence[str] | None = None) -> int:
    """Build from the command line."""
    parser = argparse.ArgumentParser(description="Build the Blender extension.")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="folder of the zip")
    parser.add_argument(
        "--without-model", action="store_true", help="build even if the starter model is missing"
    )
    options = parser.parse_args(arguments)
    try:
        path = build(ROOT, options.output, need_starter=not options.without_model)
    except (BuildError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{path} ({path.stat().st_size / 2**20:.1f} MB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
