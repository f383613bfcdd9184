"""The takes of the file."""

from __future__ import annotations

import math
import textwrap
from typing import Any

import bpy

from .. import directing, takes
from ..operators.takes import character_of, highlighted
from ..properties import settings_of
from .main import KinetypePanel
from .status import line_width


class KINETYPE_UL_takes(bpy.types.UIList):
    """Actions that Kinetype made; the name can be edited with a double click"""

    def draw_item(
        self,
        context: bpy.types.Context,
        layout: bpy.types.UILayout,
        data: bpy.types.BlendData,
        item: bpy.types.Action,
        icon: int,
        active_data: bpy.types.PropertyGroup,
        active_property: str,
        index: int = 0,
        flt_flag: int = 0,
    ) -> None:
        armature = character_of(context)
        animation = armature.animation_data if armature is not None else None
        used = animation is not None and animation.action == item
        row = layout.row(align=True)
        row.operator(
            "kinetype.take_assign",
            text="",
            icon="RADIOBUT_ON" if used else "RADIOBUT_OFF",
            emboss=False,
        ).take = item.name
        row.prop(item, "name", text="", emboss=False)

    def filter_items(
        self, context: bpy.types.Context, data: bpy.types.BlendData, property: str
    ) -> tuple[list[int], list[int]]:
        wanted = self.filter_name.lower()
        shown = [
            self.bitflag_filter_item
            if takes.is_take(action) and wanted in action.name.lower()
            else 0
            for action in getattr(data, property)
        ]
        return shown, []


class KINETYPE_PT_takes(KinetypePanel, bpy.types.Panel):
    """Every generation is an Action of its own; nothing is overwritten"""

    bl_idname = "KINETYPE_PT_takes"
    bl_parent_id = "KINETYPE_PT_main"
    bl_label = "Takes"

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        settings = settings_of(context.scene)
        row = layout.row()
        row.template_list(
            "KINETYPE_UL_takes", "", bpy.data, "actions", settings, "take_index", rows=4
        )
        side = row.column(align=True)
        side.operator("kinetype.take_step", text="", icon="TRIA_UP").direction = "PREVIOUS"
        side.operator("kinetype.take_step", text="", icon="TRIA_DOWN").direction = "NEXT"
        side.separator()
        side.operator("kinetype.take_delete", text="", icon="TRASH")
        action = highlighted(context)
        if action is not None:
            _draw_take(layout, context, action)


def _draw_take(
    layout: bpy.types.UILayout, context: bpy.types.Context, action: bpy.types.Action
) -> None:
    info = takes.info_of(action)
    if info is None:
        return
    column = layout.column(align=True)
    for line in textwrap.wrap(info.prompt, line_width(context), max_lines=4):
        column.label(text=line, translate=False)
    first, last = action.frame_range
    column.label(text=f"Seed {info.seed}, {info.model}, frames {first:.0f} to {last:.0f}")
    for text in (*edit_lines(info), *directing.missed_lines(action), *score_lines(info.meta)):
        column.label(text=text, translate=False)
    row = layout.row(align=True)
    if not takes.is_edit(info):
        row.operator("kinetype.take_regenerate", icon="FILE_REFRESH")
    row.operator("kinetype.take_recall", icon="COPYDOWN")
    layout.operator("kinetype.fit_frame_range", icon="PREVIEW_RANGE")


def edit_lines(info: takes.TakeInfo) -> list[str]:
    """What an edited take began as; nothing for one that was generated."""
    before = info.meta["edit"].get("before") if takes.is_edit(info) else None
    if not isinstance(before, dict) or not before.get("prompt"):
        return ["Edited motion"] if takes.is_edit(info) else []
    return [f"Edit of: {before['prompt']}"]


def score_lines(meta: dict[str, Any]) -> list[str]:
    """The scores of a take for people; none for takes of older versions."""
    scores = meta.get("scores")
    if not isinstance(scores, dict):
        return []
    found = {
        name: float(value)
        for name, value in scores.items()
        if isinstance(value, (int, float)) and math.isfinite(value)
    }
    lines = []
    if "text_match" in found:
        # stored as (cos + 1) / 2, of which half means nothing in common: that would read as 50 %
        match = 100.0 * min(max(2.0 * found["text_match"] - 1.0, 0.0), 1.0)
        lines.append(f"Prompt match: {match:.0f} of 100")
    lines += [
        form.format(found[name])
        for name, form in (
            ("support_sliding_cm_s", "Foot sliding: {:.1f} cm/s"),
            ("penetration_cm", "Below the floor: {:.1f} cm"),
            ("jerk_m_s3", "Jerkiness: {:.0f} m/s³"),
        )
        if name in found
    ]
    return lines


CLASSES = (KINETYPE_UL_takes, KINETYPE_PT_takes)
