"""The add-on's page in Blender's preferences."""

from __future__ import annotations

import bpy

from .. import doctoring, environment, folders, installing
from ..jobs import board
from ..operators.environment import draw_sources
from ..properties import settings_of
from ..text_lines import draw_lines
from . import models, status

CHARS = 90
"""Width of a line of text on the page."""


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
    _draw_models(layout, context)
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


def _draw_models(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    box = layout.box()
    box.use_property_split = False
    box.label(text="Models")
    models.draw(box, settings_of(context.scene).model, CHARS)


def _draw_environment(layout: bpy.types.UILayout, settings: bpy.types.AddonPreferences) -> None:
    folder = folders.environment_folder()
    ready = environment.is_ready(folder)
    box = layout.box()
    box.label(text=environment.describe(folder), icon="CHECKMARK" if ready else "INFO")
    box.label(text=str(folder), translate=False)
    if installing.running():
        status.draw_installation(box)
        return
    column = box.column()
    column.prop(settings, "python_path")
    column.prop(settings, "torch_build")
    draw_sources(column, settings)
    made_from = environment.made_from(folder)
    if made_from:
        text = (
            f"Made from {made_from.get('python', '?')}, PyTorch for {made_from.get('build', '?')}"
        )
        box.label(text=text, translate=False)
    if not bpy.app.online_access:
        box.operator("kinetype.open_network_preferences", icon="INTERNET")
    row = box.row(align=True)
    label = "Install Again" if environment.is_ours(folder) else "Install Backend"
    row.operator("kinetype.install_environment", text=label, icon="IMPORT")
    row.operator("kinetype.remove_environment", icon="TRASH")
    row.operator("kinetype.look_over", icon="VIEWZOOM")
    _draw_findings(box)


MARKS = {"ok": "CHECKMARK", "advice": "INFO", "missing": "ERROR"}


def _draw_findings(layout: bpy.types.UILayout) -> None:
    """What the check found, line by line."""
    column = layout.column(align=True)
    if doctoring.running():
        column.label(text="Checking the installation", icon="SORTTIME")
    for finding in doctoring.findings():
        row = column.row()
        row.alert = finding.status == "missing"
        text = f"{finding.name}: {finding.found}"
        row.label(text=text, icon=MARKS.get(finding.status, "DOT"), translate=False)
        if finding.fix:
            draw_lines(column, f"To do: {finding.fix}", CHARS)
