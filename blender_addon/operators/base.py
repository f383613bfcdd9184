"""What our operators share: one way to refuse, to run and to fail."""

from __future__ import annotations

import bpy

from ..asking import asked_now
from ..backend_access import KinetypeError
from ..jobs import board


class KinetypeOperator(bpy.types.Operator):
    """Subclasses say in ``problem`` why they cannot run (Blender shows it as the tooltip), and do
    their work in ``run``.
    """

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

    def run(self, context: bpy.types.Context) -> set[str] | None:
        """The work; None means finished, and a :class:`KinetypeError` is shown."""
        raise NotImplementedError

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            return self.run(context) or {"FINISHED"}
        except KinetypeError as error:
            return self.fail(error)

    def refuse(self, text: str) -> set[str]:
        """Say why nothing was done."""
        self.report({"ERROR"}, text)
        return {"CANCELLED"}

    def fail(self, error: KinetypeError) -> set[str]:
        """Show an error in the panel with its buttons, and to a script as an exception."""
        board.report(error, asked_now(bpy.context))
        return self.refuse(str(error))
