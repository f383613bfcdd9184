"""What to do about messages and about results that found no place."""

import bpy
from bpy.props import StringProperty

from .. import model_list, placement, pump
from ..backend_access import InvalidRequest, KinetypeError
from ..jobs import Finished, board
from ..properties import settings_of
from .base import KinetypeOperator


def kept() -> Finished | None:
    """The oldest result that waits for the person."""
    return next((item for item in board.finished if item.kept), None)


class KINETYPE_OT_place_result(KinetypeOperator):
    """Key the kept motion on the character of this scene, from the current frame"""

    bl_idname = "kinetype.place_result"
    bl_label = "Place Here"
    bl_options = {"INTERNAL"}

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        if kept() is None:
            return "No motion is waiting"
        try:
            return placement.reason_to_wait(context, placement.capture(context))
        except KinetypeError as error:
            return str(error)

    def run(self, context: bpy.types.Context) -> set[str] | None:
        item = kept()
        if item is None:
            return {"CANCELLED"}
        item.placement = placement.capture(context)
        if not pump.place_now(context, item):
            return self.refuse(board.error.message if board.error else item.reason)
        board.error = None
        return None


class KINETYPE_OT_discard_result(KinetypeOperator):
    """Throw the kept motion away"""

    bl_idname = "kinetype.discard_result"
    bl_label = "Discard"
    bl_options = {"INTERNAL"}

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        return "No motion is waiting" if kept() is None else ""

    def run(self, context: bpy.types.Context) -> None:
        item = kept()
        if item is not None:
            board.finished.remove(item)
            board.error = None  # it may say why this very motion found no place


class KINETYPE_OT_dismiss(KinetypeOperator):
    """Clear the messages"""

    bl_idname = "kinetype.dismiss"
    bl_label = "Dismiss"
    bl_options = {"INTERNAL"}

    def run(self, context: bpy.types.Context) -> None:
        board.dismiss()


class KINETYPE_OT_use_model(KinetypeOperator):
    """Choose this model for the next motions"""

    bl_idname = "kinetype.use_model"
    bl_label = "Use Model"
    bl_options = {"INTERNAL", "UNDO"}

    model: StringProperty(
        name="Model", description="Name of a model in the list", options={"SKIP_SAVE"}
    )

    def run(self, context: bpy.types.Context) -> None:
        if model_list.find(self.model) is None:
            raise InvalidRequest(
                f"There is no model {self.model!r} in the list.",
                "Refresh the list of models in Advanced.",
            )
        settings = settings_of(context.scene)
        settings.custom_model, settings.model = "", self.model


CLASSES = (
    KINETYPE_OT_place_result,
    KINETYPE_OT_discard_result,
    KINETYPE_OT_dismiss,
    KINETYPE_OT_use_model,
)
