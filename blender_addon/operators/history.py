"""Earlier prompts, brought back into the panel."""

import bpy
from bpy.props import StringProperty

from .. import prompt_history
from ..properties import settings_of
from .base import KinetypeOperator


class KINETYPE_OT_use_prompt(KinetypeOperator):
    """Put this prompt into the panel"""

    bl_idname = "kinetype.use_prompt"
    bl_label = "Use Prompt"
    bl_options = {"INTERNAL", "UNDO"}

    prompt: StringProperty(name="Prompt", description="What the person does")

    @classmethod
    def description(cls, context: bpy.types.Context, properties: bpy.types.PropertyGroup) -> str:
        return f"Put this prompt into the panel: {properties.prompt}"

    def run(self, context: bpy.types.Context) -> None:
        settings_of(context.scene).prompt = self.prompt


class KINETYPE_OT_forget_prompts(KinetypeOperator):
    """Empty the list of earlier prompts"""

    bl_idname = "kinetype.forget_prompts"
    bl_label = "Forget Prompts"
    bl_options = {"INTERNAL"}

    def run(self, context: bpy.types.Context) -> None:
        del context
        prompt_history.forget()


CLASSES = (KINETYPE_OT_use_prompt, KINETYPE_OT_forget_prompts)
