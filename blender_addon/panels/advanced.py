"""Settings that a first motion does not need, and the state of the backend."""

from __future__ import annotations

import bpy

from ..jobs import board
from ..operators.generate import model_of
from ..properties import settings_of
from .main import KinetypePanel, draw_override
from .status import STATES


class KINETYPE_PT_advanced(KinetypePanel, bpy.types.Panel):
    """Sampling, clean-up, other models and the backend"""

    bl_idname = "KINETYPE_PT_advanced"
    bl_parent_id = "KINETYPE_PT_main"
    bl_label = "Advanced"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        settings = settings_of(context.scene)
        column = layout.column()
        read = model_of(settings).options
        row = column.row()
        row.enabled = "sampler" in read
        row.prop(settings, "sampler")
        draw_override(column, settings, "use_steps", "steps", enabled="steps" in read)
        column.prop(settings, "cleanup")
        column.prop(settings, "feet")
        column.prop(settings, "hands")
        column.prop(settings, "twists")
        row = column.row(align=True)
        row.prop(settings, "custom_model")
        row.operator("kinetype.refresh_models", text="", icon="FILE_REFRESH")
        _draw_backend(layout)


def _draw_backend(layout: bpy.types.UILayout) -> None:
    state = "stopped" if board.session is None else board.session.state
    text, icon = STATES[state]
    layout.separator()
    row = layout.row(align=True)
    row.label(text=text, icon=icon)
    row.operator("kinetype.restart_backend", text="", icon="FILE_REFRESH")
    row.operator("kinetype.stop_backend", text="", icon="QUIT")
    row.operator("kinetype.show_log", text="", icon="TEXT")
    row.operator("kinetype.open_preferences", text="", icon="PREFERENCES")


CLASSES = (KINETYPE_PT_advanced,)
