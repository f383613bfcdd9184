"""Pressing Generate in a real Blender, and what the tests wait with."""

from __future__ import annotations

from collections.abc import Callable

import bpy

UNTIL = Callable[[Callable[[], bool]], None]


def generate(**values: object) -> bpy.types.Action:
    """Generate and wait, as a script would; the active take."""
    for name, value in values.items():
        setattr(bpy.context.scene.kinetype, name, value)
    assert bpy.ops.kinetype.generate(wait=True, timeout=120.0) == {"FINISHED"}
    return bpy.context.scene.kinetype.character.animation_data.action
