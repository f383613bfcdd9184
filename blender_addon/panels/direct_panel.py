"""Direct the next motion: prompts in time, constraints, how it begins, in-betweens."""

from __future__ import annotations

import bpy

from .. import directing, placement
from ..backend_access import KinetypeError
from ..operators.direct import NO_CHARACTER, KINETYPE_OT_direct, KINETYPE_OT_in_between, unable
from ..properties import settings_of
from ..scene.reading import frames_of
from ..translating import said
from .main import KinetypePanel
from .status import draw_frames, draw_text

ICONS = {"POSE": "ARMATURE_DATA", "PIN": "PINNED", "PATH": "CURVE_PATH"}


def _character(context: bpy.types.Context) -> bpy.types.Object | None:
    try:
        return placement.find_character(context)
    except KinetypeError:  # told in the panel above
        return None


class KINETYPE_UL_wishes(bpy.types.UIList):
    """Poses, pins and paths of the next motion"""

    def draw_item(
        self,
        context: bpy.types.Context,
        layout: bpy.types.UILayout,
        data: directing.KinetypeDirecting,
        item: directing.KinetypeWish,
        icon: int,
        active_data: bpy.types.PropertyGroup,
        active_property: str,
        index: int = 0,
        flt_flag: int = 0,
    ) -> None:
        row = layout.row(align=True)
        row.prop(item, "enabled", text="")
        name = row.row()
        name.active = item.enabled and index < directing.MAX_WISHES
        name.label(text=directing.title_of(item), icon=ICONS.get(item.kind, "QUESTION"))
        told = directing.missed_text(
            item.cm if item.cm >= 0.0 else None, item.degrees if item.degrees >= 0.0 else None
        )
        if told:
            right = row.row()
            right.alignment = "RIGHT"
            right.label(text=told, translate=False)


class KINETYPE_UL_prompts(bpy.types.UIList):
    """Prompts in their time"""

    def draw_item(
        self,
        context: bpy.types.Context,
        layout: bpy.types.UILayout,
        data: directing.KinetypeDirecting,
        item: directing.KinetypePrompt,
        icon: int,
        active_data: bpy.types.PropertyGroup,
        active_property: str,
        index: int = 0,
        flt_flag: int = 0,
    ) -> None:
        row = layout.row(align=True)
        frames = row.row()
        frames.ui_units_x = 2.0
        frames.label(text=str(item.start), translate=False)
        row.prop(item, "prompt", text="", emboss=False)


class KINETYPE_PT_direct(KinetypePanel, bpy.types.Panel):
    """Say more than words: when, where and in which poses"""

    bl_idname = "KINETYPE_PT_direct"
    bl_parent_id = "KINETYPE_PT_main"
    bl_label = "Directing"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        armature = _character(context)
        if armature is None:
            draw_text(layout, context, NO_CHARACTER, "INFO")
            layout.operator("kinetype.add_mannequin", text="Add Mannequin", icon="ADD")
            return
        wants = directing.of(armature)
        _draw_time(layout, context, wants)
        _draw_wishes(layout, wants)
        row = layout.row()
        row.scale_y = 1.3
        row.operator("kinetype.direct", icon="PLAY")
        problem = unable(context, armature) or KINETYPE_OT_direct.problem(context)
        if problem:
            draw_text(layout, context, problem, "INFO")


def _draw_time(
    layout: bpy.types.UILayout, context: bpy.types.Context, wants: directing.KinetypeDirecting
) -> None:
    column = layout.column()
    column.use_property_split = True
    column.use_property_decorate = False
    if not wants.use_prompts:
        row = column.row(align=True)
        row.prop(wants, "first")
        row.operator("kinetype.direct_here", text="", icon="TIME")
        column.prop(settings_of(context.scene), "seconds", slider=True)
    if not wants.blend:
        column.prop(wants, "begin")
    column.prop(wants, "blend")
    column.prop(wants, "use_prompts")
    if wants.use_prompts:
        _draw_prompts(layout, wants)


def _draw_prompts(layout: bpy.types.UILayout, wants: directing.KinetypeDirecting) -> None:
    row = layout.row()
    row.template_list("KINETYPE_UL_prompts", "", wants, "prompts", wants, "prompt_index", rows=3)
    side = row.column(align=True)
    side.operator("kinetype.prompt_add", text="", icon="ADD")
    side.operator("kinetype.prompt_remove", text="", icon="REMOVE")
    if 0 <= wants.prompt_index < len(wants.prompts):
        prompt = wants.prompts[wants.prompt_index]
        column = layout.column(align=True)
        column.use_property_split = True
        column.use_property_decorate = False
        column.prop(prompt, "start")
        column.prop(prompt, "length")
        column.prop(prompt, "transition")
    row = layout.row(align=True)
    row.operator("kinetype.prompts_from_markers", text="From Markers", icon="MARKER_HLT")
    row.operator("kinetype.prompts_to_markers", text="To Markers", icon="MARKER")


def _draw_wishes(layout: bpy.types.UILayout, wants: directing.KinetypeDirecting) -> None:
    row = layout.row()
    row.template_list("KINETYPE_UL_wishes", "", wants, "wishes", wants, "wish_index", rows=3)
    side = row.column(align=True)
    side.operator("kinetype.wish_jump", text="", icon="TIME")
    side.operator("kinetype.wish_remove", text="", icon="REMOVE")
    add = layout.column(align=True)
    add.operator("kinetype.use_pose", icon=ICONS["POSE"])
    row = add.row(align=True)
    row.operator("kinetype.add_path", icon=ICONS["PATH"])
    row.operator_menu_enum("kinetype.add_pin", "limb", text="Pin", icon=ICONS["PIN"])
    if len(wants.wishes) > directing.MAX_WISHES:
        layout.label(
            text=said("Only the first {most} are used", most=directing.MAX_WISHES), icon="ERROR"
        )
    if 0 <= wants.wish_index < len(wants.wishes):
        _draw_wish(layout, wants.wishes[wants.wish_index])


def _draw_wish(layout: bpy.types.UILayout, wish: directing.KinetypeWish) -> None:
    column = layout.column()
    column.use_property_split = True
    column.use_property_decorate = False
    frames = column.column(align=True)
    frames.prop(wish, "frame", text="Frame" if wish.kind == "POSE" else "From")
    if wish.kind == "POSE":
        frames.operator("kinetype.wish_update", icon="FILE_REFRESH")
    else:
        frames.prop(wish, "last")
    if wish.kind == "PIN":
        column.prop(wish, "limb")
        column.prop(wish, "goal")
    elif wish.kind == "PATH":
        column.prop(wish, "curve")
        column.prop(wish, "facing")
        if wish.facing == "FIXED":
            column.prop(wish, "heading")
        row = column.row(heading="Speed")
        row.prop(wish, "own_speed", text="")
        field = row.row()
        field.active = wish.own_speed
        field.prop(wish, "speed", text="")
    if wish.kind != "PATH":
        column.prop(wish, "strength", slider=True)


class KINETYPE_PT_in_between(KinetypePanel, bpy.types.Panel):
    """Key a few poses, let the rest be made"""

    bl_idname = "KINETYPE_PT_in_between"
    bl_parent_id = "KINETYPE_PT_main"
    bl_label = "In-Between"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        armature = _character(context)
        if armature is None:
            draw_text(layout, context, NO_CHARACTER, "INFO")
            return
        wants = directing.of(armature)
        column = layout.column()
        column.prop(wants, "keep")
        if wants.keep == "LIST":
            column.prop(wants, "kept")
        frames = frames_of(armature)
        if frames is not None:
            draw_frames(column, armature, frames)
        row = layout.row()
        row.scale_y = 1.3
        row.operator("kinetype.in_between", icon="KEYFRAME_HLT")
        problem = KINETYPE_OT_in_between.problem(context)
        if problem:
            draw_text(layout, context, problem, "INFO")


CLASSES = (
    KINETYPE_UL_wishes,
    KINETYPE_UL_prompts,
    KINETYPE_PT_direct,
    KINETYPE_PT_in_between,
)
