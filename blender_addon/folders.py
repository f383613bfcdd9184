"""Where the add-on keeps things on disk, by Blender's rules and the preferences."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import bpy

PACKAGE = __package__
"""``bl_ext.<repository>.kinetype`` when installed, ``blender_addon`` in a checkout."""


def user_folder(*, create: bool = True) -> Path:
    """The folder for what the add-on keeps on disk; it outlives updates of the extension."""
    try:
        return Path(bpy.utils.extension_path_user(PACKAGE, create=create))
    except ValueError:  # a checkout on the path, not an installed extension
        return Path(bpy.utils.user_resource("DATAFILES", path="kinetype", create=create))


def environment_folder() -> Path:
    """Where the managed environment is, or would be."""
    return user_folder(create=False) / "environment"


def log_folder(preferences: bpy.types.AddonPreferences) -> Path:
    """The folder of the logs."""
    chosen = preferences.log_directory.strip()
    return _path(chosen) if chosen else user_folder(create=False) / "logs"


def base_python(preferences: bpy.types.AddonPreferences) -> Path:
    """The interpreter that a new environment is made from."""
    chosen = preferences.python_path.strip()
    return _path(chosen) if chosen else Path(sys.executable)


def _path(typed: str) -> Path:
    return Path(expand_home(bpy.path.abspath(typed)))


def expand_home(typed: str) -> str:
    """``~`` as a shell would read it; no shell sees what is typed here."""
    return os.path.expanduser(typed)  # noqa: PTH111  (Path raises for unknown users)
