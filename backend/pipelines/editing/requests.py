"""Requests that change a motion, or let it go on, on whichever pipeline can."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...diffusion.loop import StepCallback
from ...errors import InvalidRequest
from ...motion import seams
from ...motion.directing import targets_of
from ...motion.joint_sets import joint_mask
from ...motion.skeleton import JOINT_NAMES
from ...wire.messages import Edit, Motion, Progress, Request
from ..calls import Stages, part_of
from . import edit as editing
from .continuing import Drawing, Take, go_on, new_middle


def check(request: Request) -> None:
    """:class:`InvalidRequest` for an edit that no model could make; needs no model."""
    assert request.edit is not None
    if request.edit.verb == "edit":
        frames, joints = kept_by(request.edit)
        editing.select(len(request.edit.motion.data), frames, joints)


def kept_by(edit: Edit) -> tuple[list[tuple[int, int]], list[str]]:
    """What an edit keeps: ranges of frames, and names of joints."""
    kept = np.ones(len(edit.motion.data), dtype=bool)
    for start, end in edit.ranges:
        kept[start:end] = False
    ranges = seams.kept_stretches(kept)
    anew = joint_mask(edit.joints) if edit.joints else np.ones(len(JOINT_NAMES), dtype=bool)
    return ranges, [name for name, made in zip(JOINT_NAMES, anew, strict=True) if not made]


def edit_motions(
    pipeline: object, request: Request, on_step: Callable[[Progress], None] | None = None
) -> list[Motion]:
    """The motions of a request that edits, at the rate of what is edited.

    One per sample; fewer where a model wrote nothing, which the first one's warnings say.
    ``request.cleanup`` locks the feet of new frames; kept frames are never cleaned up.

    Raises:
        InvalidRequest: the model cannot make this edit.
    """
    assert request.edit is not None
    stage = {"continue": "going on", "in_between": "filling in"}.get(request.edit.verb, "sampling")
    make = _edited if request.edit.verb == "edit" else _continued
    return make(pipeline, request, request.edit, Stages(request, on_step).steps(stage))


def _edited(
    pipeline: Any, request: Request, edit: Edit, on_step: StepCallback | None
) -> list[Motion]:
    frames, joints = kept_by(edit)
    rest: dict[str, Any] = {}
    if edit.restarts is not None:
        rest["restarts"] = [r for r in edit.restarts if r > 0.0]
    if request.constraints:
        rest["targets"] = targets_of(request.constraints, len(edit.motion.data))
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
            **rest,
        )
        for index in range(request.samples)
    ]


def _continued(
    pipeline: Any, request: Request, edit: Edit, on_step: StepCallback | None
) -> list[Motion]:
    how = Drawing(
        prompt=request.prompt,
        seed=request.seed,
        takes=request.samples,
        greedy=edit.greedy,
        longest_seconds=edit.more / edit.motion.fps if edit.more else None,
        foot_lock=request.cleanup,
        guidance_scale=request.guidance_scale,
        sampler=request.sampler,
        steps=request.steps,
        on_step=on_step,
    )
    takes = (new_middle if edit.middle else go_on)(pipeline, edit.motion, how)
    made = [take.motion for take in takes if take.motion is not None]
    missing = _missing(takes, how.seed)
    if not made:
        raise InvalidRequest(
            f"The model {request.model!r} wrote no motion. {' '.join(missing)}",
            "Try another seed, more samples, or a longer motion.",
        )
    if missing:
        # who asked for several must hear of those that are missing
        warnings = [*made[0].meta.get("warnings", ()), *missing]
        made[0] = Motion(made[0].data, made[0].fps, {**made[0].meta, "warnings": warnings})
    return made


def _missing(takes: list[Take], seed: int) -> list[str]:
    return [
        f"Seed {seed + index}: {text}"
        for index, take in enumerate(takes)
        if take.motion is None
        for text in take.warnings
    ]
