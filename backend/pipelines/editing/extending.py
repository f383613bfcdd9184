"""Motions that go on with a model that edits: what follows is a gap with one open side."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...diffusion.loop import StepCallback
from ...motion.representations import motion135
from ...wire.messages import Motion
from ..calls import part_of
from .prompt_parts import split_prompt

READ_SECONDS = 4.0
"""How much of its end the model reads. A walk shows its stride in less; more would leave a model
that makes ten seconds at once less room for what follows."""
PART_SECONDS = 1.0
"""Below this for each part of a prompt ("turns, then bows") the parts are not made one by one."""
BLEND_SECONDS = 0.6
"""What follows has to arrive nowhere, so that it may take longer than :data:`.seams.BLEND_SECONDS`
to leave the given motion: the jolt at the seam of a walk that goes on is then half as strong."""
SPARE_SECONDS = 0.1
"""A clip at another frame rate may get a frame or two longer at the model's."""


def extended(
    model: Any,
    motion: Motion,
    prompt: str,
    more: int,
    *,
    blend_seconds: float = BLEND_SECONDS,
    on_step: StepCallback | None = None,
    **options: Any,
) -> Motion:
    """A motion and what follows it.

    The parts of a prompt, and what the model cannot make at once, are made piece after piece, each
    read from the end of the one before.

    Args:
        model: a pipeline with ``edit`` and ``edit_seconds``.
        motion: motion_135 at any frame rate.
        prompt: what happens next; empty lets the motion alone decide.
        more: frames that are added.
        blend_seconds: see :func:`backend.motion.seams.join`.
        on_step: ``on_step(done, total)``; it may raise ``Cancelled``.
        options: further ones of :func:`backend.pipelines.editing.edit`, less what is kept.

    Returns:
        ``[T + more, 135]`` at the rate of ``motion``; its own frames come back unchanged.

    Raises:
        As :func:`backend.pipelines.editing.edit`.
    """
    data = whole = motion135.SPEC.check(motion.data)
    shortest, longest = (seconds * motion.fps for seconds in model.edit_seconds)
    spare = SPARE_SECONDS * motion.fps
    meta: dict[str, Any] = {}
    pieces = _pieces(prompt, more, motion.fps, longest - spare - READ_SECONDS * motion.fps)
    for index, (part, piece) in enumerate(pieces):
        end = whole[-max(1, round(READ_SECONDS * motion.fps)) :]
        # what stands in the gap does not matter: the last pose, held
        gap = max(piece, math.ceil(shortest + spare) - len(end))
        made = model.edit(
            Motion(np.pad(end, ((0, gap), (0, 0)), mode="edge"), motion.fps, motion.meta),
            part,
            keep_frames=[(0, len(end))],
            blend_seconds=blend_seconds,
            on_step=part_of(on_step, index, len(pieces)),
            **options,
        )
        whole = np.concatenate([whole, made.data[len(end) :][:piece]])
        meta = made.meta
    note = {**meta["edit"], "kept_frames": [[0, len(data)]]}
    params = {**meta.get("params", {}), "seconds": round(more / motion.fps, 3)}
    told = {**meta, "prompt": prompt.strip(), "params": params, "edit": note}
    return Motion(whole, motion.fps, told)


def _pieces(prompt: str, more: int, fps: float, longest: float) -> list[tuple[str, int]]:
    """What happens in turn, and in how many frames, none of them over ``longest``."""
    parts = split_prompt(prompt) if prompt.strip() else [""]
    if more < len(parts) * PART_SECONDS * fps:
        parts = [prompt]
    return [
        (part, frames)
        for part, whole in zip(parts, _even(more, len(parts)), strict=True)
        for frames in _even(whole, math.ceil(whole / longest))
    ]


def _even(frames: int, count: int) -> list[int]:
    """``frames`` in ``count`` pieces of about equal length."""
    return np.diff(np.round(np.linspace(0, frames, count + 1))).astype(int).tolist()
