"""A control rig played through, frame by frame, beside the scene: nobody sees it, all can go on.

What Blender evaluates is a scene of its own that holds the armature only (and, as dependencies,
what its constraints and drivers ask for): neither the body's mesh nor the rest of the file costs
time, and frame, pose and selection of the user's scene stay as they are.
"""

from __future__ import annotations

from collections.abc import Generator

import bpy
import numpy as np
from bpy.app.handlers import persistent

from ..backend_access import ArmatureError, InvalidRequest
from .lookup import by_uid
from .posing import Shown

SCENE_NAME = "Kinetype Reading"
MARK = "kinetype_reading"
"""Custom property of the scene in which a rig is played."""

Step = tuple[int, int]
"""Frames done, and all of them."""


def play(
    armature: bpy.types.Object, scene: bpy.types.Scene, at: range
) -> Generator[Step, None, np.ndarray]:
    """motion_135 ``[T, 135]`` of an armature on some frames, as Blender evaluates it there.

    Yields after each frame; meanwhile the user may undo, save, load, or delete things.

    Raises:
        ArmatureError: the armature was deleted. InvalidRequest: it has another Action now.
    """
    shown = Shown(armature)
    turns, places = [], []
    # numbers, not things: undo replaces all of them behind Python's back
    uid, action = armature.session_uid, armature.animation_data.action.session_uid
    rate, name = (scene.render.fps, scene.render.fps_base), armature.name
    try:
        for done, now in enumerate(at, start=1):
            turn, place = shown.turns(_posed(uid, action, name, rate, now))
            turns.append(turn)
            places.append(place)
            yield done, len(at)
    finally:
        sweep()
    return shown.motion(np.array(turns), np.array(places))


def _posed(
    uid: int, action: int, name: str, rate: tuple[int, float], frame: int
) -> bpy.types.bpy_prop_collection:
    """The evaluated pose bones of an armature at a frame."""
    armature = by_uid(bpy.data.objects, uid)
    if armature is None or not any(MARK not in scene for scene in armature.users_scene):
        raise ArmatureError(f"{name!r} was deleted while it was read.", "Select another character.")
    data = armature.animation_data
    if data is None or data.action is None or data.action.session_uid != action:
        raise InvalidRequest(f"{name!r} got another Action while it was read.", "Edit it again.")
    stage = next((scene for scene in bpy.data.scenes if MARK in scene), None)
    if stage is None or armature.name not in stage.objects:
        sweep()
        stage = bpy.data.scenes.new(SCENE_NAME)
        stage[MARK] = True
        stage.render.fps, stage.render.fps_base = rate
        stage.collection.objects.link(armature)
    stage.frame_set(frame)
    depsgraph = stage.view_layers[0].depsgraph
    return armature.evaluated_get(depsgraph).pose.bones


@persistent
def sweep(*_arguments: object) -> None:
    """Remove the scene of a reading; the next frame makes another."""
    for scene in [scene for scene in bpy.data.scenes if MARK in scene]:
        bpy.data.scenes.remove(scene)


def _lists() -> tuple[list, ...]:
    handlers = bpy.app.handlers
    # neither a file nor an undo step shall bring the scene back
    return handlers.save_pre, handlers.load_post, handlers.undo_post, handlers.redo_post


def attach() -> None:
    """Keep the scene out of saved files and out of what undo brings back."""
    for listeners in _lists():
        if sweep not in listeners:
            listeners.append(sweep)


def detach() -> None:
    """Stop doing so."""
    sweep()
    for listeners in _lists():
        if sweep in listeners:
            listeners.remove(sweep)
