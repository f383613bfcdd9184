"""Motions that go on with a model that edits: what follows is a gap with one open side."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..motion.representations import motion135
from ..wire.messages import Motion

READ_SECONDS = 4.0
"""How much of its end the model reads. A walk shows its stride in less; more would leave a model
that makes ten seconds at once less room for what follows."""


def extended(model: Any, motion: Motion, prompt: str, more: int, **options: Any) -> Motion:
    """A motion and what follows it.

    Args:
        model: a pipeline with ``edit``.
        motion: motion_135 at any frame rate.
        prompt: what happens next; empty lets the motion alone decide.
        more: frames that are added.
        options: of :func:`backend.pipelines.editing.edit`, less what is kept.

    Returns:
        ``[T + more, 135]`` at the rate of ``motion``; its own frames come back unchanged.

    Raises:
        As :func:`backend.pipelines.editing.edit`.
    """
    data = motion135.SPEC.check(motion.data)
    read = min(len(data), max(1, round(READ_SECONDS * motion.fps)))
    end = data[len(data) - read :]
    # what stands in the gap does not matter: the last pose, held
    padded = np.concatenate([end, np.repeat(end[-1:], more, axis=0)])
    made = model.edit(
        Motion(padded, motion.fps, motion.meta), prompt, keep_frames=[(0, read)], **options
    )
    whole = np.concatenate([data[: len(data) - read], made.data])
    note = {**made.meta["edit"], "kept_frames": [[0, len(data)]]}
    return Motion(whole, motion.fps, {**made.meta, "edit": note})
