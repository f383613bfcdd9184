"""New mannequins: made ready in the background, put beside what is there, and chosen."""

from __future__ import annotations

import threading

import bpy
from mathutils import Matrix

from .properties import settings_of
from .scene import armature as armatures


def prepare(scene: bpy.types.Scene) -> threading.Thread:
    """Compute the body on a thread, so that the timer that needs it soon need not (80 ms)."""

    def compute(metre: float) -> None:
        from .backend_access import retarget
        from .core import mannequin
        from .scene import character, room  # noqa: F401  (importing them takes a while, too)

        mannequin.wardrobe.fitting(metre * retarget.rest_heads())

    metre = armatures.metre_of(scene)
    thread = threading.Thread(target=compute, args=(metre,), name="kinetype-mannequin", daemon=True)
    thread.start()
    return thread


def create(context: bpy.types.Context) -> bpy.types.Object:
    """A character where there is room for it, beside what stands in the scene."""
    # loads the mannequin's geometry, which enabling the add-on does not wait for
    from .scene import room
    from .scene.character import create_character

    place = room.free_place(context.scene, armatures.metre_of(context.scene))
    armature = create_character(context)
    armature.matrix_world = Matrix.Translation(place)  # known at once, unlike a new location
    return armature


def create_chosen(context: bpy.types.Context) -> None:
    """A character that receives the next motion: the active object, and all that is selected."""
    settings = settings_of(context.scene)
    settings.character, settings.target = create(context), "AUTO"
    # an armature that stays active would receive the next motion instead
    for thing in context.selected_objects:
        thing.select_set(False)
    if settings.character.name in context.view_layer.objects:
        settings.character.select_set(True)
    context.view_layer.objects.active = settings.character
