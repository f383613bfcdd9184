"""What our operators share: one way to refuse, one way to fail."""

from __future__ import annotations

import bpy

from ..backend_access import KinetypeError
from ..jobs import board


class KinetypeOperator(bpy.types.Operator):
    """Subclasses say in ``problem`` why they cannot run; Blender shows it as the tooltip."""

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        """Why the button is grey, or ''; reads only and is instant."""
        return ""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        problem = cls.problem(context)
        if problem:
            cls.poll_message_set(problem)
        return not problem

    def fail(self, error: KinetypeError) -> set[str]:
        """Show an error in the panel with its buttons, and to a script as an exception."""
        board.report(error)
        self.report({"ERROR"}, str(error))
        return {"CANCELLED"}
