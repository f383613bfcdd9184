"""What can be done with a take: star, compare, another seed, NLA, another rate, asset, delete."""

from dataclasses import replace

import bpy
from bpy.props import BoolProperty, CollectionProperty, FloatProperty, IntProperty

from .. import placement, takes
from ..backend_access import InvalidRequest, messages
from ..jobs import board
from ..properties import settings_of
from ..scene import action as actions
from ..scene import cleaning, comparing, compat, retiming
from .base import KinetypeOperator
from .generate import new_seed, submit
from .takes import AgainOperator, TakeOperator, assign, character_of


class KINETYPE_OT_take_star(TakeOperator):
    """Mark this take as a good one, or take the mark away"""

    bl_idname = "kinetype.take_star"
    bl_label = "Star Take"
    bl_options = {"REGISTER", "UNDO"}

    def use(self, context: bpy.types.Context, action: bpy.types.Action) -> None:
        del context
        takes.set_star(action, not takes.has_star(action))


class KINETYPE_OT_take_reseed(AgainOperator):
    """Make this take again with another seed and the same prompt and settings, as a new take"""

    bl_idname = "kinetype.take_reseed"
    bl_label = "New Seed"
    bl_options = {"REGISTER"}

    def use(self, context: bpy.types.Context, action: bpy.types.Action) -> None:
        takes.refuse_edit(action)
        request = self.request(action)
        request = replace(request, id=messages.new_id(), seed=new_seed(request.samples))
        start = round(action.curve_frame_range[0])
        submit(context, request, placement.capture(context, start_frame=start))


class KINETYPE_OT_take_compare(TakeOperator):
    """Show this take on a copy beside the character; the copy starts when the character does"""

    bl_idname = "kinetype.take_compare"
    bl_label = "Compare"
    bl_options = {"REGISTER", "UNDO"}
    needs_character = True

    def use(self, context: bpy.types.Context, action: bpy.types.Action) -> None:
        character = placement.find_character(context)
        assert character is not None
        takes.check_fits(action, character)
        comparing.begin(context.scene, character, action)


class KINETYPE_OT_compare_end(KinetypeOperator):
    """Remove the copy that shows another take, and all that was made for it"""

    bl_idname = "kinetype.compare_end"
    bl_label = "End Comparison"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        return "" if comparing.compared(context.scene) else "Nothing is being compared"

    def run(self, context: bpy.types.Context) -> None:
        comparing.end(context.scene)


class KINETYPE_OT_take_to_nla(TakeOperator):
    """Put this take on a new NLA track of the character, blended in and out"""

    bl_idname = "kinetype.take_to_nla"
    bl_label = "Push to NLA"
    bl_options = {"REGISTER", "UNDO"}
    needs_character = True

    blend_in: IntProperty(
        name="Blend In", description="Frames over which it takes over", default=10, min=0
    )
    blend_out: IntProperty(
        name="Blend Out",
        description="Frames over which it gives way; with 0 it holds its last pose",
        default=10,
        min=0,
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_props_dialog(self, width=220)

    def use(self, context: bpy.types.Context, action: bpy.types.Action) -> None:
        assign(context, action)
        character = character_of(context)
        assert character is not None
        data, slot = character.animation_data, compat.slot_of(character)
        first, last = action.frame_range
        data.action = None
        track = data.nla_tracks.new()
        track.name = action.name
        strip = track.strips.new(action.name, round(first), action)
        compat.set_strip_slot(strip, slot)
        strip.use_auto_blend = False
        strip.extrapolation = "NOTHING" if self.blend_out else "HOLD_FORWARD"
        most = (last - first) / 2.0
        strip.blend_in, strip.blend_out = min(self.blend_in, most), min(self.blend_out, most)


class KINETYPE_OT_take_fit_rate(TakeOperator):
    """Move the keys of this take to the scene's frame rate, so that it lasts as long as before"""

    bl_idname = "kinetype.take_fit_rate"
    bl_label = "Fit to Frame Rate"
    bl_options = {"REGISTER", "UNDO"}

    def use(self, context: bpy.types.Context, action: bpy.types.Action) -> None:
        other = takes.other_rate(action, context.scene)
        if other is None:
            raise InvalidRequest(
                f"{action.name!r} has the frame rate of the scene.", "It can be used as it is."
            )
        takes.refuse_played(action)
        wanted = actions.scene_fps(context.scene)
        retiming.fit(action, other, wanted)
        takes.set_rate(action, wanted)


class KINETYPE_OT_take_thin(TakeOperator):
    """Copy this take with as few keys as move no end of a bone by more than an error"""

    bl_idname = "kinetype.take_thin"
    bl_label = "Fewer Keys"
    bl_options = {"REGISTER", "UNDO"}
    needs_character = True

    millimetres: FloatProperty(
        name="Error (mm)",
        description="How far the ends of bones may move, on a body of 1.7 m",
        default=2.0,
        min=0.01,
        max=100.0,
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_props_dialog(self, width=220)

    def use(self, context: bpy.types.Context, action: bpy.types.Action) -> None:
        assign(context, action)
        character = character_of(context)
        assert character is not None
        done = cleaning.fewer_keys(context, character, self.millimetres)
        settings_of(context.scene).take = done.action
        board.message = done.note
        self.report({"INFO"}, done.note)


class KINETYPE_OT_take_to_asset(TakeOperator):
    """Offer this take in the asset browser, with its prompt, model and licence"""

    bl_idname = "kinetype.take_to_asset"
    bl_label = "Mark as Asset"
    bl_options = {"REGISTER", "UNDO"}

    def use(self, context: bpy.types.Context, action: bpy.types.Action) -> None:
        del context
        takes.mark_asset(action)


class KinetypeTakeChoice(bpy.types.PropertyGroup):
    """A take in a list of which some are chosen."""

    chosen: BoolProperty(name="Delete", description="Whether this take is deleted")


class KINETYPE_OT_takes_delete(KinetypeOperator):
    """Delete several takes; those that NLA strips play stay"""

    bl_idname = "kinetype.takes_delete"
    bl_label = "Delete Takes"
    bl_options = {"REGISTER", "UNDO"}

    choices: CollectionProperty(
        name="Takes",
        description="The takes of the list, and which of them are deleted",
        type=KinetypeTakeChoice,
        options={"SKIP_SAVE"},
    )
    unstarred: BoolProperty(
        name="All Without Star",
        description="All of the list but those with a star",
        options={"SKIP_SAVE"},
    )

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        return "" if takes.all_takes() else "There are no takes yet"

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        self.choices.clear()
        for take in takes.listed(settings_of(context.scene), character_of(context)):
            self.choices.add().name = take.name
        return context.window_manager.invoke_props_dialog(self, width=320)

    def draw(self, context: bpy.types.Context) -> None:
        del context
        layout = self.layout
        layout.prop(self, "unstarred")
        column = layout.column(align=True)
        column.enabled = not self.unstarred
        for choice in self.choices:
            column.prop(choice, "chosen", text=choice.name, translate=False)

    def run(self, context: bpy.types.Context) -> set[str] | None:
        settings = settings_of(context.scene)
        if self.unstarred:
            listed = takes.listed(settings, character_of(context))
            chosen = [take for take in listed if not takes.has_star(take)]
        else:
            names = {choice.name for choice in self.choices if choice.chosen}
            chosen = [take for take in takes.all_takes() if take.name in names]
        if not chosen:
            return self.refuse("No take was chosen")
        kept = takes.delete(context.scene, chosen)
        self.report({"INFO"}, deleted_note(len(chosen) - len(kept), kept))
        return None


def deleted_note(count: int, kept: list[str]) -> str:
    """For example "3 takes deleted; NLA strips play “walk”, which stays"."""
    note = f"{count} take{'' if count == 1 else 's'} deleted"
    if not kept:
        return note
    named = ", ".join(f"“{name}”" for name in kept)
    return f"{note}; NLA strips play {named}, which {'stays' if len(kept) == 1 else 'stay'}"


CLASSES = (
    KinetypeTakeChoice,
    KINETYPE_OT_take_star,
    KINETYPE_OT_take_reseed,
    KINETYPE_OT_take_compare,
    KINETYPE_OT_compare_end,
    KINETYPE_OT_take_to_nla,
    KINETYPE_OT_take_fit_rate,
    KINETYPE_OT_take_thin,
    KINETYPE_OT_take_to_asset,
    KINETYPE_OT_takes_delete,
)
