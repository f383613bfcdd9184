"""File handlers: a result must never land in another file than the one it was asked for in."""

from __future__ import annotations

import bpy
from bpy.app.handlers import persistent

_files_loaded = 0


def file_token() -> int:
    """Changes whenever another file is loaded."""
    return _files_loaded


@persistent
def _on_load(*_arguments: object) -> None:
    global _files_loaded
    _files_loaded += 1


def attach() -> None:
    """Listen to file loading."""
    if _on_load not in bpy.app.handlers.load_post:
        bpy.app.handlers.load_post.append(_on_load)


def detach() -> None:
    """Stop listening."""
    if _on_load in bpy.app.handlers.load_post:
        bpy.app.handlers.load_post.remove(_on_load)
