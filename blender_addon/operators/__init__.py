"""The buttons, all under ``bpy.ops.kinetype``."""

from __future__ import annotations

from . import character, edit, environment, generate, messages, service, takes

CLASSES: tuple[type, ...] = (
    *generate.CLASSES,
    *edit.CLASSES,
    *character.CLASSES,
    *messages.CLASSES,
    *takes.CLASSES,
    *service.CLASSES,
    *environment.CLASSES,
)
