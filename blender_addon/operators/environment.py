"""The managed environment: install, cancel, remove; only ever after a click."""

import bpy

from .. import environment, installing, pump
from ..backend_access import package_root
from ..backend_settings import preferences_of
from ..fixes import OfflineError
from ..folders import base_python, environment_folder, log_folder
from ..jobs import board
from .base import KinetypeOperator

INSTALL_LOG_NAME = "install.log"


def offline_error() -> OfflineError:
    """What to say without online access; not everybody can change it."""
    if getattr(bpy.app, "online_access_override", False):
        hint = "Blender was started in offline mode; start it without that option."
    else:
        hint = "Allow Online Access in Preferences > System > Network."
    return OfflineError("Installing the backend needs the network.", hint)


def _busy() -> str:
    if installing.running():
        return "The installation is under way"
    return "A motion is being generated" if board.jobs else ""


class KINETYPE_OT_install_environment(KinetypeOperator):
    """Make a Python environment for the backend and install PyTorch and the model libraries"""

    bl_idname = "kinetype.install_environment"
    bl_label = "Install Backend"
    bl_options = {"INTERNAL"}

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        return _busy() or ("" if bpy.app.online_access else str(offline_error()))

    def run(self, context: bpy.types.Context) -> None:
        preferences = preferences_of(context)
        plan = environment.make_plan(
            environment_folder(),
            base_python(preferences),
            package_root(),
            log_folder(preferences) / INSTALL_LOG_NAME,
            cpu_only=preferences.torch_build == "CPU",
        )
        # a running backend holds files of the environment open
        board.stop_session()
        board.dismiss()
        installing.start(plan)
        pump.start()


class KINETYPE_OT_cancel_install(KinetypeOperator):
    """Stop the installation; installing again takes it up where it was"""

    bl_idname = "kinetype.cancel_install"
    bl_label = "Cancel Installation"
    bl_options = {"INTERNAL"}

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        return "" if installing.running() else "Nothing is being installed"

    def run(self, context: bpy.types.Context) -> None:
        if installing.current is not None:
            installing.current.cancel()
        pump.start()


class KINETYPE_OT_remove_environment(KinetypeOperator):
    """Delete the environment that Kinetype installed"""

    bl_idname = "kinetype.remove_environment"
    bl_label = "Remove Backend"
    bl_options = {"INTERNAL"}

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        ours = environment.is_ours(environment_folder())
        return _busy() or ("" if ours else "No environment is installed")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_confirm(self, event)

    def run(self, context: bpy.types.Context) -> None:
        board.shut_down()
        environment.remove(environment_folder())


CLASSES = (
    KINETYPE_OT_install_environment,
    KINETYPE_OT_cancel_install,
    KINETYPE_OT_remove_environment,
)
