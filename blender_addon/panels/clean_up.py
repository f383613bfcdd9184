"""Repairs of what the character performs."""

from __future__ import annotations

import bpy

from ..operators.clean_up import TOOLS
from .main import KinetypePanel

_ICONS = {
    "FOOT_LOCK": "SNAP_FACE", "SMOOTH": "SMOOTHCURVE", "GROUND": "GRID", "IN_PLACE": "PIVOT_CURSOR",
    "ROOT": "BONE_DATA", "LOOP": "FILE_REFRESH", "TRIM": "PREVIEW_RANGE", "MIRROR": "MOD_MIRROR",
    "SPEED": "TIME", "REDUCE": "KEYFRAME",
}  # fmt: skip


class KINETYPE_PT_clean_up(KinetypePanel, bpy.types.Panel):
    """Foot lock, smoothing, loops and more, on a take or any Action; each makes a new Action"""

    bl_idname = "KINETYPE_PT_clean_up"
    bl_parent_id = "KINETYPE_PT_main"
    bl_label = "Clean Up"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        grid = self.layout.grid_flow(columns=2, align=True, even_columns=True)
        for name, label, _ in TOOLS:
            grid.operator("kinetype.clean_up", text=label, icon=_ICONS[name]).tool = name
        row = self.layout.row(align=True)
        row.operator("kinetype.import_motion", text="Import", icon="IMPORT")
        row.operator("kinetype.export_motion", text="Export", icon="EXPORT")


CLASSES = (KINETYPE_PT_clean_up,)
