"""Make part of the character's motion anew: some frames, some of the body, or both."""

from dataclasses import replace

import bpy
from bpy.props import EnumProperty

from .. import model_list, placement, preparing, pump, takes
from ..backend_access import Edit, InvalidRequest, KinetypeError, Motion, limits
from ..properties import KinetypeSettings, frozen, settings_of
from ..scene import reading
from .base import KinetypeOperator
from .generate import WaitOperator, model_of, new_seed, request_from, submit

READING = "Reading the rig"
"""What the bar says while an Action is read."""


def range_problem(settings: KinetypeSettings, first: int, last: int) -> str:
    """Why the chosen frames of a motion keyed from ``first`` to ``last`` cannot be made anew."""
    if settings.edit_frames == "AFTER":
        return ""
    if settings.edit_frames == "ALL":
        if settings.edit_part == "ALL":
            return "All frames of the whole body: choose a range, a part, or Generate"
        return ""
    start, end = settings.edit_first, settings.edit_last
    if start > end:
        return f"The range ends (frame {end}) before it begins (frame {start})"
    if start < first or end > last:
        return f"The motion has keys from frame {first} to {last}: choose a range within"
    if (start, end) == (first, last) and settings.edit_part == "ALL":
        return "The range is the whole motion: leave some frames to keep, or choose a part"
    return ""


def _ability(settings: KinetypeSettings) -> str:
    return "continue" if settings.edit_frames == "AFTER" else "edit"


def edit_of(settings: KinetypeSettings, motion: Motion, start_frame: int) -> Edit:
    """What the panel asks to be made anew of a motion that begins at ``start_frame``.

    Raises:
        InvalidRequest: the motion is too long, or would be.
    """
    more = None
    if settings.edit_frames == "AFTER":
        more = max(1, round(settings.edit_seconds * motion.fps))
    seconds = motion.seconds + (more or 0) / motion.fps
    if seconds > limits.MAX_SECONDS:
        raise InvalidRequest(
            f"The motion lasts {seconds:.0f} seconds; edits reach to {limits.MAX_SECONDS:.0f}.",
            "Put a shorter part of it into an Action of its own and edit that.",
        )
    if more is not None:
        return Edit(motion, more=more)
    frames = None
    if settings.edit_frames == "RANGE":
        frames = (settings.edit_first - start_frame, settings.edit_last + 1 - start_frame)
    joints = () if settings.edit_part == "ALL" else (settings.edit_part.lower(),)
    return Edit(motion, frames, joints)


def with_origin(performance: reading.Performance) -> Motion:
    """The motion, which tells what the take was made from."""
    info = takes.info_of(performance.action)
    meta = {} if info is None else {"prompt": info.prompt, "seed": info.seed}
    return replace(performance.motion, meta=meta)


class KINETYPE_OT_edit_motion(WaitOperator):
    """Make the chosen part of the character's motion anew from the prompt, or let it go on.

    The result is a new take; everything else stays as it is, hand-made keys included
    """

    bl_idname = "kinetype.edit_motion"
    bl_label = "Edit Motion"
    bl_options = {"REGISTER"}

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        try:
            armature = placement.find_character(context)
            settings = settings_of(context.scene)
            model_of(settings).check_able(_ability(settings), model_list.models())
        except KinetypeError as error:
            return str(error)
        if armature is None:
            return "Select the character whose motion you want to change"
        frames = reading.frames_of(armature)
        if frames is None:
            return f"{armature.name!r} has no motion yet: generate one, or put a take on it"
        return range_problem(settings_of(context.scene), *frames)

    def run(self, context: bpy.types.Context) -> set[str] | None:
        settings = settings_of(context.scene)
        armature = placement.find_character(context)
        if armature is None:
            raise InvalidRequest("No character is selected.", "Select the one to change.")
        if not settings.lock_seed:
            settings.seed = new_seed(settings.samples)
        asked, where = frozen(settings), placement.capture_edit(context, armature)

        def ask(performance: reading.Performance) -> None:
            edit = edit_of(asked, with_origin(performance), performance.start_frame)
            submit(bpy.context, request_from(asked, edit=edit), where.of(performance))

        steps = reading.performance_steps(armature, context.scene)
        preparing.start(READING, steps, ask)
        pump.start()
        return self.waited()


class KINETYPE_OT_edit_frame(KinetypeOperator):
    """Take the current frame"""

    bl_idname = "kinetype.edit_frame"
    bl_label = "Current Frame"
    bl_options = {"INTERNAL", "UNDO"}

    end: EnumProperty(
        name="End",
        description="Which end of the range",
        items=[("FIRST", "From", "Where it begins"), ("LAST", "To", "Where it ends")],
    )

    @classmethod
    def description(cls, context: bpy.types.Context, properties: bpy.types.PropertyGroup) -> str:
        return f"{'Begin' if properties.end == 'FIRST' else 'End'} the range at the current frame"

    def run(self, context: bpy.types.Context) -> None:
        settings, frame = settings_of(context.scene), context.scene.frame_current
        if self.end == "FIRST":
            settings.edit_first, settings.edit_last = frame, max(frame, settings.edit_last)
        else:
            settings.edit_first, settings.edit_last = min(frame, settings.edit_first), frame


CLASSES = (KINETYPE_OT_edit_motion, KINETYPE_OT_edit_frame)
