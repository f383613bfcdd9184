"""What enabling the add-on adds to Blender, in one ordered tuple that is undone in reverse."""

from __future__ import annotations

import bpy

from . import (
    directing,
    doctoring,
    folders,
    handlers,
    installing,
    joint_list,
    menus,
    model_list,
    operators,
    panels,
    preferences,
    preparing,
    properties,
    pump,
    torch_builds,
    translating,
)
from .backend_access import own_models
from .jobs import board
from .scene import playing

CLASSES: tuple[type, ...] = (
    *properties.CLASSES,
    *joint_list.CLASSES,
    *directing.CLASSES,
    *preferences.CLASSES,
    *operators.CLASSES,
    *panels.CLASSES,
    *menus.CLASSES,
)


def register() -> None:
    """Add classes, the scene's settings and the file handlers. Starts no process or thread."""
    own_models.use_home(folders.user_folder(create=False))
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    properties.attach()
    joint_list.attach()
    directing.attach()
    menus.attach()
    translating.attach()
    handlers.attach()
    playing.attach()


def shut_down() -> None:
    """Stop the timer, the backend and any installation; of Blender's nothing is touched."""
    pump.stop()
    preparing.cancel()
    installing.shut_down()
    doctoring.forget()
    torch_builds.forget()
    board.shut_down()
    model_list.forget()


def unregister() -> None:
    """Stop what runs (within a few seconds), then remove all that :func:`register` added."""
    shut_down()
    playing.detach()
    handlers.detach()
    translating.detach()
    menus.detach()
    directing.detach()
    joint_list.detach()
    properties.detach()
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
