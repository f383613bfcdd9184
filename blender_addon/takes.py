"""Takes: the Actions that Kinetype made, with what they were made from."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import bpy

from . import model_list
from .backend_access import InvalidRequest, Request, limits
from .client.replies import drawable, kept_notes
from .jobs import REQUEST_KEY
from .scene import action as actions


@dataclass(frozen=True)
class TakeInfo:
    """What a take was made from."""

    prompt: str
    seed: int
    model: str
    meta: dict[str, Any]


def is_take(action: bpy.types.Action) -> bool:
    """Whether Kinetype made this Action; cheap enough for every redraw."""
    return actions.PARAMS_KEY in action


def all_takes() -> list[bpy.types.Action]:
    """The takes of the file in the order of the list."""
    return [action for action in bpy.data.actions if is_take(action)]


def nla_player(action: bpy.types.Action) -> bpy.types.Object | None:
    """An object with an NLA strip that plays this Action."""
    return next(
        (
            thing
            for thing in bpy.data.objects
            if thing.animation_data is not None
            and any(_plays(track.strips, action) for track in thing.animation_data.nla_tracks)
        ),
        None,
    )


def _plays(strips: Iterable[bpy.types.NlaStrip], action: bpy.types.Action) -> bool:
    """Strips of the kind Meta hold others."""
    return any(strip.action == action or _plays(strip.strips, action) for strip in strips)


def info_of(action: bpy.types.Action) -> TakeInfo | None:
    """What is stored on an Action; None if Kinetype did not make it or it was tampered with."""
    stored = actions.read_description(action)
    if stored is None:
        return None
    meta = kept_notes(stored)  # the file may be anybody's
    seed = meta.get("seed")
    return TakeInfo(
        prompt=str(meta.get("prompt", "")),
        seed=seed if isinstance(seed, int) else 0,
        model=str(meta.get("model") or limits.DEFAULT_MODEL),
        meta=meta,
    )


def is_edit(info: TakeInfo) -> bool:
    """Whether the take is another motion of which part was made anew."""
    return isinstance(info.meta.get("edit"), dict)


def request_of(action: bpy.types.Action) -> Request:
    """The request that made a take; for an edit without the motion that was edited.

    Raises:
        InvalidRequest: the Action does not say what it was made from.
    """
    info = info_of(action)
    if info is None:
        raise InvalidRequest(
            f"{action.name!r} does not say what it was made from.", "Choose another take."
        )
    if is_edit(info) and not info.prompt.strip():
        raise InvalidRequest(
            f"{action.name!r} was edited without a prompt, so there is none to copy.",
            "Choose another take.",
        )
    stored = info.meta.get(REQUEST_KEY)
    if isinstance(stored, dict):
        return Request.from_dict(stored).validated()
    # made by the command line or a script: what the model says it used
    params = info.meta.get("params")
    params = params if isinstance(params, dict) else {}
    return Request(
        prompt=info.prompt,
        seconds=params.get("seconds", limits.DEFAULT_SECONDS),
        seed=info.seed,
        model=info.model,
        guidance_scale=params.get("guidance_scale"),
        steps=params.get("steps"),
        sampler=params.get("sampler"),
        cleanup=bool(info.meta.get("cleanup", True)),
    ).validated()


def foreign_model(action: bpy.types.Action) -> str:
    """The model of a take that is in no list: a hub id or path out of a file; '' for others."""
    info = info_of(action)
    stored = info.meta.get(REQUEST_KEY) if info is not None else None
    named = stored.get("model") if isinstance(stored, dict) else info.model if info else ""
    name = str(named or "")
    return "" if not name or model_list.find(name) else drawable(name, 200)


def summary(action: bpy.types.Action) -> str:
    """All that is known about a take, as readable text."""
    info = info_of(action)
    return "" if info is None else json.dumps(info.meta, indent=1, sort_keys=True)
