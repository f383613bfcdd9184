"""Motion to motion with MotionGPT: what follows a clip, and what is missing in its middle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...diffusion.loop import StepCallback
from ...errors import InvalidRequest
from ...text import motion_prompts as prompts
from ...text.motion_prompts import FRAMES_PER_TOKEN
from .answers import Answer
from .core import MotionGPTCore, filled_prompts


def continue_motions(
    core: MotionGPTCore,
    clips: Sequence[np.ndarray],
    *,
    share: float = 1.0,
    seed: int | None = None,
    greedy: bool = False,
    on_step: StepCallback | None = None,
) -> list[Answer]:
    """Go on where clips end.

    Args:
        clips: ``[T >= 4, 263]`` un-normalised at 20 fps.
        share: how much of each clip, from its beginning, is given to the model (the published
            evaluation gives ``HEAD_SHARE`` of it).
        seed, greedy, on_step: as in :meth:`MotionGPTCore.answer`.

    Returns:
        Answers whose features are the given part, as the tokenizer renders it, and what
        follows; ``ids`` are those of both.
    """
    if not 0.0 < share <= 1.0:
        raise InvalidRequest(f"The share is {share:g}.", "Choose above 0 and up to 1.")
    ids = core.encode_motions(clips)
    heads = [tokens[: max(1, int(share * len(tokens)))] for tokens in ids]
    asked = [
        prompts.TEMPLATES["pred"].replace(prompts.HEAD, prompts.motion_string(head))
        for head in heads
    ]
    answers = core.answer(asked, seed=seed, greedy=greedy, on_step=on_step)
    joined = [
        replace(answer, ids=tuple(head) if answer.fallback else (*head, *answer.ids))
        for head, answer in zip(heads, answers, strict=True)
    ]
    features = core.decode_motions([answer.ids for answer in joined])
    return [replace(a, features=f) for a, f in zip(joined, features, strict=True)]


def complete_motions(
    core: MotionGPTCore,
    clips: Sequence[np.ndarray],
    *,
    seed: int | None = None,
    greedy: bool = False,
    on_step: StepCallback | None = None,
) -> list[Answer]:
    """Invent the middle half of clips anew between their first and last quarter.

    Args:
        clips: ``[T >= 4, 263]`` un-normalised at 20 fps.
        seed, greedy, on_step: as in :meth:`MotionGPTCore.answer`.

    Returns:
        Answers whose features hold the given quarters as they are. Where the model wrote no
        motion, or too little, the middle is missing or short, with a warning.
    """
    ids = core.encode_motions(clips)
    asked = filled_prompts(
        "inbetween",
        0,
        True,
        motions=ids,
        lengths=[len(tokens) * FRAMES_PER_TOKEN for tokens in ids],
    )
    answers = core.answer(asked, seed=seed, greedy=greedy, on_step=on_step)
    answers = core.with_features(answers, [len(clip) for clip in clips])
    ready = []
    for clip, answer in zip(clips, answers, strict=True):
        edge = len(clip) // 4
        first, last = clip[:edge], clip[3 * edge :]
        middle = answer.features[:0] if answer.fallback else answer.features[edge : 3 * edge]
        if not answer.fallback and len(middle) < 2 * edge:
            answer = answer.warned(f"The model wrote {len(middle)} of {2 * edge} missing frames.")
        whole = np.concatenate([first, middle, last]).astype(np.float32)
        ready.append(replace(answer, features=whole))
    return ready
