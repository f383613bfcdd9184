"""The Kinetype tab: prompt, what is asked for, Generate, and what is going on."""

from __future__ import annotations

import textwrap

import bpy

from .. import installing, placement, preparing, sessions
from ..backend_access import KinetypeError, limits
from ..backend_settings import backend_settings
from ..jobs import Notice, board
from ..operators.generate import model_of, problem_with
from ..properties import KinetypeSettings, settings_of
from ..translating import said
from . import models, status
from .presets_panel import KINETYPE_PT_presets

PREVIEW_FROM_CHARS = 40
"""A prompt longer than the field shows is repeated below it, wrapped."""


class KinetypePanel:
    """Where all our panels live."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Kinetype"


class KINETYPE_PT_main(KinetypePanel, bpy.types.Panel):
    """Type a motion, get keyframes"""

    bl_idname = "KINETYPE_PT_main"
    bl_label = "Kinetype"

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        del context
        KINETYPE_PT_presets.draw_panel_header(self.layout)

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        settings = settings_of(context.scene)
        _draw_prompt(layout, settings, context)
        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        column.prop(settings, "seconds", slider=True)
        _draw_seed(column, settings)
        column.prop(settings, "samples")
        if settings.samples > 1:
            row = column.row(align=True)
            row.prop(settings, "keep_best")
            row.prop(settings, "variety")
        reads_guidance = "guidance_scale" in model_of(settings).options
        draw_override(column, settings, "use_guidance", "guidance", enabled=reads_guidance)
        if settings.custom_model.strip():
            # it wins over the list, so the list must not pretend otherwise
            column.prop(settings, "custom_model", text="Model")
        else:
            row = column.row(align=True)
            row.prop(settings, "model")
            row.popover("KINETYPE_PT_models", text="", icon="PRESET")
        _draw_quality(column, settings)
        _draw_target(column, context, settings)
        _draw_buttons(layout)
        models.draw_chosen(layout, context, model_of(settings))
        status.draw(layout, context)
        problem = problem_with(context) or _backend_problem(context)
        if problem is not None and status.standing_error(context) is None:
            status.draw_notice(layout, context, Notice.of(problem), dismissable=False)


def _backend_problem(context: bpy.types.Context) -> KinetypeError | None:
    """What a person must do before the first motion, said before they click Generate."""
    if installing.running():
        return None
    try:
        return sessions.problem_with(backend_settings(context))
    except KinetypeError as error:
        return error


def _draw_prompt(
    layout: bpy.types.UILayout, settings: KinetypeSettings, context: bpy.types.Context
) -> None:
    column = layout.column(align=True)
    row = column.row(align=True)
    row.scale_y = 1.4
    field = row.row(align=True)
    field.alert = not settings.prompt.strip()
    field.prop(settings, "prompt", text="", placeholder="Describe a motion")
    row.menu("KINETYPE_MT_prompts", text="", icon="DOWNARROW_HLT")
    if len(settings.prompt) > PREVIEW_FROM_CHARS:
        preview = column.box().column(align=True)
        preview.scale_y = 0.7
        for line in textwrap.wrap(settings.prompt, status.line_width(context), max_lines=6):
            preview.label(text=line, translate=False)
    if len(settings.prompt) > limits.MAX_PROMPT_CHARS:
        warning = column.row()
        warning.alert = True
        warning.label(
            text=said(
                "{count} of {most} characters",
                count=len(settings.prompt),
                most=limits.MAX_PROMPT_CHARS,
            )
        )


def _draw_seed(column: bpy.types.UILayout, settings: KinetypeSettings) -> None:
    row = column.row(align=True)
    row.prop(settings, "seed")
    row.operator("kinetype.randomize_seed", text="", icon="FILE_REFRESH")
    locked = settings.lock_seed
    row.prop(settings, "lock_seed", text="", icon="LOCKED" if locked else "UNLOCKED")


def draw_override(
    column: bpy.types.UILayout,
    settings: KinetypeSettings,
    switch: str,
    value: str,
    *,
    enabled: bool,
) -> None:
    """A checkbox that says whether the field beside it replaces the model's own default.

    Args:
        enabled: whether the model reads it.
    """
    row = column.row(heading=settings.bl_rna.properties[value].name)
    row.enabled = enabled
    row.prop(settings, switch, text="")
    field = row.row()
    field.active = getattr(settings, switch)
    field.prop(settings, value, text="")


def _draw_quality(column: bpy.types.UILayout, settings: KinetypeSettings) -> None:
    """Draft, standard or best; what the model has not is grey."""
    offered = {"standard", *model_of(settings).qualities}
    row = column.row(align=True)
    row.use_property_split = False  # else each button is beside its name, bare
    for item in settings.bl_rna.properties["quality"].enum_items:
        cell = row.row(align=True)
        cell.enabled = item.identifier.lower() in offered
        cell.prop_enum(settings, "quality", item.identifier)


def _draw_target(
    column: bpy.types.UILayout, context: bpy.types.Context, settings: KinetypeSettings
) -> None:
    """The choice of target, and below it the armature that this choice means now."""
    column.prop(settings, "target")
    row = column.row(align=True)
    try:
        armature = placement.find_target(context)
    except KinetypeError:  # shown below the buttons, with its fix
        row.prop(settings, "character")
        return
    if settings.target == "AUTO":
        if armature is not None and armature != settings.character:
            # what is selected comes before the character of the field
            split = row.split(factor=0.4)
            split.label(text="")
            split.label(text=armature.name, icon="ARMATURE_DATA", translate=False)
        else:
            row.prop(settings, "character", placeholder="New Mannequin")
            row.operator("kinetype.add_mannequin", text="", icon="ADD")


def _draw_buttons(layout: bpy.types.UILayout) -> None:
    row = layout.row(align=True)
    row.scale_y = 1.5
    row.operator("kinetype.generate", text="Generate", icon="PLAY")
    if board.jobs or preparing.current() is not None:
        row.operator("kinetype.cancel", text="Cancel", icon="CANCEL")


CLASSES = (KINETYPE_PT_main,)
