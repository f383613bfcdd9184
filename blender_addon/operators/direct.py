"""Direct the next motion: poses, pins and a path to meet, how it begins, what stays."""

from __future__ import annotations

import math
from dataclasses import replace

import bpy
import numpy as np
from bpy.props import BoolProperty, EnumProperty
from mathutils import Vector

from .. import directing, direction, model_list, placement, preparing, pump
from ..backend_access import Edit, InvalidRequest, KinetypeError, limits
from ..properties import frozen, settings_of
from ..scene import armature as armatures
from ..scene import places, posing, reading
from .base import KinetypeOperator
from .edit import READING, with_origin
from .generate import WaitOperator, model_of, new_seed, request_from, submit

NO_CHARACTER = "Select the character to direct; Add Mannequin makes one"
_WIRE = {"POSE": "fullbody", "PATH": "root2d"}
_EMPTY_SIZE = 0.08
"""Of an empty that marks a pin, in metres."""


def character_of(context: bpy.types.Context) -> bpy.types.Object:
    """The character that is directed.

    Raises:
        KinetypeError: there is none, or it cannot take a motion.
    """
    found = placement.find_character(context)
    if found is None:
        raise InvalidRequest("No character is selected.", f"{NO_CHARACTER}.")
    return found


def trouble(context: bpy.types.Context) -> str:
    """Why nothing can be directed, or ''; cheap enough to draw."""
    try:
        found = placement.find_character(context)
    except KinetypeError as error:
        return str(error)
    return "" if found is not None else NO_CHARACTER


def unable(context: bpy.types.Context, armature: bpy.types.Object) -> str:
    """What of the list the chosen model cannot do, or ''; cheap enough to draw."""
    model, known = model_of(settings_of(context.scene)), model_list.models()
    wants = directing.of(armature)
    try:
        model.check_able("generate", known)
        if wants.use_prompts:
            model.check_able("segments", known)
        kinds = {_WIRE.get(wish.kind, wish.limb) for wish in directing.wishes_of(wants)}
        if wants.begin != "FREE" or wants.blend:
            kinds.add(_WIRE["POSE"])
        if kinds:
            model.check_constraints(sorted(kinds), known)
    except KinetypeError as error:
        return str(error)
    return ""


class _DirectOperator(KinetypeOperator):
    """Shared by the operators on what is wanted of the character."""

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        return trouble(context)


class _WishOperator(_DirectOperator):
    """Shared by the operators on the highlighted entry of the list."""

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        return trouble(context) or ("" if highlighted(context) else "The list is empty")


def highlighted(context: bpy.types.Context) -> directing.KinetypeWish | None:
    """The entry that the list shows as chosen."""
    try:
        armature = placement.find_character(context)
    except KinetypeError:
        return None
    wants = None if armature is None else directing.of(armature)
    if wants is None or not 0 <= wants.wish_index < len(wants.wishes):
        return None
    return wants.wishes[wants.wish_index]


# --------------------------------------------------------------------------- making the motion


class KINETYPE_OT_direct(WaitOperator):
    """Make a motion that meets the constraints and prompts below, as a new take.

    What cannot be met is told in cm and degrees
    """

    bl_idname = "kinetype.direct"
    bl_label = "Generate as Directed"
    bl_options = {"REGISTER"}

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        reason = trouble(context)
        if reason:
            return reason
        armature = character_of(context)
        wants = directing.of(armature)
        if not wants.use_prompts and not settings_of(context.scene).prompt.strip():
            return "Describe a motion in the prompt above"
        return unable(context, armature)

    def run(self, context: bpy.types.Context) -> set[str] | None:
        settings, armature = settings_of(context.scene), character_of(context)
        planned = direction.plan(armature, context.scene, round(settings.seconds, 3))
        model_of(settings).check_seconds(planned.seconds)
        if not settings.lock_seed:
            settings.seed = new_seed(settings.samples)
        request = request_from(settings, plan=planned)
        where = replace(
            placement.capture_edit(context, armature),
            start_frame=planned.start_frame,
            direction=planned.direction,
        )
        if not directing.of(armature).blend:
            submit(context, request, where)
            return self.waited()

        def ask(performance: reading.Performance) -> None:
            into = replace(
                planned.direction, into=performance.motion, first=performance.start_frame
            )
            around = replace(where.of(performance), start_frame=where.start_frame, direction=into)
            submit(bpy.context, request, around)

        preparing.start(READING, reading.performance_steps(armature, context.scene), ask)
        pump.start()
        return self.waited()


class KINETYPE_OT_in_between(WaitOperator):
    """Keep some frames of the character's Action exactly as they are keyed and make the rest anew
    from the prompt, as a new take
    """

    bl_idname = "kinetype.in_between"
    bl_label = "Make In-Between"
    bl_options = {"REGISTER"}

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        reason = trouble(context)
        if reason:
            return reason
        try:
            model_of(settings_of(context.scene)).check_able("edit", model_list.models())
        except KinetypeError as error:
            return str(error)
        armature = character_of(context)
        if reading.frames_of(armature) is None:
            return f"{armature.name!r} has no keys yet: key some poses"
        return ""

    def run(self, context: bpy.types.Context) -> set[str] | None:
        settings, armature = settings_of(context.scene), character_of(context)
        frames = reading.frames_of(armature)
        assert frames is not None
        kept = direction.kept_frames(armature, directing.of(armature), *frames)
        anew = direction.made_anew(kept, *frames)
        seconds = (frames[1] + 1 - frames[0]) / reading.scene_fps(context.scene)
        if seconds > limits.MAX_SECONDS:
            raise InvalidRequest(
                f"The Action lasts {seconds:.0f} seconds; at most {limits.MAX_SECONDS:.0f} can be "
                "made anew.",
                "Put a shorter part of it into an Action of its own.",
            )
        if not settings.lock_seed:
            settings.seed = new_seed(settings.samples)
        asked, where = frozen(settings), placement.capture_edit(context, armature)

        def ask(performance: reading.Performance) -> None:
            edit = Edit(with_origin(performance), anew)
            submit(bpy.context, request_from(asked, edit=edit), where.of(performance))

        preparing.start(READING, reading.performance_steps(armature, context.scene), ask)
        pump.start()
        return self.waited()


# --------------------------------------------------------------------------- the list


class KINETYPE_OT_use_pose(_DirectOperator):
    """Add the pose that the character shows now, on the current frame, as one to meet"""

    bl_idname = "kinetype.use_pose"
    bl_label = "Use This Pose"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: bpy.types.Context) -> None:
        armature = character_of(context)
        pose = posing.Shown(armature).pose()
        wish = directing.add_wish(directing.of(armature), "POSE", context.scene.frame_current)
        wish.pose = directing.pose_text(pose)


class KINETYPE_OT_add_pin(_DirectOperator):
    """Pin a hand or foot to the other selected object, or to a new empty where it is now"""

    bl_idname = "kinetype.add_pin"
    bl_label = "Pin"
    bl_options = {"REGISTER", "UNDO"}

    limb: EnumProperty(
        name="Limb",
        description="What is pinned",
        items=[
            (limb, title, f"Pin the {title.lower()}") for limb, title in directing.PINNED.items()
        ],
    )

    def run(self, context: bpy.types.Context) -> None:
        armature, frame = character_of(context), context.scene.frame_current
        others = [
            thing
            for thing in context.selected_objects
            if thing.type == "EMPTY" and thing != armature
        ]
        goal = others[0] if others else self._mark(context, armature)
        wish = directing.add_wish(directing.of(armature), "PIN", frame)
        wish.limb, wish.goal = self.limb, goal
        wish.last = frame + round(reading.scene_fps(context.scene)) - 1

    def _mark(self, context: bpy.types.Context, armature: bpy.types.Object) -> bpy.types.Object:
        """An empty where the limb is."""
        space = places.Space(armature, context.scene)
        side, _, end = self.limb.partition("-")
        joint = f"{side}_{'wrist' if end == 'hand' else 'ankle'}"
        bone = armatures.find_bones(armature).get(joint)
        if bone is None:
            raise InvalidRequest(
                f"{armature.name!r} has no {directing.PINNED[self.limb].lower()}.",
                "Choose its bone in the panel Joints, or pin another limb.",
            )
        posed = armature.evaluated_get(context.evaluated_depsgraph_get())
        empty = bpy.data.objects.new(f"{armature.name} {directing.PINNED[self.limb]}", None)
        empty.empty_display_type = "SPHERE"
        empty.empty_display_size = _EMPTY_SIZE / space.metre
        empty.location = Vector(posed.matrix_world @ posed.pose.bones[bone].head)
        armature.users_collection[0].objects.link(empty)
        return empty


class KINETYPE_OT_add_path(_DirectOperator):
    """Follow the other selected curve, or a new one ahead of the character that you can change"""

    bl_idname = "kinetype.add_path"
    bl_label = "Path"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: bpy.types.Context) -> None:
        armature, scene = character_of(context), context.scene
        wants = directing.of(armature)
        others = [thing for thing in context.selected_objects if thing.type == "CURVE"]
        curve = others[0] if others else self._draw(context, armature)
        wish = directing.add_wish(wants, "PATH", wants.first)
        wish.curve = curve
        length = settings_of(scene).seconds * reading.scene_fps(scene)
        wish.last = wants.first + max(1, math.floor(length)) - 1

    def _draw(self, context: bpy.types.Context, armature: bpy.types.Object) -> bpy.types.Object:
        """A curve of three metres on the floor, from where the character is to ahead of it."""
        space = places.Space(armature, context.scene)
        now = posing.Shown(armature).pose().row[[0, 2]]
        ways = [[now[0], 0.0, now[1] + ahead] for ahead in (0.0, 1.5, 3.0)]
        points = space.to_world(np.array(ways) - [0.0, space.lift, 0.0])
        data = bpy.data.curves.new(f"{armature.name} Path", "CURVE")
        data.dimensions = "3D"
        spline = data.splines.new("BEZIER")
        spline.bezier_points.add(len(points) - 1)
        for bezier, point in zip(spline.bezier_points, points, strict=True):
            bezier.co = Vector(point)
            bezier.handle_left_type = bezier.handle_right_type = "AUTO"
        curve = bpy.data.objects.new(data.name, data)
        armature.users_collection[0].objects.link(curve)
        return curve


class KINETYPE_OT_wish_remove(_WishOperator):
    """Take the highlighted entry off the list; its curve or empty stays"""

    bl_idname = "kinetype.wish_remove"
    bl_label = "Remove Constraint"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: bpy.types.Context) -> None:
        wants = directing.of(character_of(context))
        wants.wishes.remove(wants.wish_index)
        wants.wish_index = max(0, min(wants.wish_index, len(wants.wishes) - 1))


class KINETYPE_OT_wish_jump(_WishOperator):
    """Go to the frame of the highlighted entry"""

    bl_idname = "kinetype.wish_jump"
    bl_label = "Go to Its Frame"
    bl_options = {"REGISTER", "UNDO"}

    end: BoolProperty(name="End", description="Go to its last frame instead")

    def run(self, context: bpy.types.Context) -> None:
        wish = highlighted(context)
        assert wish is not None
        context.scene.frame_set(wish.last if self.end and wish.kind != "POSE" else wish.frame)


class KINETYPE_OT_wish_update(_WishOperator):
    """Take the pose that is shown now, and the current frame, for the highlighted entry"""

    bl_idname = "kinetype.wish_update"
    bl_label = "Take Pose Again"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        reason = super().problem(context)
        wish = highlighted(context)
        if reason or (wish is not None and wish.kind == "POSE"):
            return reason
        return "The highlighted entry is no pose"

    def run(self, context: bpy.types.Context) -> None:
        wish = highlighted(context)
        assert wish is not None
        wish.pose = directing.pose_text(posing.Shown(character_of(context)).pose())
        wish.frame = context.scene.frame_current
        wish.cm = wish.degrees = directing.UNKNOWN


class KINETYPE_OT_direct_here(_DirectOperator):
    """Let the motion begin on the current frame"""

    bl_idname = "kinetype.direct_here"
    bl_label = "Begin at the Current Frame"
    bl_options = {"INTERNAL", "UNDO"}

    def run(self, context: bpy.types.Context) -> None:
        directing.of(character_of(context)).first = context.scene.frame_current


CLASSES = (
    KINETYPE_OT_direct,
    KINETYPE_OT_in_between,
    KINETYPE_OT_use_pose,
    KINETYPE_OT_add_pin,
    KINETYPE_OT_add_path,
    KINETYPE_OT_wish_remove,
    KINETYPE_OT_wish_jump,
    KINETYPE_OT_wish_update,
    KINETYPE_OT_direct_here,
)
