"""The backend: restart, stop, log, and the ways to the preferences."""

import bpy

from .. import model_list, pump
from ..backend_settings import backend_settings
from ..folders import PACKAGE
from ..jobs import board
from ..sessions import open_session
from .base import KinetypeOperator

LOG_TEXT = "Kinetype Log"


class KINETYPE_OT_restart_backend(KinetypeOperator):
    """Start the backend afresh; a generation that was under way is lost"""

    bl_idname = "kinetype.restart_backend"
    bl_label = "Restart Backend"
    bl_options = {"INTERNAL"}

    def run(self, context: bpy.types.Context) -> None:
        board.restart(backend_settings(context), open_session)
        pump.start()


class KINETYPE_OT_stop_backend(KinetypeOperator):
    """End the backend and free its memory; the next generation starts it again"""

    bl_idname = "kinetype.stop_backend"
    bl_label = "Stop Backend"
    bl_options = {"INTERNAL"}

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        running = board.session is not None and board.session.state != "stopped"
        return "" if running else "The backend is not running"

    def run(self, context: bpy.types.Context) -> None:
        board.stop_session()
        pump.start()


class KINETYPE_OT_refresh_models(KinetypeOperator):
    """Look again which models there are"""

    bl_idname = "kinetype.refresh_models"
    bl_label = "Refresh Models"
    bl_options = {"INTERNAL"}

    def run(self, context: bpy.types.Context) -> None:
        model_list.forget()
        board.ask_models()
        pump.start()


def _text_editors(context: bpy.types.Context) -> list[bpy.types.Area]:
    windows = context.window_manager.windows
    areas = [area for window in windows for area in window.screen.areas]
    return [area for area in areas if area.type == "TEXT_EDITOR"]


def _new_editor() -> list[bpy.types.Area]:
    """A Text Editor in a window of its own; nothing where no window can be opened."""
    if bpy.app.background:
        return []
    before = set(bpy.context.window_manager.windows)
    bpy.ops.wm.window_new()
    opened = [w for w in bpy.context.window_manager.windows if w not in before]
    areas = [window.screen.areas[0] for window in opened]
    for area in areas:
        area.type = "TEXT_EDITOR"
    return areas


class KINETYPE_OT_show_log(KinetypeOperator):
    """Put the backend's last lines and the details of the last error into a text, and show it

    In the Text Editors that are open, else in a window of its own
    """

    bl_idname = "kinetype.show_log"
    bl_label = "Show Log"
    bl_options = {"INTERNAL"}

    def run(self, context: bpy.types.Context) -> None:
        lines = board.log_lines()
        text = bpy.data.texts.get(LOG_TEXT) or bpy.data.texts.new(LOG_TEXT)
        text.clear()
        text.write("\n".join(lines) or "The backend has not said anything yet.")
        text.cursor_set(max(len(text.lines) - 1, 0))
        editors = _text_editors(context) or _new_editor()
        for area in editors:
            area.spaces.active.text = text
        if not editors:  # without windows (background mode)
            self.report({"INFO"}, f"See the text {LOG_TEXT!r} in a Text Editor")


class KINETYPE_OT_open_preferences(KinetypeOperator):
    """Open the preferences of Kinetype"""

    bl_idname = "kinetype.open_preferences"
    bl_label = "Open Preferences"
    bl_options = {"INTERNAL"}

    def run(self, context: bpy.types.Context) -> None:
        bpy.ops.preferences.addon_show(module=PACKAGE)


class KINETYPE_OT_open_network_preferences(KinetypeOperator):
    """Open Blender's preferences where online access is allowed"""

    bl_idname = "kinetype.open_network_preferences"
    bl_label = "Online Access"
    bl_options = {"INTERNAL"}

    def run(self, context: bpy.types.Context) -> None:
        bpy.ops.screen.userpref_show(section="SYSTEM")


CLASSES = (
    KINETYPE_OT_restart_backend,
    KINETYPE_OT_stop_backend,
    KINETYPE_OT_refresh_models,
    KINETYPE_OT_show_log,
    KINETYPE_OT_open_preferences,
    KINETYPE_OT_open_network_preferences,
)
