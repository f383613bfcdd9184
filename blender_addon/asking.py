"""What a person sees and has chosen at this moment, as plain values."""

from __future__ import annotations

import bpy

from . import environment, model_list, placement
from .backend_access import KinetypeError, limits
from .backend_settings import backend_settings
from .causes import Asked
from .properties import KinetypeSettings, settings_of
from .scene import mapping

_DRAWN = {"seed", "take_index"}
"""Settings that change by themselves."""


def asked_now(context: bpy.types.Context) -> Asked:
    """The circumstances of now; cheap enough for a redraw that has an error to show."""
    settings = settings_of(context.scene)
    name = settings.custom_model.strip() or settings.model or limits.DEFAULT_MODEL
    return Asked(
        request=_values(settings),
        model=(name, model_list.chosen(name).ready),
        character=_character(context, settings),
        backend=_backend(context),
    )


def _values(settings: KinetypeSettings) -> tuple[object, ...]:
    return tuple(
        getattr(settings, name)
        for name, about in settings.bl_rna.properties.items()
        if about.type not in {"POINTER", "COLLECTION"} and name not in _DRAWN
    )


def _character(context: bpy.types.Context, settings: KinetypeSettings) -> tuple[object, ...]:
    active, shown = context.active_object, placement.shown_armature(context)
    data = shown.animation_data if shown is not None else None
    return (
        None if active is None else (active.session_uid, active.select_get(), active.mode),
        None if settings.character is None else settings.character.session_uid,
        settings.target,
        None if shown is None else (shown.session_uid, shown.data.get(mapping.MAP_KEY)),
        None if data is None or data.action is None else data.action.session_uid,
    )


def _backend(context: bpy.types.Context) -> tuple[object, ...]:
    try:
        chosen = backend_settings(context)
    except KinetypeError as error:
        return (error.message,)
    return (chosen, environment.is_ready(chosen.environment))
