"""Characters: making one, and choosing what receives the next motion."""

import bpy

from .. import mannequins
from ..jobs import board
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
        mannequins.create_chosen(context)


class KINETYPE_OT_use_new_mannequin(KinetypeOperator):
    """Add a mannequin beside what is there, select it, and let it receive the next motion"""

    bl_idname = "kinetype.use_new_mannequin"
    bl_label = "Use a New Mannequin"
    bl_options = {"INTERNAL", "UNDO"}

    def run(self, context: bpy.types.Context) -> None:
        if context.mode != "OBJECT":
            bpy.ops.object.mode_set(mode="OBJECT")
        mannequins.create_chosen(context)
        board.dismiss()


CLASSES = (KINETYPE_OT_add_mannequin, KINETYPE_OT_use_new_mannequin)
