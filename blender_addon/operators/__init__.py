"""The buttons, all under ``bpy.ops.kinetype``."""

from __future__ import annotations

from . import (
    character,
    clean_up,
    direct,
    edit,
    environment,
    files,
    generate,
    history,
    joints,
    messages,
    models,
    presets,
    prompts,
    service,
    take_tools,
    takes,
    text_batch,
)

CLASSES: tuple[type, ...] = (
    *generate.CLASSES,
    *edit.CLASSES,
    *character.CLASSES,
    *messages.CLASSES,
    *takes.CLASSES,
    *history.CLASSES,
    *presets.CLASSES,
    *text_batch.CLASSES,
    *take_tools.CLASSES,
    *service.CLASSES,
    *models.CLASSES,
    *environment.CLASSES,
    *joints.CLASSES,
    *files.CLASSES,
    *clean_up.CLASSES,
    *direct.CLASSES,
    *prompts.CLASSES,
)
