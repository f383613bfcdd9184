"""Requests that make part of a motion anew, on whichever pipeline can edit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...diffusion.loop import StepCallback
from ...errors import InvalidRequest
from ...motion.joint_sets import joint_mask
from ...motion.skeleton import JOINT_NAMES
from ...wire.messages import Edit, Motion, Progress, Request
from ..calls import Stages, part_of
from . import edit as editing
from .continuing import Drawing, go_on


def check(request: Request) -> None:
    """:class:`InvalidRequest` for an edit that no model could make; needs no model."""
    assert request.edit is not None
    if request.edit.more:
        return
    frames, joints = kept_by(request.edit)
    editing.select(len(request.edit.motion.data), frames, joints)


def kept_by(edit: Edit) -> tuple[list[tuple[int, int]], list[str]]:
    """What an edit keeps: ranges of frames, and names of joints."""
    count = len(edit.motion.data)
    ranges: list[tuple[int, int]] = []
    if edit.frames is not None:
        start, end = edit.frames
        ranges = [part for part in ((0, start), (end, count)) if part[0] < part[1]]
    anew = joint_mask(edit.joints) if edit.joints else np.ones(len(JOINT_NAMES), dtype=bool)
    return ranges, [name for name, made in zip(JOINT_NAMES, anew, strict=True) if not made]


def edit_motions(
    pipeline: Any, request: Request, on_step: Callable[[Progress], None] | None = None
) -> list[Motion]:
    """One edited motion per sample of a request, at the rate of what is edited.

    ``request.cleanup`` locks the feet of filled frames; kept frames are never cleaned up.

    Raises:
        InvalidRequest: the model cannot edit, or cannot edit this.
    """
    assert request.edit is not None
    tell = Stages(request, on_step)
    make = _extended if request.edit.more else _edited
    made = make(pipeline, request, request.edit, tell.steps())
    return [Motion(m.data, m.fps, {**m.meta, "model": request.model}) for m in made]


def _edited(
    pipeline: Any, request: Request, edit: Edit, on_step: StepCallback | None
) -> list[Motion]:
    frames, joints = kept_by(edit)
    return [
        pipeline.edit(
            edit.motion,
            request.prompt,
            keep_frames=frames,
            keep_joints=joints,
            seed=request.seed + index,
            guidance_scale=request.guidance_scale,
            steps=request.steps,
            sampler=request.sampler,
            foot_lock=request.cleanup,
            on_step=part_of(on_step, index, request.samples),
        )
        for index in range(request.samples)
    ]


def _extended(
    pipeline: Any, request: Request, edit: Edit, on_step: StepCallback | None
) -> list[Motion]:
    how = Drawing(
        prompt=request.prompt,
        seed=request.seed,
        takes=request.samples,
        longest_seconds=edit.more / edit.motion.fps,
        foot_lock=request.cleanup,
        guidance_scale=request.guidance_scale,
        sampler=request.sampler,
        steps=request.steps,
        on_step=on_step,
    )
    takes = go_on(pipeline, edit.motion, how)
    made = [take.motion for take in takes if take.motion is not None]
    # who asked for several must hear of those that are missing
    missing = [
        f"Seed {how.seed + index}: {text}"
        for index, take in enumerate(takes)
        if take.motion is None
        for text in take.warnings
    ]
    if made and missing:
        warnings = [*made[0].meta.get("warnings", ()), *missing]
        made[0] = Motion(made[0].data, made[0].fps, {**made[0].meta, "warnings": warnings})
    if not made:
        raise InvalidRequest(
            f"The model {request.model!r} wrote nothing that goes on from this motion.",
            "Try another seed, or another model.",
        )
    return made
