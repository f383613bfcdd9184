"""The models: which there are, what each may be used for, and the buttons that fetch them.

Drawn in the preferences and in a popover beside the panel's Model field.
"""

from __future__ import annotations

import bpy

from .. import model_list
from ..backend_access import REMOVABLE, ModelInfo, model_words
from ..jobs import Chore, board
from ..operators.models import TOKEN_TEXT, under_way
from ..text_lines import draw_lines
from . import status

ICONS = {
    "bundled": "CHECKMARK",
    "downloaded": "CHECKMARK",
    "found": "CHECKMARK",
    "converted": "CHECKMARK",
    "linked": "LINKED",
    "partial": "TIME",
    "absent": "IMPORT",
}
POPOVER_UNITS = 22


class KINETYPE_PT_models(bpy.types.Panel):
    """The models: licence, size, state, download"""

    bl_idname = "KINETYPE_PT_models"
    bl_label = "Models"
    bl_space_type = "VIEW_3D"
    bl_region_type = "WINDOW"
    bl_options = {"INSTANCED"}
    bl_ui_units_x = POPOVER_UNITS

    def draw(self, context: bpy.types.Context) -> None:
        chosen = context.scene.kinetype.model
        draw(self.layout, chosen, POPOVER_UNITS * 3)
        if board.error is not None:
            status.draw_notice(self.layout, context, board.error)


def draw(layout: bpy.types.UILayout, chosen: str, chars: int) -> None:
    """The list, what is under way, and the details of one model.

    Args:
        chosen: the model to tell more of until another one is clicked.
        chars: width of a line of text.
    """
    shown = model_list.shown(chosen)
    column = layout.column(align=True)
    for info in model_list.models():
        _draw_row(column, info, info == shown)
    for chore in board.chores.values():
        _draw_chore(layout, chore)
    if shown is not None:
        _draw_details(layout, shown, chars)
    row = layout.row(align=True)
    row.operator("kinetype.link_model", icon="FILE_FOLDER")
    row.operator("kinetype.convert_model", icon="FILE_REFRESH")
    row.operator("kinetype.refresh_models", text="", icon="FILE_REFRESH")
    if not bpy.app.online_access:
        layout.operator("kinetype.open_network_preferences", icon="INTERNET")
    note = layout.column(align=True)
    note.active = False
    draw_lines(note, f"{TOKEN_TEXT}.", chars)


def _draw_row(layout: bpy.types.UILayout, info: ModelInfo, shown: bool) -> None:
    row = layout.row(align=True)
    icon = "ERROR" if info.problem and not info.hub_id else ICONS.get(info.state, "DOT")
    button = row.operator(
        "kinetype.show_model", text=info.title or info.name, icon=icon, depress=shown
    )
    button.model = info.name
    size = row.row()
    size.alignment = "RIGHT"
    size.label(text=model_words.size_text(info.size_bytes) if info.size_bytes else "")
    use = {"yes": "commercial", "no": "research"}.get(info.commercial_use, "see licence")
    size.label(text=use)


def _draw_chore(layout: bpy.types.UILayout, chore: Chore) -> None:
    row = layout.row(align=True)
    row.progress(factor=chore.fraction, text=f"{chore.title}: {status.progress_text(chore)}")
    row.operator("kinetype.cancel_model", text="", icon="CANCEL").task = chore.task.id


def _draw_details(layout: bpy.types.UILayout, info: ModelInfo, chars: int) -> None:
    box = layout.box()
    box.label(text=info.title or info.name)
    draw_lines(box.column(align=True), info.description, chars)
    for name, text in details(info):
        split = box.split(factor=0.22)
        split.label(text=name)
        column = split.column(align=True)
        column.alert = name == "Regions" or (name == "State" and not info.ready)
        draw_lines(column, text, round(chars * 0.75))
    row = box.row(align=True)
    if info.ready and "generate" in info.abilities:
        row.operator("kinetype.use_model", icon="CHECKMARK").model = info.name
    if info.hub_id and not info.ready and not under_way(info.name):
        label = "Resume" if info.state == "partial" else "Download"
        row.operator("kinetype.download_model", text=label, icon="IMPORT").model = info.name
    if info.state in REMOVABLE:
        row.operator("kinetype.remove_model", text="Remove", icon="TRASH").model = info.name
    if info.hub_id:
        page = row.operator("wm.url_open", text="Page", icon="URL")
        page.url = f"https://huggingface.co/{info.hub_id}"


def details(info: ModelInfo) -> list[tuple[str, str]]:
    """Name and value of each line that is told of a model."""
    can = model_words.abilities_text(info)
    lines = [
        ("State", model_words.state_text(info) if info.state != "linked" else info.path),
        ("Licence", model_words.licence_text(info)),
        ("Regions", model_words.regions_text(info)),
        ("Size", model_words.size_text(info.size_bytes) if info.size_bytes else ""),
        ("Memory", model_words.size_text(info.memory_bytes) if info.memory_bytes else ""),
        ("Time", info.speed),
        ("Length", model_words.length_text(info)),
        ("Can", can),
        ("Motion", f"{info.representation}, {info.fps:g} fps" if info.representation else ""),
        ("Text", info.text_encoder),
        ("Problem", "" if info.hub_id else f"{info.problem} {info.fix}".strip()),
    ]
    return [(name, text) for name, text in lines if text]


def draw_chosen(layout: bpy.types.UILayout, context: bpy.types.Context, info: ModelInfo) -> None:
    """Beside Generate: what the chosen model may be used for; and where it is not here, how it
    comes.
    """
    if info.licence or info.commercial_use:
        text = f"{info.title or info.name}: {model_words.licence_text(info)}"
        icon = "CHECKMARK" if info.commercial_use == "yes" else "INFO"
        status.draw_text(layout, context, text, icon)
    for chore in board.chores.values():
        _draw_chore(layout, chore)
    if info.ready or not info.hub_id or under_way(info.name):
        return
    box = layout.box().column(align=True)
    text = f"{model_words.state_text(info).capitalize()}: {model_words.download_text(info)}."
    status.draw_text(box, context, text, "IMPORT")
    label = "Resume…" if info.state == "partial" else "Download…"
    box.operator("kinetype.download_model", text=label, icon="IMPORT").model = info.name
    if not bpy.app.online_access:
        box.operator("kinetype.open_network_preferences", icon="INTERNET")


CLASSES = (KINETYPE_PT_models,)
