"""Requests that make part of a motion anew, on whichever pipeline can edit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import InvalidRequest
from ..motion.joint_sets import joint_mask
from ..motion.skeleton import JOINT_NAMES
from ..wire.messages import Edit, Motion, Progress, Request
from . import editing
from .calls import Stages, part_of


def can_edit(pipeline: object) -> bool:
    """Whether a pipeline edits motions: those of diffusion models do."""
    return hasattr(pipeline, "edit")


def check(request: Request) -> None:
    """:class:`InvalidRequest` for an edit that no model could make; needs no model."""
    assert request.edit is not None
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
    """One edited motion per sample of a request, at the rate and length of what is edited.

    ``request.cleanup`` locks the feet of filled frames; kept frames are never cleaned up.

    Raises:
        InvalidRequest: the model cannot edit, or cannot edit this.
    """
    edit = request.edit
    assert edit is not None
    if not can_edit(pipeline):
        raise InvalidRequest(
            f"The model {request.model!r} cannot edit a motion.",
            "Choose a diffusion model: starter, or an MDM.",
        )
    tell = Stages(request, on_step)
    frames, joints = kept_by(edit)
    made = []
    for index in range(request.samples):
        motion = pipeline.edit(
            edit.motion,
            request.prompt,
            keep_frames=frames,
            keep_joints=joints,
            seed=request.seed + index,
            guidance_scale=request.guidance_scale,
            steps=request.steps,
            sampler=request.sampler,
            foot_lock=request.cleanup,
            on_step=part_of(tell.steps(), index, request.samples),
        )
        made.append(Motion(motion.data, motion.fps, {**motion.meta, "model": request.model}))
    return made
