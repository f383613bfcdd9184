"""Generate, cancel, and the seed's dice."""

import random

import bpy
from bpy.props import BoolProperty, FloatProperty

from .. import (
    direction,
    mannequins,
    model_list,
    placement,
    preparing,
    prompt_history,
    pump,
    shape_settings,
)
from ..asking import asked_now
from ..backend_access import OPTIONS, Edit, KinetypeError, ModelInfo, Request, limits
from ..backend_settings import backend_settings
from ..jobs import MAX_BATCH, MAX_WAITING, board
from ..properties import KinetypeSettings, settings_of
from ..sessions import open_session
from .base import KinetypeOperator

_random = random.SystemRandom()


def new_seed(samples: int = 1) -> int:
    """A random seed that leaves room for one seed per sample."""
    return _random.randint(limits.MIN_SEED, limits.MAX_SEED - samples)


def model_of(settings: KinetypeSettings) -> ModelInfo:
    """What is known of the model that the panel names."""
    return model_list.chosen(
        settings.custom_model.strip() or settings.model or limits.DEFAULT_MODEL
    )


def request_from(
    settings: KinetypeSettings,
    *,
    seed: int | None = None,
    edit: Edit | None = None,
    plan: direction.Plan | None = None,
    prompt: str | None = None,
) -> Request:
    """The request that the panel describes; :class:`InvalidRequest` if it is out of bounds.

    Args:
        seed: instead of the panel's.
        edit: what to make anew, if not a whole motion.
        plan: what is wanted besides the panel's words.
        prompt: instead of the panel's.
    """
    model = model_of(settings)
    guidance, steps, sampler = (name in model.options for name in OPTIONS)
    segments = () if plan is None else plan.segments
    return Request(
        prompt="" if segments else settings.prompt if prompt is None else prompt,
        seconds=round(settings.seconds if plan is None else plan.seconds, 3),
        segments=segments,
        constraints=() if plan is None else plan.constraints,
        seed=settings.seed if seed is None else seed,
        samples=settings.samples,
        model=model.name,
        # what the model does not read is greyed out, and says nothing
        guidance_scale=round(settings.guidance, 3) if guidance and settings.use_guidance else None,
        steps=settings.steps if steps and settings.use_steps else None,
        sampler=None if settings.sampler == "DEFAULT" or not sampler else settings.sampler,
        cleanup=settings.cleanup,
        keep_best=settings.keep_best and settings.samples > 1,
        edit=edit,
        **shape_settings.asked(settings, model, whole=edit is None),
    ).validated()


def submit(
    context: bpy.types.Context,
    request: Request,
    where: placement.Placement,
    *,
    batch: bool = False,
) -> None:
    """Send a request on its way and watch it; one of a batch is no prompt that was typed."""
    board.drain()
    most = MAX_BATCH if batch else MAX_WAITING
    settings = backend_settings(context)
    board.submit(request, where, settings, open_session, asked_now(context), most=most)
    if not (batch or request.segments):
        prompt_history.remember(request.prompt)
    if where.target is None:
        mannequins.prepare(context.scene)
    pump.start()


def problem_with(context: bpy.types.Context) -> KinetypeError | None:
    """What stands in the way of Generate, if anything; reads only."""
    try:
        settings = settings_of(context.scene)
        # without the lock another seed will be drawn: whatever the field says is no obstacle
        request = request_from(settings, seed=None if settings.lock_seed else limits.MIN_SEED)
        model = model_of(settings)
        model.check_able("generate", model_list.models())
        model.check_seconds(request.seconds)
        model.check_speed(request.seconds, request.speed)
        placement.find_target(context)
    except KinetypeError as error:
        return error
    return None


class WaitOperator(KinetypeOperator):
    """Shared by the operators that ask for a motion: scripts can wait for it."""

    wait: BoolProperty(
        name="Wait",
        description="Return when the motion is keyed; for scripts, Blender freezes meanwhile",
        options={"SKIP_SAVE"},
    )
    timeout: FloatProperty(
        name="Timeout",
        description="With Wait: cancel after this many seconds; 0 waits for ever",
        min=0.0,
        options={"SKIP_SAVE"},
    )

    def waited(self) -> set[str] | None:
        """Wait for what was submitted if that is asked for; else nothing."""
        if not self.wait:
            return None
        before = tuple(board.finished)
        if not pump.wait(self.timeout or None):
            preparing.cancel()
            board.cancel_all()
            return self.refuse(f"No motion within {self.timeout:g} seconds")
        if board.error is not None:
            return self.refuse(f"{board.error.message} {board.error.hint}")
        held = [item.reason for item in board.finished if item not in before]
        return self.refuse(held[0]) if held else None


class KINETYPE_OT_generate(WaitOperator):
    """Make a motion from the prompt and key it on the character, from the current frame"""

    bl_idname = "kinetype.generate"
    bl_label = "Generate"
    bl_options = {"REGISTER"}

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        return str(problem_with(context) or "")

    def run(self, context: bpy.types.Context) -> set[str] | None:
        settings = settings_of(context.scene)
        if not settings.lock_seed:
            settings.seed = new_seed(settings.samples)
        submit(context, request_from(settings), placement.capture(context))
        return self.waited()


class KINETYPE_OT_cancel(KinetypeOperator):
    """Stop the running generation and drop those that wait; the scene stays as it is"""

    bl_idname = "kinetype.cancel"
    bl_label = "Cancel"
    bl_options = {"INTERNAL"}

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        running = board.jobs or preparing.current() is not None
        return "" if running else "Nothing is being generated"

    def run(self, context: bpy.types.Context) -> None:
        preparing.cancel()
        board.cancel_all()
        pump.start()


class KINETYPE_OT_randomize_seed(KinetypeOperator):
    """Draw a new seed"""

    bl_idname = "kinetype.randomize_seed"
    bl_label = "New Seed"
    bl_options = {"INTERNAL", "UNDO"}

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        return "The seed is locked" if settings_of(context.scene).lock_seed else ""

    def run(self, context: bpy.types.Context) -> None:
        settings = settings_of(context.scene)
        settings.seed = new_seed(settings.samples)


CLASSES = (KINETYPE_OT_generate, KINETYPE_OT_cancel, KINETYPE_OT_randomize_seed)
