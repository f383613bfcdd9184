"""Characters: making one, and choosing what receives the next motion."""

import bpy

from ..jobs import board
from ..properties import settings_of
from .base import KinetypeOperator


class KINETYPE_OT_add_mannequin(KinetypeOperator):
    """Add a SMPL armature with a mannequin body, select it, and let it receive the next motion"""

    bl_idname = "kinetype.add_mannequin"
    bl_label = "Add Mannequin"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        return "" if context.mode == "OBJECT" else "Go back to Object Mode first"

    def run(self, context: bpy.types.Context) -> None:
        # loads the mannequin's geometry, which enabling the add-on does not wait for
        from ..scene.character import create_character

        settings = settings_of(context.scene)
        settings.character, settings.target = create_character(context), "AUTO"
        # an armature that stays active would receive the next motion instead
        for thing in context.selected_objects:
            thing.select_set(False)
        if settings.character.name in context.view_layer.objects:
            settings.character.select_set(True)
        context.view_layer.objects.active = settings.character


class KINETYPE_OT_use_new_mannequin(KinetypeOperator):
    """Let the next motion create a mannequin of its own"""

    bl_idname = "kinetype.use_new_mannequin"
    bl_label = "Use a New Mannequin"
    bl_options = {"INTERNAL", "UNDO"}

    def run(self, context: bpy.types.Context) -> None:
        settings_of(context.scene).target = "NEW"
        board.dismiss()


CLASSES = (KINETYPE_OT_add_mannequin, KINETYPE_OT_use_new_mannequin)
