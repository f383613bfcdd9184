"""Motions to sentences as the published evaluation asks for them (Motius, ``infer_m2t``)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...text.motion_prompts import Task
from ..calls import check_one_each
from .core import TEXT_LENGTH, MotionGPTCore, filled_prompts

PLACEHOLDER = "<Motion_Placeholder>"
"""Stands for a motion inside the answer."""
_START, _END = "<motion_id_512>", "<motion_id_513>"


def infer_m2t(
    core: MotionGPTCore,
    motions: Sequence[np.ndarray],
    lengths: Sequence[int] | None = None,
    *,
    with_len: bool = False,
    pad_to_batch_max: bool = False,
) -> list[str]:
    """A sentence for each motion, greedy.

    Args:
        motions: ``[T >= 4, 263]`` un-normalised at 20 fps.
        lengths: frames read of each; all when None.
        with_len: also tell the model the length.
        pad_to_batch_max: pad normalised clips with zeros to the longest and read all of that, as
            some published numbers were made; a clip's answer then depends on its batch.

    Raises:
        FormatError: a motion shorter than one token, or none at all.
        InvalidRequest: another number of lengths than of motions.
    """
    check_one_each(motions, lengths)
    wanted = [len(m) for m in motions] if lengths is None else [int(n) for n in lengths]
    clips = [np.asarray(m)[: max(1, n)] for m, n in zip(motions, wanted, strict=True)]
    if pad_to_batch_max and clips:
        longest, mean = max(map(len, clips)), core.stats.mean.cpu().numpy()
        rows = [np.broadcast_to(mean, (longest - len(clip), len(mean))) for clip in clips]
        clips = [np.concatenate([clip, row]) for clip, row in zip(clips, rows, strict=True)]
    ids = core.encode_motions(clips)
    task: Task = "m2t_with_len" if with_len else "m2t"
    asked = filled_prompts(task, 0, True, motions=ids, lengths=[len(tokens) for tokens in ids])
    texts, _ = core.write_texts(asked, max_length=TEXT_LENGTH)
    return [_without_motion(text).strip() for text in texts]


def _without_motion(text: str) -> str:
    """The first motion and its like give way; none where an end stands before it, as published."""
    start, end = text.find(_START), text.find(_END)
    return text.replace(text[start : end + len(_END)], PLACEHOLDER) if 0 <= start < end else text
