"""The managed environment: a folder of our own with a Python and what the backend needs. No bpy.

Two small files guard it. The owner file is written first, into a folder that was empty or not
there; only a folder that holds it is ever deleted. The ready file is written last, so that an
installation that was cut short is never taken for a whole one.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from .backend_access import VERSION, OutputError

OWNER_FILE = ".kinetype-environment"
READY_FILE = "kinetype-ready.json"
LOCK_FILE = ".kinetype-lock"
PLAN_FILE = "kinetype-plan.json"
"""From which Python and with which PyTorch it is made."""
TEMPORARY, CACHE = "tmp", "cache"
"""Folders for what pip unpacks, and for what it has fetched; nothing of them outlives success."""


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
    return _texts(folder / READY_FILE).get("version", "")


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


def made_from(folder: Path) -> dict[str, str]:
    """Python and build of an environment, finished or not; empty where that is not known."""
    return _texts(folder / PLAN_FILE)


def size_of(folder: Path) -> int:
    """Bytes in a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*"))


def _texts(path: Path) -> dict[str, str]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {k: str(v) for k, v in values.items()} if isinstance(values, dict) else {}


def empty(folder: Path) -> None:
    """Delete all of an environment of ours but the files that say so.

    Raises:
        OSError: something cannot be deleted.
    """
    # while the owner file is there, an interrupted removal can be taken up again
    for child in folder.iterdir():
        if child.name not in (OWNER_FILE, LOCK_FILE):
            delete(child)


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
        empty(folder)
        shutil.rmtree(folder)
    except OSError as error:
        raise OutputError(
            f"{folder} could not be deleted: {error.strerror or error}.",
            "Stop the backend, close other Blender windows, and try again.",
        ) from error


def delete(path: Path) -> None:
    """Delete a file, a link, or a folder with all that is in it; nothing there is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
