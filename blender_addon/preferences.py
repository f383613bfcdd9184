"""Where the backend runs; kept with the user's preferences, shared by all files."""

import atexit
import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import bpy
from bpy.props import EnumProperty, StringProperty

from . import environment
from .backend_access import ServiceError

PACKAGE = __package__
"""``bl_ext.<repository>.kinetype`` when installed, ``blender_addon`` in a checkout."""
BACKENDS = ("MANAGED", "IN_PROCESS", "COMMAND")
DEFAULT_COMMAND = "kinetype serve"
LOG_NAME = "backend.log"
INSTALL_LOG_NAME = "install.log"


@dataclass(frozen=True)
class BackendSettings:
    """A copy of the preferences that no thread or session needs Blender to read."""

    backend: str
    command: tuple[str, ...]
    device: str | None
    offline: bool
    environment: Path
    log: Path


def _make_absolute(preferences: bpy.types.AddonPreferences, name: str) -> None:
    """Blender's file browser offers paths that count from the open file; this is for all files."""
    typed = getattr(preferences, name)
    if typed.startswith("//"):
        setattr(preferences, name, bpy.path.abspath(typed))


class KinetypePreferences(bpy.types.AddonPreferences):
    """Backend, device, and where the environment and the log are."""

    bl_idname = PACKAGE

    backend: EnumProperty(
        name="Backend",
        description="What computes the motion",
        items=[
            (
                "MANAGED",
                "Managed Environment",
                "A Python of its own that Kinetype installs and runs beside Blender",
            ),
            (
                "IN_PROCESS",
                "Inside Blender",
                "Blender's own Python, if PyTorch is installed in it",
            ),
            (
                "COMMAND",
                "Own Command",
                "Any command that speaks the Kinetype protocol, on this machine or another",
            ),
        ],
        default="MANAGED",
    )
    python_path: StringProperty(
        name="Python",
        description="Python 3.11 or later that the environment is made from; "
        "empty uses Blender's own",
        subtype="FILE_PATH",
        update=lambda self, _context: _make_absolute(self, "python_path"),
    )
    command: StringProperty(
        name="Command",
        description="Started without a shell; for another machine: ssh host kinetype serve",
        default=DEFAULT_COMMAND,
    )
    device: EnumProperty(
        name="Device",
        description="What the model runs on",
        items=[
            ("AUTO", "Automatic", "A CUDA device if there is one, else the CPU"),
            ("cpu", "CPU", "The processor; works everywhere"),
            ("cuda", "CUDA", "An NVIDIA (or ROCm) graphics card"),
            ("mps", "Metal", "The graphics card of an Apple computer"),
        ],
        default="AUTO",
    )
    torch_build: EnumProperty(
        name="PyTorch",
        description="Which PyTorch the managed environment gets",
        items=[
            ("DEFAULT", "Standard", "What PyPI offers for this system; with CUDA on Linux"),
            ("CPU", "CPU Only", "A much smaller download without graphics card support"),
        ],
    )
    log_directory: StringProperty(
        name="Log Folder",
        description="Where the backend writes its log; empty uses Blender's folder for extensions",
        subtype="DIR_PATH",
        update=lambda self, _context: _make_absolute(self, "log_directory"),
    )

    def draw(self, context: bpy.types.Context) -> None:
        """The preferences page."""
        from .panels import preferences_page

        preferences_page.draw(self.layout, self, context)


# As for KinetypeSettings: Blender 4.2 as a Python module frees the callbacks too late.
atexit.register(KinetypePreferences.__annotations__.clear)

CLASSES = (KinetypePreferences,)


def preferences_of(context: bpy.types.Context) -> KinetypePreferences:
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


def user_folder(*, create: bool = True) -> Path:
    """The folder for what the add-on keeps on disk; it outlives updates of the extension."""
    try:
        return Path(bpy.utils.extension_path_user(PACKAGE, create=create))
    except ValueError:  # a checkout on the path, not an installed extension
        return Path(bpy.utils.user_resource("DATAFILES", path="kinetype", create=create))


def environment_folder() -> Path:
    """Where the managed environment is, or would be."""
    return user_folder(create=False) / "environment"


def log_folder(preferences: KinetypePreferences) -> Path:
    """The folder of the logs."""
    chosen = preferences.log_directory.strip()
    return _path(chosen) if chosen else user_folder(create=False) / "logs"


def base_python(preferences: KinetypePreferences) -> Path:
    """The interpreter that a new environment is made from."""
    chosen = preferences.python_path.strip()
    return _path(chosen) if chosen else Path(sys.executable)


def _path(typed: str) -> Path:
    return Path(_home(bpy.path.abspath(typed)))


def _home(typed: str) -> str:
    """``~`` as a shell would read it; no shell sees what is typed here."""
    return os.path.expanduser(typed)  # noqa: PTH111  (Path raises for unknown users)


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
    return (_home(program), *rest)  # in the rest, ~ may mean the home on another machine


def environment_is_ready() -> bool:
    """Whether the managed environment can be used."""
    return environment.is_ready(environment_folder())
