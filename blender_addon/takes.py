"""Takes: the Actions that Kinetype made, with what they were made from."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import bpy

from . import model_list
from .backend_access import InvalidRequest, Request, limits
from .client.replies import drawable, kept_notes
from .jobs import REQUEST_KEY
from .properties import KinetypeSettings, settings_of
from .scene import action as actions
from .scene import comparing


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
    """The takes of the file, newest first; those of older versions, which tell no time, last."""
    found = [action for action in bpy.data.actions if is_take(action)]
    return sorted(found, key=lambda action: str(action.get(actions.MADE_KEY, "")), reverse=True)


def is_listed(
    action: bpy.types.Action, settings: KinetypeSettings, armature: bpy.types.Object | None
) -> bool:
    """Whether the list shows a take: of the character, and with a star if only those are wanted."""
    if settings.takes_starred and not has_star(action):
        return False
    return settings.takes_all or armature is None or belongs(action, armature)


def listed(settings: KinetypeSettings, armature: bpy.types.Object | None) -> list[bpy.types.Action]:
    """What the list shows, in its order."""
    return [action for action in all_takes() if is_listed(action, settings, armature)]


def belongs(action: bpy.types.Action, armature: bpy.types.Object) -> bool:
    """Whether a take was made for an armature, or plays on it; takes that do not say are anyone's.

    Cheap enough for every redraw.
    """
    owner, own = action.get(actions.CHARACTER_KEY), armature.get(actions.CHARACTER_KEY)
    data = armature.animation_data
    return owner is None or owner == own or (data is not None and data.action == action)


def has_star(action: bpy.types.Action) -> bool:
    """Whether somebody likes the take."""
    return bool(action.get(actions.STAR_KEY))


def set_star(action: bpy.types.Action, star: bool) -> None:
    """Say that somebody likes the take, or does not."""
    action[actions.STAR_KEY] = star


def made_at(action: bpy.types.Action) -> datetime | None:
    """When a take was made, in the time of this computer; None where it does not say."""
    try:
        return datetime.fromisoformat(str(action.get(actions.MADE_KEY, ""))).astimezone()
    except ValueError:
        return None


def other_rate(action: bpy.types.Action, scene: bpy.types.Scene) -> float | None:
    """Frames per second that the keys of a take are for, where the scene has others."""
    rate = action.get(actions.RATE_KEY)
    known = isinstance(rate, int | float) and rate > 0
    return None if not known or math.isclose(rate, actions.scene_fps(scene), rel_tol=1e-4) else rate


def set_rate(action: bpy.types.Action, fps: float) -> None:
    """Say which frame rate the keys of a take are for."""
    action[actions.RATE_KEY] = fps


def check_fits(action: bpy.types.Action, armature: bpy.types.Object) -> None:
    """:class:`InvalidRequest` where a take's keys say nothing about the bones of an armature."""
    if not actions.fits(action, armature):
        raise InvalidRequest(
            f"{action.name!r} was made for other bones or rotation modes than those of "
            f"{armature.name!r}.",
            "Make it again for this character, or select the one that it was made for.",
        )


def refuse_edit(action: bpy.types.Action) -> None:
    """:class:`InvalidRequest` for a take that a prompt alone did not make."""
    info = info_of(action)
    if info is not None and is_edit(info):
        raise InvalidRequest(
            f"{action.name!r} is an edit of another take, which a prompt cannot make again.",
            "Put the take that it was made from on the character and edit that.",
        )


def refuse_played(action: bpy.types.Action) -> None:
    """:class:`InvalidRequest` while NLA strips play a take."""
    player = nla_player(action)
    if player is not None:
        raise InvalidRequest(
            f"NLA strips of {player.name!r} play {action.name!r}.",
            "Remove those strips first, or keep the take.",
        )


def delete(scene: bpy.types.Scene, chosen: Iterable[bpy.types.Action]) -> list[str]:
    """Delete takes; the names of those that stay because NLA strips play them.

    A comparison with one of them ends, and what the list highlights moves on.
    """
    chosen, kept = list(chosen), []
    settings = settings_of(scene)
    before, highlighted = all_takes(), settings.take
    if comparing.compared(scene) in {action.name for action in chosen}:
        comparing.end(scene)
    place = before.index(highlighted) if highlighted in before else 0
    for action in chosen:
        if nla_player(action) is not None:
            kept.append(action.name)
        else:
            bpy.data.actions.remove(action)
    left = all_takes()
    if settings.take not in left:
        gone = len(before) - len(left)
        settings.take = left[min(max(place + 1 - gone, 0), len(left) - 1)] if left else None
    return kept


def mark_asset(action: bpy.types.Action) -> None:
    """Offer a take in the asset browser with what is known of it."""
    info = info_of(action)
    meta = {} if info is None else info.meta
    action.asset_mark()
    data = action.asset_data
    data.description = "" if info is None else info.prompt
    data.license = str(meta.get("licence") or "")
    data.author = f"Kinetype, {info.model}" if info is not None else "Kinetype"
    finish = meta.get("finish")
    words = [word for word in ("loop", "in_place") if isinstance(finish, dict) and finish.get(word)]
    for tag in ("kinetype", *words, *([] if info is None else [info.model])):
        data.tags.new(tag.replace("_", " "), skip_if_exists=True)


def nla_player(action: bpy.types.Action) -> bpy.types.Object | None:
    """An object with an NLA strip that plays this Action."""
    return next(
        (
            thing
            for thing in bpy.data.objects
            if thing.animation_data is not None
            and comparing.MARK not in thing
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
