"""Constraints of a request: refused early, and brought about in what a model made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import InvalidRequest
from ..motion.directing import corrected, reports, sentence, targets_of
from ..store import watch
from ..wire.control import ModelInfo
from ..wire.messages import Motion, Request
from ..wire.skeleton import MOTION_FPS


def check(request: Request, info: ModelInfo, known: Sequence[ModelInfo]) -> None:
    """:class:`InvalidRequest` for constraints that the model, or any, cannot be given."""
    info.check_constraints([str(each["type"]) for each in request.constraints], known)
    if request.verb not in ("generate", "edit"):
        raise InvalidRequest(
            "Constraints are for a new motion, or for frames that are made anew.",
            "Leave them out, or generate.",
        )
    targets_of(request.constraints, _frames(request))


def check_time(request: Request) -> None:
    """:class:`InvalidRequest` where constraints or segments would lose their time or place."""
    changes = {
        "speed": request.speed != 1.0,
        "amplitude": request.amplitude != 1.0,
        "variety": request.variety,
        "loop": request.loop,
        "in place": request.in_place,
    }
    asked = [name for name, is_asked in changes.items() if is_asked]
    if asked:
        raise InvalidRequest(
            f"What is directed keeps its time and place: it cannot have {', '.join(asked)}.",
            "Leave that out, or the constraints and prompts in time.",
        )


def _frames(request: Request) -> int:
    if request.edit is not None:
        return len(request.edit.motion.data)
    return max(1, round(request.seconds * MOTION_FPS))


def directed(motion: Motion, request: Request) -> Motion:
    """A finished motion brought to its constraints if wanted, with the report in its meta."""
    watch.check()
    targets = targets_of(request.constraints, len(motion.data))
    held = np.zeros(len(motion.data), dtype=bool)
    if request.edit is not None:
        held[:] = True
        for start, end in request.edit.ranges:
            held[start:end] = False
    data = motion.data
    if request.correct:
        data = corrected(data, targets, motion.fps, held)
    told = reports(targets, data, motion.data)
    missed = [sentence(i, each) for i, each in enumerate(told, start=1) if not each["met"]]
    meta: dict[str, Any] = {**motion.meta, "constraints": told}
    meta["warnings"] = [*motion.meta.get("warnings", ()), *missed]
    return Motion(data, motion.fps, meta)
