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

READ_SECONDS, STRIDE_SECONDS = 4.0, 1.5
"""How much of its end the model reads, and how much where a prompt tells several actions. A walk
shows its stride in less; more would leave a model that makes ten seconds at once less room for what
follows. And a model thinks that a prompt tells all that it sees: after four seconds of a walk,
"turns left, then bows" turned by 25 degrees (mean of three seeds), after one and a half by 72; a
single action, which goes on to the end, leaves the walk with less of a jolt after four."""
PART_SECONDS = 1.0
"""Below this for each part of a prompt ("turns, then bows") the parts are not made one by one."""
ENOUGH = 0.8
"""Of the time that the parts of a prompt usually take: with less of it, they are cut short."""
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
    parts, needs = _parts(model, prompt, more / motion.fps)
    read = round((READ_SECONDS if len(parts) == 1 else STRIDE_SECONDS) * motion.fps)
    pieces = _pieces(parts, needs, more, longest - spare - read)
    for index, (part, piece) in enumerate(pieces):
        end = whole[-max(1, read) :]
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
    if more / motion.fps < ENOUGH * sum(needs):
        text = (
            f"“{prompt.strip()[:60]}” takes about {sum(needs):.1f} seconds; in "
            f"{more / motion.fps:.1f} its parts are cut short."
        )
        told["warnings"] = [*meta.get("warnings", ()), text]
    return Motion(whole, motion.fps, told)


def _parts(model: Any, prompt: str, seconds: float) -> tuple[list[str], list[float]]:
    """What happens in turn, and how long each usually takes, where the model knows that."""
    if not prompt.strip():
        return [""], [0.0]
    parts = split_prompt(prompt)
    known = getattr(model, "seconds_needed", None)
    needs = [0.0] * len(parts) if known is None else known(parts)
    if seconds < len(parts) * PART_SECONDS:
        return [prompt], [sum(needs)]
    return parts, needs


def _pieces(
    parts: list[str], needs: list[float], more: int, longest: float
) -> list[tuple[str, int]]:
    """Parts with their frames, by what they need, in pieces of which none is over ``longest``."""
    weights = np.array(needs) if min(needs) > 0.0 else np.ones(len(parts))
    edges = np.round(np.concatenate([[0.0], np.cumsum(weights / weights.sum())]) * more)
    return [
        (part, frames)
        for part, whole in zip(parts, np.diff(edges).astype(int).tolist(), strict=True)
        for frames in _even(whole, math.ceil(whole / longest))
    ]


def _even(frames: int, count: int) -> list[int]:
    """``frames`` in ``count`` pieces of about equal length."""
    return np.diff(np.round(np.linspace(0, frames, count + 1))).astype(int).tolist()
