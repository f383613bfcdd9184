"""The add-on's page in Blender's preferences."""

from __future__ import annotations

import bpy

from .. import environment, folders, installing
from ..jobs import board
from . import status


def draw(
    layout: bpy.types.UILayout, settings: bpy.types.AddonPreferences, context: bpy.types.Context
) -> None:
    """The page: which backend, what it needs, and where things are."""
    layout.use_property_split = True
    layout.use_property_decorate = False
    layout.prop(settings, "backend")
    if settings.backend == "MANAGED":
        _draw_environment(layout, settings)
    elif settings.backend == "COMMAND":
        layout.prop(settings, "command")
    if settings.backend != "COMMAND":
        layout.prop(settings, "device")
    layout.prop(settings, "log_directory")
    layout.label(text=str(folders.log_folder(settings)), translate=False)
    row = layout.row(align=True)
    row.operator("kinetype.restart_backend", icon="FILE_REFRESH")
    row.operator("kinetype.stop_backend", icon="QUIT")
    row.operator("kinetype.show_log", icon="TEXT")
    if board.error is not None:
        status.draw_notice(layout, context, board.error)
    elif board.message:
        layout.label(text=board.message, icon="CHECKMARK")


def _draw_environment(layout: bpy.types.UILayout, settings: bpy.types.AddonPreferences) -> None:
    folder = folders.environment_folder()
    ready = environment.is_ready(folder)
    box = layout.box()
    box.label(text=environment.describe(folder), icon="CHECKMARK" if ready else "INFO")
    box.label(text=str(folder), translate=False)
    if installing.running():
        status.draw_installation(box)
        return
    if not ready:
        box.prop(settings, "python_path")
        box.prop(settings, "torch_build")
        box.label(text=f"Downloads {environment.DOWNLOAD_NOTE}")
        if not bpy.app.online_access:
            box.operator("kinetype.open_network_preferences", icon="INTERNET")
    row = box.row(align=True)
    label = "Install Again" if environment.is_ours(folder) else "Install Backend"
    row.operator("kinetype.install_environment", text=label, icon="IMPORT")
    row.operator("kinetype.remove_environment", icon="TRASH")
