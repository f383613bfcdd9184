"""The list of takes: put on the character, step through, make again, delete."""

from dataclasses import replace

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from .. import model_list, placement, shape_settings, takes
from ..backend_access import InvalidRequest, KinetypeError, Request, messages
from ..properties import KinetypeSettings, settings_of
from ..scene import action as actions
from ..scene import compat
from .base import KinetypeOperator
from .generate import submit


def highlighted(context: bpy.types.Context) -> bpy.types.Action | None:
    """The take that is highlighted in the list."""
    action = settings_of(context.scene).take
    return action if action is not None and takes.is_take(action) else None


def character_of(context: bpy.types.Context) -> bpy.types.Object | None:
    """The armature that takes are put on; None when there is none (or only a bad one)."""
    try:
        return placement.find_character(context)
    except KinetypeError:
        return None


def assign(context: bpy.types.Context, action: bpy.types.Action) -> None:
    """Make a take the active Action of the character; the earlier one stays in the file.

    Raises:
        InvalidRequest: the take's keys say nothing about the bones of this character.
    """
    armature = placement.find_character(context)
    assert armature is not None
    takes.check_fits(action, armature)
    data = armature.animation_data or armature.animation_data_create()
    if data.action is not None:
        data.action.use_fake_user = True
    compat.assign_action(armature, action)
    settings_of(context.scene).take = action


def recall(settings: KinetypeSettings, request: Request) -> None:
    """Fill the panel from a request, and lock the seed so that it stays."""
    settings.prompt, settings.seconds = request.prompt, request.seconds
    settings.seed, settings.lock_seed = request.seed, True
    settings.samples, settings.cleanup = request.samples, request.cleanup
    settings.keep_best = request.keep_best
    if model_list.find(request.model) is not None:
        settings.model, settings.custom_model = request.model, ""
    else:
        settings.custom_model = request.model
    settings.use_guidance = request.guidance_scale is not None
    if request.guidance_scale is not None:
        settings.guidance = request.guidance_scale
    settings.use_steps = request.steps is not None
    if request.steps is not None:
        settings.steps = request.steps
    settings.sampler = request.sampler or "DEFAULT"
    shape_settings.recall(settings, request)


def _problem(context: bpy.types.Context, *, needs_character: bool) -> str:
    if not any(takes.is_take(action) for action in bpy.data.actions):
        return "There are no takes yet"
    if not needs_character:
        return ""
    try:
        found = placement.find_character(context)
    except KinetypeError as error:
        return str(error)
    return "" if found is not None else "Select the character that the take is for"


class TakeOperator(KinetypeOperator):
    """Shared by the operators on one take: the named one, else the highlighted one."""

    take: StringProperty(
        name="Take",
        description="Name of the Action; empty means the highlighted one",
        options={"SKIP_SAVE"},
    )
    needs_character = False

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        return _problem(context, needs_character=cls.needs_character)

    def run(self, context: bpy.types.Context) -> set[str] | None:
        action = self.chosen(context)
        if action is None:
            return self.refuse(f"No take {self.take!r}" if self.take else "Choose a take")
        self.use(context, action)
        return None

    def chosen(self, context: bpy.types.Context) -> bpy.types.Action | None:
        """The take that this operator is about."""
        if not self.take:
            return highlighted(context)
        action = bpy.data.actions.get(self.take)
        return action if action is not None and takes.is_take(action) else None

    def use(self, context: bpy.types.Context, action: bpy.types.Action) -> None:
        """The work on the take."""
        raise NotImplementedError


class KINETYPE_OT_take_assign(TakeOperator):
    """Put this take on the character"""

    bl_idname = "kinetype.take_assign"
    bl_label = "Use Take"
    bl_options = {"REGISTER", "UNDO"}
    needs_character = True

    def use(self, context: bpy.types.Context, action: bpy.types.Action) -> None:
        assign(context, action)


class KINETYPE_OT_take_step(KinetypeOperator):
    """Put the next or the previous take on the character"""

    bl_idname = "kinetype.take_step"
    bl_label = "Step Through Takes"
    bl_options = {"REGISTER", "UNDO"}

    direction: EnumProperty(
        name="Direction",
        description="Which way through the list",
        items=[("NEXT", "Next", "The next take"), ("PREVIOUS", "Previous", "The previous take")],
    )

    @classmethod
    def description(cls, context: bpy.types.Context, properties: bpy.types.PropertyGroup) -> str:
        return f"Put the {properties.direction.lower()} take on the character"

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        return _problem(context, needs_character=True)

    def run(self, context: bpy.types.Context) -> None:
        armature = character_of(context)
        assert armature is not None
        shown = takes.listed(settings_of(context.scene), armature)
        found = [take for take in shown if actions.fits(take, armature)]
        if not found:
            raise InvalidRequest(
                f"No take was made for the bones and rotation modes of {armature.name!r}.",
                "Generate one.",
            )
        data = armature.animation_data
        current = data.action if data is not None else None
        step = 1 if self.direction == "NEXT" else -1
        if current in found:
            index = (found.index(current) + step) % len(found)
        else:
            index = 0 if step > 0 else len(found) - 1
        assign(context, found[index])


class KINETYPE_OT_take_delete(TakeOperator):
    """Delete this take from the file"""

    bl_idname = "kinetype.take_delete"
    bl_label = "Delete Take"
    bl_options = {"REGISTER", "UNDO"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        action = self.chosen(context)
        if action is None:
            return self.execute(context)
        return context.window_manager.invoke_confirm(self, event, message=action.name)

    def use(self, context: bpy.types.Context, action: bpy.types.Action) -> None:
        takes.refuse_played(action)
        takes.delete(context.scene, [action])


class AgainOperator(TakeOperator):
    """Shared by the operators that use what a take was made from: a file may be a stranger's, and
    the hub id or path of a model that it names is asked about before anything loads it.
    """

    trusted: BoolProperty(
        name="Trust the Model",
        description="Use a model in no list, which the file names by hub id or path",
        options={"SKIP_SAVE"},
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        action = self.chosen(context)
        model = takes.foreign_model(action) if action is not None else ""
        if not model:
            return self.execute(context)
        self.trusted = True
        return context.window_manager.invoke_confirm(
            self,
            event,
            message=f"This file names the model {model!r}, which is in no list. Use it?",
        )

    def request(self, action: bpy.types.Action) -> Request:
        """What made the take; :class:`InvalidRequest` where its model must be trusted first."""
        model = takes.foreign_model(action)
        if model and not self.trusted:
            raise InvalidRequest(
                f"{action.name!r} names the model {model!r}, which is in no list.",
                "Press the button and confirm it, or say trusted=True in a script.",
            )
        return takes.request_of(action)


class KINETYPE_OT_take_regenerate(AgainOperator):
    """Make this take again with its prompt, seed and settings, as a new take"""

    bl_idname = "kinetype.take_regenerate"
    bl_label = "Make Again"
    bl_options = {"REGISTER"}

    def use(self, context: bpy.types.Context, action: bpy.types.Action) -> None:
        takes.refuse_edit(action)
        start = round(action.curve_frame_range[0])
        request = replace(self.request(action), id=messages.new_id())
        submit(context, request, placement.capture(context, start_frame=start))


class KINETYPE_OT_take_recall(AgainOperator):
    """Copy this take's prompt, seed and settings into the panel"""

    bl_idname = "kinetype.take_recall"
    bl_label = "Copy Settings"
    bl_options = {"REGISTER", "UNDO"}

    def use(self, context: bpy.types.Context, action: bpy.types.Action) -> None:
        request = self.request(action)
        recall(settings_of(context.scene), request)


class KINETYPE_OT_fit_frame_range(TakeOperator):
    """Set the scene's frame range to this take"""

    bl_idname = "kinetype.fit_frame_range"
    bl_label = "Fit Frame Range"
    bl_options = {"REGISTER", "UNDO"}

    def use(self, context: bpy.types.Context, action: bpy.types.Action) -> None:
        first, last = action.frame_range
        context.scene.frame_start, context.scene.frame_end = round(first), round(last)


CLASSES = (
    KINETYPE_OT_take_assign,
    KINETYPE_OT_take_step,
    KINETYPE_OT_take_delete,
    KINETYPE_OT_take_regenerate,
    KINETYPE_OT_take_recall,
    KINETYPE_OT_fit_frame_range,
)
