"""More or less of what is asked: tempo, reach, a loop, in place."""

from __future__ import annotations

import bpy

from ..properties import settings_of
from .main import KinetypePanel


class KINETYPE_PT_shape(KinetypePanel, bpy.types.Panel):
    """Faster or slower, more or less, as a loop, in place"""

    bl_idname = "KINETYPE_PT_shape"
    bl_parent_id = "KINETYPE_PT_main"
    bl_label = "More or Less"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        settings = settings_of(context.scene)
        column = self.layout.column(align=True)
        column.prop(settings, "speed", slider=True)
        column.prop(settings, "amplitude", slider=True)
        row = self.layout.row(align=True)
        row.prop(settings, "loop", toggle=True, icon="FILE_REFRESH")
        row.prop(settings, "in_place", toggle=True, icon="PIVOT_CURSOR")


CLASSES = (KINETYPE_PT_shape,)
