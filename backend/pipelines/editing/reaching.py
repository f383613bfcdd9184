"""New motions that reach poses, pins and a path, with a model that edits: all is gap but these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...motion.directing import targets_of
from ...wire.messages import Motion, Request
from ...wire.skeleton import MOTION_FPS
from ..calls import Stages, part_of
from .edit import EditingModel, edit
from .guide import canvas


def motions_reaching(
    model: EditingModel,
    request: Request,
    tell: Stages,
    parts: Sequence[tuple[str, float]],
    note: Mapping[str, Any],
) -> list[Motion]:
    """The motions of a request with constraints in motion_135 at 30 fps, one per sample.

    Args:
        parts: what happens in turn, each with its share of the time.
        note: what the model tells of them besides.
    """
    frames = max(1, round(request.seconds * MOTION_FPS))
    targets = targets_of(request.constraints, frames)
    start = Motion(canvas(targets, frames), MOTION_FPS)
    motions = []
    for index in range(request.samples):
        made = edit(
            model,
            start,
            request.prompt,
            targets=targets,
            floor=0.0,
            parts=parts,
            seed=request.seed + index,
            guidance_scale=request.guidance_scale,
            steps=request.steps,
            sampler=request.sampler,
            foot_lock=request.cleanup,
            on_step=part_of(tell.steps(), index, request.samples),
        )
        told: Mapping[str, Any] = {k: v for k, v in made.meta.items() if k != "edit"}
        motions.append(Motion(made.data, made.fps, {**told, "cleanup": request.cleanup, **note}))
    return motions
