"""The backend that the preferences choose, as plain values."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

import bpy

from . import environment
from .backend_access import ServiceError
from .folders import PACKAGE, environment_folder, expand_home, log_folder, user_folder

DEFAULT_COMMAND = "kinetype serve"
LOG_NAME = "backend.log"


@dataclass(frozen=True)
class BackendSettings:
    """A copy of the preferences that no thread or session needs Blender to read."""

    backend: str
    command: tuple[str, ...]
    device: str | None
    offline: bool
    environment: Path
    log: Path
    home: Path
    proxy: str = ""


def preferences_of(context: bpy.types.Context) -> bpy.types.AddonPreferences:
    """The add-on's preferences.

    Raises:
        ServiceError: the classes were registered by hand instead of enabling the add-on.
    """
    entry = context.preferences.addons.get(PACKAGE)
    if entry is None or entry.preferences is None:
        raise ServiceError(
            "The Kinetype add-on is not enabled.", "Enable it in Preferences > Add-ons."
        )
    return entry.preferences


def backend_settings(context: bpy.types.Context) -> BackendSettings:
    """The preferences as plain values.

    Raises:
        ServiceError: the own command is empty or has unbalanced quotes.
    """
    preferences = preferences_of(context)
    return BackendSettings(
        backend=preferences.backend,
        command=_split(preferences.command) if preferences.backend == "COMMAND" else (),
        device=None if preferences.device == "AUTO" else preferences.device,
        offline=not bpy.app.online_access,
        environment=environment_folder(),
        log=log_folder(preferences) / LOG_NAME,
        home=user_folder(create=False),
        proxy=preferences.proxy.strip(),
    )


def _split(command: str) -> tuple[str, ...]:
    hint = f"Write it in the preferences, for example: {DEFAULT_COMMAND}"
    try:
        # on Windows a backslash separates folders and must not escape the next letter
        words = shlex.split(command, posix=os.name == "posix")
    except ValueError as error:
        raise ServiceError(f"The backend command cannot be read: {error}.", hint) from error
    if not words:
        raise ServiceError("The backend command is empty.", hint)
    program, *rest = (word.strip('"') for word in words)
    return (expand_home(program), *rest)  # in the rest, ~ may mean the home on another machine


def environment_is_ready() -> bool:
    """Whether the managed environment can be used."""
    return environment.is_ready(environment_folder())
