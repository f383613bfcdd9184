"""The cheap scores of one take: how well it moves and, where it can be said, how well it fits.

The same functions serve the command line, the service and the panel in Blender.
"""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import Cancelled
from ..motion.representations import motion135
from ..motion.resample import resample_motion135
from ..wire.messages import Motion
from ..wire.skeleton import MOTION_FPS
from .physical import MIN_FRAMES, physical_metrics

if TYPE_CHECKING:
    from .evaluators.starter import StarterEvaluator

_log = logging.getLogger(__name__)

TEXT_MATCH = "text_match"
"""Cosine of prompt and motion by the bundled evaluator, as (cos + 1) / 2: 0.5 is no relation."""
SLIDING = "support_sliding_cm_s"
SLIDING_WEIGHT = 0.002
"""What a cm/s of sliding costs against text match: 10 cm/s weigh like 0.02."""


def take_scores(motion: Motion, prompt: str, *, text: bool = True) -> dict[str, float]:
    """Physical metrics of a motion and its match with the prompt.

    Args:
        text: also ask the bundled evaluator, where it is installed; it reads the first 10 s.

    Returns:
        :func:`backend.evaluation.physical.physical_metrics` and :data:`TEXT_MATCH`; nothing for a
        motion of fewer than 4 frames.
    """
    if len(motion.data) < MIN_FRAMES:
        return {}
    joints = motion135.joints(motion.data.astype("float64"))
    scores = physical_metrics(joints, motion.fps)
    evaluator = _evaluator() if text and prompt else None
    if evaluator is not None and motion.seconds * MOTION_FPS >= evaluator.min_frames:
        try:
            match = text_match(evaluator, motion, prompt)
        except Cancelled:
            raise
        except Exception:
            _log.exception("no text match of %r", prompt)
            return scores
        if math.isfinite(match):
            scores[TEXT_MATCH] = match
    return scores


def text_match(evaluator: StarterEvaluator, motion: Motion, prompt: str) -> float:
    """TMR score of a motion and a prompt, in 0..1; 0.5 is no relation."""
    from .hml3d_items import Caption
    from .retrieval import tmr_score

    data = motion.data
    if motion.fps != MOTION_FPS:  # an edit keeps the rate of the scene
        data = resample_motion135(data, motion.fps, MOTION_FPS)
    ours = evaluator.embed_motions([data])
    theirs = evaluator.embed_texts([Caption(prompt, ())])
    return float(tmr_score(theirs, ours)[0])


def best(scores: Sequence[dict[str, float]]) -> int:
    """Index of the take with the most text match and the least sliding."""

    def worth(index: int) -> float:
        found = scores[index]
        return found.get(TEXT_MATCH, 0.0) - SLIDING_WEIGHT * found.get(SLIDING, 0.0)

    return max(range(len(scores)), key=worth)


@functools.lru_cache(maxsize=1)
def _evaluator() -> StarterEvaluator | None:
    from .evaluators import starter

    if not (starter.FOLDER / starter.CONFIG).is_file():
        return None
    try:
        found = starter.StarterEvaluator.from_pretrained(starter.FOLDER, local_files_only=True)
        _ = found.reader  # now, so that a missing text encoder is found out once
        return found
    except Cancelled:  # nothing is wrong with it: the next take asks again
        raise
    except Exception:
        # scores are an extra: a damaged evaluator must not cost anyone their motion
        _log.exception("no text match: the evaluator cannot be used")
        return None
