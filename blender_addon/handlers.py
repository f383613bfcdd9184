"""Handlers: a result must never land in another file than the one it was asked for in, and a
deleted character must not live on in the settings."""

from __future__ import annotations

from collections.abc import Callable

import bpy
from bpy.app.handlers import persistent

from . import directing
from .properties import settings_of

_files_loaded = 0
_undone = 0


def file_token() -> int:
    """Changes whenever another file is loaded."""
    return _files_loaded


def epoch() -> tuple[int, int]:
    """Changes whenever Blender builds its data anew: another file, undo, redo."""
    return _files_loaded, _undone


@persistent
def _on_load(*_arguments: object) -> None:
    global _files_loaded
    _files_loaded += 1


@persistent
def _on_undo(*_arguments: object) -> None:
    global _undone
    _undone += 1


@persistent
def _on_change(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> None:
    """Let go of a character that was deleted: the settings' pointer would keep it in the file."""
    if not (depsgraph.id_type_updated("SCENE") or depsgraph.id_type_updated("COLLECTION")):
        return
    for thing in scene.objects:
        if thing.type == "ARMATURE" and len(directing.of(thing).wishes):
            directing.release(thing)
    settings = settings_of(scene)
    if settings.character is not None and not settings.character.users_scene:
        settings.character = None


def _lists() -> tuple[tuple[list, Callable[..., None]], ...]:
    handlers = bpy.app.handlers
    return (
        (handlers.load_post, _on_load),
        (handlers.undo_post, _on_undo),
        (handlers.redo_post, _on_undo),
        (handlers.depsgraph_update_post, _on_change),
    )


def attach() -> None:
    """Listen to file loading, undo, and objects that come and go."""
    for listeners, listener in _lists():
        if listener not in listeners:
            listeners.append(listener)


def detach() -> None:
    """Stop listening."""
    for listeners, listener in _lists():
        if listener in listeners:
            listeners.remove(listener)
