"""Where the backend runs; kept with the user's preferences, shared by all files."""

import atexit

import bpy
from bpy.props import EnumProperty, StringProperty

from . import torch_builds
from .backend_settings import DEFAULT_COMMAND
from .folders import PACKAGE
from .panels import preferences_page


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
            ("AUTO", "Automatic", "What fits the graphics card that is found"),
            ("CPU", "CPU Only", "A much smaller download without graphics card support"),
            *(
                (build.key, build.title, f"{build.size}, from {build.source}")
                for build in torch_builds.builds().values()
                if build.key != "CPU"
            ),
        ],
    )
    package_index: StringProperty(
        name="Package Index",
        description="Address of a package index in place of PyPI; empty uses PyPI",
    )
    torch_index: StringProperty(
        name="PyTorch Index",
        description="Address of an index that has PyTorch; empty uses PyTorch's own",
    )
    proxy: StringProperty(
        name="Proxy",
        description="Address of a proxy for the installation and for downloads of models, for"
        " example http://proxy.example:3128; empty uses the system's",
    )
    wheels: StringProperty(
        name="Wheels Folder",
        description="Folder of wheels to install from; nothing is downloaded then",
        subtype="DIR_PATH",
        update=lambda self, _context: _make_absolute(self, "wheels"),
    )
    log_directory: StringProperty(
        name="Log Folder",
        description="Where the backend writes its log; empty uses Blender's folder for extensions",
        subtype="DIR_PATH",
        update=lambda self, _context: _make_absolute(self, "log_directory"),
    )

    def draw(self, context: bpy.types.Context) -> None:
        """The preferences page."""
        preferences_page.draw(self.layout, self, context)


# As for KinetypeSettings: Blender 4.2 as a Python module frees the callbacks too late.
atexit.register(KinetypePreferences.__annotations__.clear)

CLASSES = (KinetypePreferences,)
