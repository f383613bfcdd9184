"""Presets of a generation, kept as Blender keeps its own."""

import bpy
from bl_operators.presets import AddPresetBase
from bpy.props import BoolProperty, StringProperty

from ..properties import SCENE_PROPERTY

FOLDER = "kinetype/generation"
NAMES = (
    *("seconds", "samples", "keep_best", "variety", "quality"),
    *("speed", "amplitude", "loop", "in_place"),
    *("use_guidance", "guidance", "use_steps", "steps", "sampler", "cleanup", "feet", "twists"),
    *("custom_model", "model"),  # last: a model that is gone stops what reads the preset
)
"""What a preset holds; not the prompt, the seed or the target."""


class KINETYPE_OT_preset_add(AddPresetBase, bpy.types.Operator):
    """Keep length, quality, model and the like under a name, or remove what is kept"""

    bl_idname = "kinetype.preset_add"
    bl_label = "Add Generation Preset"
    bl_options = {"REGISTER", "INTERNAL"}

    name: StringProperty(
        name="Name",
        description="Name of the preset, and of its file",
        maxlen=64,
        options={"SKIP_SAVE"},
    )
    remove_name: BoolProperty(
        name="Remove by Name",
        description="Remove the preset of that name",
        options={"HIDDEN", "SKIP_SAVE"},
    )
    remove_active: BoolProperty(
        name="Remove Active",
        description="Remove the preset that was used last",
        options={"HIDDEN", "SKIP_SAVE"},
    )

    preset_menu = "KINETYPE_PT_presets"
    preset_subdir = FOLDER
    preset_defines = (f"settings = bpy.context.scene.{SCENE_PROPERTY}",)
    preset_values = tuple(f"settings.{name}" for name in NAMES)


CLASSES = (KINETYPE_OT_preset_add,)
