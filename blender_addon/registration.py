"""What enabling the add-on adds to Blender, in one ordered tuple that is undone in reverse."""

from __future__ import annotations

import bpy

from . import handlers, jobs, operators, panels, preferences, properties, pump

CLASSES: tuple[type, ...] = (
    *properties.CLASSES,
    *preferences.CLASSES,
    *operators.CLASSES,
    *panels.CLASSES,
)


def register() -> None:
    """Add classes, the scene's settings and the file handlers. Starts no process or thread."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    properties.attach()
    handlers.attach()


def unregister() -> None:
    """Stop what runs (within a few seconds), then remove all that :func:`register` added."""
    pump.stop()
    jobs.shut_down()
    handlers.detach()
    properties.detach()
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
