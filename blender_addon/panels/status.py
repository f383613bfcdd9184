"""Progress, messages and errors with the buttons that fix them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

import bpy

from .. import installing, preparing, told
from ..asking import asked_now
from ..backend_access import BYTE_STAGES, KinetypeError, model_words
from ..backend_settings import preferences_of
from ..fixes import Fix
from ..jobs import Board, Job, Notice, Pace, board
from ..properties import settings_of
from ..scene import armature as armatures
from ..scene.lookup import by_uid
from ..translating import said

PIXELS_PER_CHARACTER = 7.6
MIN_LINE_CHARS = 24
MAX_LINES, LAST_LINES = 24, 8
"""Of a longer text lines in the middle are left out: its end says what to do."""
STATES = {
    "starting": ("Starting the backend", "SORTTIME"),
    "ready": ("Backend ready", "CHECKMARK"),
    "busy": ("Backend busy", "SORTTIME"),
    "dead": ("Backend stopped", "ERROR"),
    "stopped": ("Backend not started", "RADIOBUT_OFF"),
}


def line_width(context: bpy.types.Context) -> int:
    """Characters that fit into one line of the region."""
    region = context.region
    scale = context.preferences.system.ui_scale or 1.0
    pixels = region.width if region is not None else 0
    return max(MIN_LINE_CHARS, int(pixels / (PIXELS_PER_CHARACTER * scale)) - 6)


def draw(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """All that the board has to say."""
    draw_installation(layout)
    reading = preparing.current()
    if reading is not None:
        layout.progress(factor=reading.fraction, text=reading.text)
    if board.current is not None:
        _draw_job(layout, board, board.current)
    _draw_kept(layout, context, board)
    error = standing_error(context)
    if error is not None:
        draw_notice(layout, context, error)
    elif board.backend_dead and board.session is not None and board.session.error is not None:
        draw_notice(layout, context, Notice.of(board.session.error), dismissable=False)
    if board.taken is not None and by_uid(bpy.data.actions, board.taken) is None:
        return  # what is left to say is about a take that was deleted or undone
    if board.told:
        _draw_told(layout, context, board)
    _draw_warnings(layout, context, [text for text in board.warnings if _stands(text)])
    if board.message:
        draw_text(layout, context, board.message, "CHECKMARK")


def standing_error(context: bpy.types.Context) -> Notice | None:
    """The last error while what it is about is still as it was."""
    error = board.error
    return error if error is not None and error.stands(asked_now(context)) else None


def _stands(warning: str) -> bool:
    """Whether a warning is still true; that of an armature is asked for anew."""
    target = board.unseen.get(warning)
    if target is None:
        return True
    armature = by_uid(bpy.data.objects, target)
    if armature is None:
        return False
    try:
        return armatures.why_unseen(armature) == warning
    except KinetypeError:
        return False


def _draw_warnings(
    layout: bpy.types.UILayout, context: bpy.types.Context, warnings: list[str]
) -> None:
    for number, text in enumerate(warnings):
        row = layout.row(align=True)
        draw_text(row, context, text, "INFO")
        if number == 0:
            row.operator("kinetype.dismiss", text="", icon="X", emboss=False)


def progress_text(job: Pace) -> str:
    """For example "Sampling 12/50, 3 s left", or "Downloading 12 of 72 MB, 3 MB a second"."""
    if job.cancelling:
        return "Cancelling"
    text = job.stage.capitalize()
    if job.total > 0 and job.stage in BYTE_STAGES:
        text += f" {model_words.size_text(job.step)} of {model_words.size_text(job.total)}"
        if job.per_second:
            text += f", {model_words.size_text(job.per_second)}/s"
    elif job.total > 0:
        text += f" {job.step}/{job.total}"
    if job.seconds_left is not None:
        text += f", {format_seconds(job.seconds_left)} left"
    return text


def format_seconds(seconds: float) -> str:
    """Rounded up, so that it does not say 0 while there is work."""
    whole = int(seconds) + 1
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


def _draw_job(layout: bpy.types.UILayout, board: Board, job: Job) -> None:
    starting = board.session is not None and board.session.state == "starting"
    text = STATES["starting"][0] if starting and job.waiting else progress_text(job)
    layout.progress(factor=job.fraction, text=text)
    others = len(board.jobs) - 1
    if others:
        layout.label(text=said("{count} more waiting", count=others), icon="SORTTIME")


def draw_installation(layout: bpy.types.UILayout) -> None:
    """Progress and cancel of the managed environment's installation."""
    current = installing.current
    if current is None or current.finished:
        return
    column = layout.column(align=True)
    row = column.row(align=True)
    row.progress(factor=current.fraction, text=current.title)
    row.operator("kinetype.cancel_install", text="", icon="CANCEL")
    if current.detail:
        line = column.row()
        line.scale_y = 0.7
        line.active = False
        line.label(text=current.detail[:120], translate=False)


def _draw_kept(layout: bpy.types.UILayout, context: bpy.types.Context, board: Board) -> None:
    for item in board.finished:
        if not item.reason:
            continue
        box = layout.box().column(align=True)
        draw_text(box, context, item.reason, "INFO")
        if item.kept:
            row = box.row(align=True)
            row.operator("kinetype.place_result", icon="IMPORT")
            row.operator("kinetype.discard_result", icon="TRASH")
            break


def draw_notice(
    layout: bpy.types.UILayout,
    context: bpy.types.Context,
    notice: Notice,
    *,
    dismissable: bool = True,
) -> None:
    """An error, what to do about it, and the buttons that do it."""
    box = layout.box().column(align=True)
    head = box.row(align=True)
    text = head.column(align=True)
    text.alert = True
    draw_text(text, context, notice.message, "ERROR")
    if dismissable:
        head.operator("kinetype.dismiss", text="", icon="X", emboss=False)
    draw_text(box, context, notice.hint, "BLANK1")
    _draw_fixes(box, notice.fixes)


def _draw_told(layout: bpy.types.UILayout, context: bpy.types.Context, board: Board) -> None:
    """What was not understood, and models that may understand it."""
    settings = settings_of(context.scene)
    chosen = settings.custom_model.strip() or settings.model
    online = _may_download(context)
    for number, one in enumerate(board.told):
        hint, fixes = told.help_with(one, chosen, online=online)
        box = layout.box().column(align=True)
        head = box.row(align=True)
        draw_text(head.column(align=True), context, one.shown, "INFO")
        if number == 0:
            head.operator("kinetype.dismiss", text="", icon="X", emboss=False)
        draw_text(box, context, hint, "BLANK1")
        _draw_fixes(box, fixes)


def _may_download(context: bpy.types.Context) -> bool:
    try:
        # an own command decides about the network itself
        return bpy.app.online_access or preferences_of(context).backend == "COMMAND"
    except KinetypeError:  # shown by the panel itself
        return False


def _draw_fixes(layout: bpy.types.UILayout, fixes: Iterable[Fix]) -> None:
    for fix in fixes:
        button = layout.operator(fix.operator, text=fix.text, icon=fix.icon)
        for name, value in fix.values:
            setattr(button, name, value)


def draw_frames(
    layout: bpy.types.UILayout, armature: bpy.types.Object, frames: tuple[int, int]
) -> None:
    """Which frames a character's Action has."""
    first, last = frames
    text = said("{name}: frames {first} to {last}", name=armature.name, first=first, last=last)
    layout.label(text=text)


def draw_text(layout: bpy.types.UILayout, context: bpy.types.Context, text: str, icon: str) -> None:
    """Wrapped; the icon stands before the first line."""
    column = layout.column(align=True)
    lines = textwrap.wrap(text, line_width(context))
    if len(lines) > MAX_LINES:
        lines[MAX_LINES - LAST_LINES : -LAST_LINES] = ["…"]
    for number, line in enumerate(lines):
        row = column.row()
        if number:
            row.scale_y = 0.8
        row.label(text=line, icon=icon if number == 0 else "BLANK1", translate=False)
