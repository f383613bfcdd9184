"""The takes of the file."""

from __future__ import annotations

import math
import textwrap
from datetime import datetime
from typing import Any

import bpy

from .. import directing, takes
from ..operators.takes import character_of, highlighted
from ..properties import settings_of
from ..scene import comparing
from ..scene.action import RATE_KEY, scene_fps
from .main import KinetypePanel
from .status import draw_text, line_width

WIDE = 40
"""Characters of a line from which on a row of the list has room for the time."""


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
        made = takes.made_at(item)
        if made is not None and line_width(context) >= WIDE:
            time = row.row()
            time.alignment, time.active = "RIGHT", False
            time.label(text=short_time(made), translate=False)
        star = "SOLO_ON" if takes.has_star(item) else "SOLO_OFF"
        row.operator("kinetype.take_star", text="", icon=star, emboss=False).take = item.name

    def filter_items(
        self, context: bpy.types.Context, data: bpy.types.BlendData, property: str
    ) -> tuple[list[int], list[int]]:
        wanted, every = self.filter_name.lower(), list(getattr(data, property))
        shown = takes.listed(settings_of(context.scene), character_of(context))
        named = {take for take in shown if wanted in take.name.lower()}
        flags = [self.bitflag_filter_item if action in named else 0 for action in every]
        place = {take: number for number, take in enumerate(takes.all_takes())}
        last = len(place)
        # Blender wants of each Action where it goes; what is no take goes to the end
        order = sorted(range(len(every)), key=lambda number: place.get(every[number], last))
        return flags, [rank for _, rank in sorted(zip(order, range(len(order)), strict=True))]


class KINETYPE_PT_takes(KinetypePanel, bpy.types.Panel):
    """Every generation is an Action of its own; nothing is overwritten"""

    bl_idname = "KINETYPE_PT_takes"
    bl_parent_id = "KINETYPE_PT_main"
    bl_label = "Takes"

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        settings = settings_of(context.scene)
        row = layout.row(align=True)
        row.prop(settings, "takes_all", toggle=True, icon="COMMUNITY")
        row.prop(settings, "takes_starred", toggle=True, icon="SOLO_ON")
        row = layout.row()
        row.template_list(
            "KINETYPE_UL_takes", "", bpy.data, "actions", settings, "take_index", rows=4
        )
        side = row.column(align=True)
        side.operator("kinetype.take_step", text="", icon="TRIA_UP").direction = "PREVIOUS"
        side.operator("kinetype.take_step", text="", icon="TRIA_DOWN").direction = "NEXT"
        side.separator()
        side.operator("kinetype.take_delete", text="", icon="X")
        side.operator("kinetype.takes_delete", text="", icon="TRASH")
        compared = comparing.compared(context.scene)
        if compared:
            draw_text(layout, context, f"Beside it: {compared}", "MOD_MIRROR")
            layout.operator("kinetype.compare_end", icon="CANCEL")
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
    first, last = action.frame_range
    for text in (
        info.prompt,
        f"Seed {info.seed}, frames {first:.0f} to {last:.0f}",
        *made_lines(action),
        *model_lines(info),
        *edit_lines(info),
        *directing.missed_lines(action),
        *score_lines(info.meta),
    ):
        for line in textwrap.wrap(text, line_width(context), max_lines=4):
            column.label(text=line, translate=False)
    other = takes.other_rate(action, context.scene)
    if other is not None:
        box = layout.box().column(align=True)
        now = scene_fps(context.scene)
        draw_text(box, context, f"Made for {other:g} fps, the scene has {now:g}", "ERROR")
        box.operator("kinetype.take_fit_rate", icon="TIME")
    grid = layout.grid_flow(columns=2, align=True, even_columns=True, row_major=True)
    if not takes.is_edit(info):
        grid.operator("kinetype.take_regenerate", icon="FILE_REFRESH")
        grid.operator("kinetype.take_reseed", icon="RNDCURVE")
    grid.operator("kinetype.take_recall", icon="COPYDOWN")
    grid.operator("kinetype.take_compare", icon="MOD_MIRROR")
    grid.operator("kinetype.take_to_nla", icon="NLA")
    grid.operator("kinetype.take_thin", icon="KEYFRAME")
    grid.operator("kinetype.take_to_asset", icon="ASSET_MANAGER")
    grid.operator("kinetype.fit_frame_range", icon="PREVIEW_RANGE")


def short_time(made: datetime) -> str:
    """The hour of today's takes, the day of others."""
    today = made.date() == datetime.now().astimezone().date()
    return f"{made:%H:%M}" if today else f"{made:%d %b}"


def made_lines(action: bpy.types.Action) -> list[str]:
    """When a take was made and for which frame rate; nothing for those of older versions."""
    made, rate = takes.made_at(action), action.get(RATE_KEY)
    when = [f"{made:%d %b %Y, %H:%M}"] if made is not None else []
    fps = [f"{rate:g} fps"] if isinstance(rate, int | float) else []
    return [", ".join(when + fps)] if when or fps else []


def model_lines(info: takes.TakeInfo) -> list[str]:
    """Model, the beginning of its fingerprint, and what its licence allows."""
    weights = str(info.meta.get("model_sha256") or "")[:8]
    lines = [f"{info.model} ({weights})" if weights else info.model]
    licence, commercial = (str(info.meta.get(key) or "") for key in ("licence", "commercial_use"))
    if licence:
        lines.append(f"{licence}; commercial use: {commercial}" if commercial else licence)
    return lines


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
    if "text_match" in found and "edit" not in meta:  # the words are of a part of an edit
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
