"""What a backend sends, held against what was asked for: it may be broken, or anybody's program.

Texts are cut and made drawable, lists are cut, and a result that does not fit its request becomes a
failure, so that nothing behind the session has to think of it.
"""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import numpy as np

from ..backend_access import (
    MOTION_FPS,
    Failure,
    ModelInfo,
    Models,
    ModelTask,
    Motion,
    Progress,
    Request,
    Result,
    TaskDone,
    codec,
    control,
    limits,
)

MAX_TEXT, MAX_DETAIL, MAX_STAGE = 4_000, 20_000, 60
MAX_WARNINGS = 32
MAX_MODELS = 256
MAX_META, MAX_DEPTH = 50_000, 16
"""Values in the notes of one motion, and how deep they may be nested."""
MAX_PLACE = 1e5
"""Metres and other numbers of a motion."""
_HINT = "Use the same Kinetype version in Blender and in the backend, then press Restart."


def bounded(message: codec.Message) -> codec.Message:
    """A message whose texts can be drawn and whose lists have an end."""
    if isinstance(message, Progress):
        return replace(message, stage=drawable(message.stage, MAX_STAGE))
    if isinstance(message, Failure):
        return replace(
            message,
            message=drawable(message.message, MAX_TEXT),
            hint=drawable(message.hint, MAX_TEXT),
            detail=_cleaned(message.detail[-MAX_DETAIL:]),
        )
    if isinstance(message, Models):
        return replace(message, models=tuple(map(_model, message.models[:MAX_MODELS])))
    if isinstance(message, TaskDone):
        return replace(message, text=drawable(message.text, MAX_TEXT))
    if isinstance(message, control.Log):
        return replace(message, text=drawable(message.text, MAX_TEXT))
    if isinstance(message, Result):
        warnings = tuple(drawable(text, MAX_TEXT) for text in message.warnings[:MAX_WARNINGS])
        texts = tuple(drawable(text, MAX_TEXT) for text in message.texts[: limits.MAX_SAMPLES])
        return replace(message, warnings=warnings, texts=texts)
    return message


def checked(result: Result, asked: Request | ModelTask) -> Result | Failure:
    """The result, with notes that can be kept, if it is one of what was asked for."""
    problem = _problem(result, asked) if isinstance(asked, Request) else "motions of a download"
    if problem:
        return Failure(result.id, "service", f"The backend's reply does not fit: {problem}.", _HINT)
    motions = (replace(motion, meta=kept_notes(motion.meta)) for motion in result.motions)
    warnings, made = result.warnings, len(result.motions)
    if isinstance(asked, Request) and asked.describe is None and asked.sample is None:
        most = _most(asked)
        explained = sum(text.startswith("Seed ") for text in warnings)  # one for each without
        if made + explained < most:
            warnings = (*warnings, f"{made} of {most} motions were made.")
    taken = result.seconds_taken if math.isfinite(result.seconds_taken) else 0.0
    return replace(result, motions=tuple(motions), seconds_taken=taken, warnings=warnings)


def _most(request: Request) -> int:
    return 1 if request.keep_best else request.samples


def _problem(result: Result, request: Request) -> str:
    """Why a result cannot be one of the request; empty where it can."""
    made, most = len(result.motions), _most(request)
    if request.describe is not None or request.sample is not None:
        most, least = request.samples, 0
    else:
        least = 1
    if not least <= made <= most:
        return f"{made} motions for {most} asked for"
    rate = request.edit.motion.fps if request.edit is not None else MOTION_FPS
    longest = (limits.MAX_SECONDS + 1.0) * rate
    for motion in result.motions:
        if not math.isclose(motion.fps, rate, rel_tol=1e-6):
            return f"a motion of {motion.fps:g} frames per second, not {rate:g}"
        if len(motion.data) > longest:
            return f"a motion of {len(motion.data)} frames, more than {longest:.0f}"
        if not _is_motion(motion):
            return "a motion with numbers that are none, or far away"
    return ""


def _is_motion(motion: Motion) -> bool:
    return bool(np.isfinite(motion.data).all() and np.abs(motion.data).max() < MAX_PLACE)


def _model(info: ModelInfo) -> ModelInfo:
    values: dict[str, Any] = {}
    for field in fields(info):
        value = getattr(info, field.name)
        if isinstance(value, str):
            values[field.name] = drawable(value, MAX_TEXT)
        elif isinstance(value, tuple):
            values[field.name] = tuple(drawable(part, MAX_STAGE) for part in value[:MAX_WARNINGS])
    return replace(info, **values)


def kept_notes(meta: dict[str, Any]) -> dict[str, Any]:
    """Notes as they can be kept in a file and read from it again; without them where they are
    too many or too deep."""
    left = [MAX_META]
    found = _kept(meta, 0, left)
    if left[0] < 0 or not isinstance(found, dict):
        return {"warnings": ["The backend's notes about this motion were too many to keep."]}
    if not isinstance(found.get("seed"), int):
        found.pop("seed", None)
    return found


def _kept(value: object, depth: int, left: list[int]) -> object:
    left[0] -= 1
    if left[0] < 0 or depth > MAX_DEPTH:
        left[0] = -1
        return None
    if isinstance(value, str):
        return _cleaned(value[:MAX_DETAIL])
    if isinstance(value, list):
        return [_kept(part, depth + 1, left) for part in value[:MAX_META]]
    if isinstance(value, dict):
        pairs = list(value.items())[:MAX_META]
        return {_cleaned(str(k)[:MAX_TEXT]): _kept(v, depth + 1, left) for k, v in pairs}
    return value


def drawable(text: str, most: int) -> str:
    """A text that a label can take: no halves of characters, of a length that ends."""
    return _cleaned(text if len(text) <= most else f"{text[: most - 1]}…")


def _cleaned(text: str) -> str:
    # half of a surrogate pair cannot be handed to Blender: the whole panel would stay empty
    return text.encode("utf-8", "replace").decode("utf-8")
