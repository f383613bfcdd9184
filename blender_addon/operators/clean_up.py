"""Repairs of the active Action of the character, one click and one undo step each."""

import bpy
from bpy.props import EnumProperty, FloatProperty, IntProperty

from .. import placement
from ..backend_access import InvalidRequest, KinetypeError
from ..jobs import board
from ..properties import settings_of
from ..scene import cleaning, reading
from ..scene.action import scene_fps
from .base import KinetypeOperator

TOOLS = [
    ("FOOT_LOCK", "Foot Lock", "Hold standing feet on the floor and in place"),
    ("SMOOTH", "Smooth", "Remove jitter without flattening the poses"),
    ("GROUND", "Ground and Heading", "Standing feet on the floor, the start at the rig, facing"
     " an angle"),
    ("IN_PLACE", "In Place", "The body stays above where it starts"),
    ("ROOT", "Root Bone", "The way through the room on a root bone, as game engines expect it"),
    ("LOOP", "Loop", "Cut and blend, so that the end leads into the start"),
    ("TRIM", "Trim", "Keep the frames of a range"),
    ("MIRROR", "Mirror", "Swap left and right"),
    ("SPEED", "Speed", "Play faster or slower"),
    ("REDUCE", "Fewer Keys", "Remove keys, up to an error in millimetres"),
]  # fmt: skip
LABELS = {name: label for name, label, _ in TOOLS}


class KINETYPE_OT_clean_up(KinetypeOperator):
    """Repair what the active character performs; the result is a new Action"""

    bl_idname = "kinetype.clean_up"
    bl_label = "Clean Up"
    bl_options = {"REGISTER", "UNDO"}

    tool: EnumProperty(name="Tool", description="What is done", items=TOOLS)
    strength: FloatProperty(
        name="Strength", description="How firmly feet are held", default=1.0, min=0.0, max=1.0,
        subtype="FACTOR",
    )  # fmt: skip
    seconds: FloatProperty(
        name="Seconds", description="Width of the smoothing", default=0.05, min=0.01, max=0.5
    )
    blend: FloatProperty(
        name="Blend", description="How long the end of a loop leads into its start (seconds)",
        default=0.4, min=0.0, max=3.0,
    )  # fmt: skip
    factor: FloatProperty(
        name="Speed", description="2 is twice as fast", default=1.0, min=0.1, max=10.0
    )
    angle: FloatProperty(
        name="Heading", description="Where the start faces; 0 is the front", subtype="ANGLE"
    )
    first: IntProperty(name="From", description="First frame that stays")
    last: IntProperty(name="To", description="Last frame that stays", default=250)
    millimetres: FloatProperty(
        name="Error (mm)",
        description="How far the ends of bones may move, on a body of 1.7 m",
        default=2.0,
        min=0.01,
        max=100.0,
    )

    @classmethod
    def description(cls, context: bpy.types.Context, properties: bpy.types.PropertyGroup) -> str:
        text = next(text for name, _, text in TOOLS if name == properties.tool)
        return f"{text}. The result is a new Action"

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        try:
            armature = placement.find_character(context)
        except KinetypeError as error:
            return str(error)
        if armature is None:
            return "Select the character whose motion you want to repair"
        if reading.frames_of(armature) is None:
            return f"{armature.name!r} has no motion yet: generate one, or put a take on it"
        return ""

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        armature = placement.find_character(context)
        frames = None if armature is None else reading.frames_of(armature)
        if frames is not None and not self.properties.is_property_set("last"):
            self.first, self.last = frames
        return self.execute(context)

    def draw(self, context: bpy.types.Context) -> None:
        del context
        layout = self.layout
        layout.use_property_split = True
        for name in _SHOWN.get(self.tool, ()):
            layout.prop(self, name)

    def run(self, context: bpy.types.Context) -> None:
        armature = placement.find_character(context)
        if armature is None:
            raise InvalidRequest("No character is selected.", "Select the one to repair.")
        if self.tool == "ROOT":
            done = cleaning.to_root_bone(context, armature)
        elif self.tool == "REDUCE":
            done = cleaning.fewer_keys(context, armature, self.millimetres)
        else:
            done = self.changed(context, armature)
        settings_of(context.scene).take = done.action
        board.message = done.note
        self.report({"INFO"}, done.note)

    def changed(self, context: bpy.types.Context, armature: bpy.types.Object) -> cleaning.Cleaned:
        """Another motion on the same body."""
        frames = reading.frames_of(armature)
        if frames is None:
            raise InvalidRequest("There is no motion.", "Generate one first.")
        fps = scene_fps(context.scene)
        first, last = max(self.first, frames[0]), min(self.last, frames[1])
        if self.tool == "TRIM" and first > last:
            raise InvalidRequest(
                f"The range ends (frame {last}) before it begins (frame {first}).",
                f"The motion has keys from frame {frames[0]} to {frames[1]}.",
            )
        width = self.blend if self.tool == "LOOP" else self.seconds
        begin, end = (first - frames[0]) / fps, (last + 1 - frames[0]) / fps
        change = cleaning.changes(width, self.factor, self.angle, begin, end)[self.tool]
        return cleaning.changed(
            context,
            armature,
            change,
            LABELS[self.tool],
            feet=self.strength if self.tool == "FOOT_LOCK" else 0.0,
            start_frame=first if self.tool == "TRIM" else None,
        )


_SHOWN = {
    "FOOT_LOCK": ("strength",),
    "SMOOTH": ("seconds",),
    "GROUND": ("angle",),
    "LOOP": ("blend",),
    "TRIM": ("first", "last"),
    "SPEED": ("factor",),
    "REDUCE": ("millimetres",),
}

CLASSES = (KINETYPE_OT_clean_up,)
