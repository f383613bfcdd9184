"""Change a motion that is there already."""

from __future__ import annotations

import bpy

from ..operators.edit import KINETYPE_OT_edit_motion
from ..operators.takes import character_of
from ..properties import settings_of
from ..scene import reading
from .main import KinetypePanel
from .status import draw_frames, draw_text


class KINETYPE_PT_edit(KinetypePanel, bpy.types.Panel):
    """Make some frames or a part of the body anew and keep the rest"""

    bl_idname = "KINETYPE_PT_edit"
    bl_parent_id = "KINETYPE_PT_main"
    bl_label = "Edit"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        settings = settings_of(context.scene)
        column = layout.column()
        column.prop(settings, "edit_frames")
        if settings.edit_frames == "AFTER":
            column.prop(settings, "edit_seconds")
        else:
            column.prop(settings, "edit_part")
        if settings.edit_frames == "RANGE":
            ends = column.column(align=True)
            for name, end in (("edit_first", "FIRST"), ("edit_last", "LAST")):
                row = ends.row(align=True)
                row.prop(settings, name)
                row.operator("kinetype.edit_frame", text="", icon="TIME").end = end
        armature = character_of(context)
        frames = None if armature is None else reading.frames_of(armature)
        if armature is not None and frames is not None:
            draw_frames(column, armature, frames)
        row = layout.row()
        row.scale_y = 1.3
        row.operator("kinetype.edit_motion", icon="MODIFIER")
        problem = KINETYPE_OT_edit_motion.problem(context)
        if problem and frames is not None:
            draw_text(layout, context, problem, "INFO")


CLASSES = (KINETYPE_PT_edit,)
