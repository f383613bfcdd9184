"""What MotionGPT answered, and what is wrong with it where it is no motion."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from ...text.motion_prompts import CODES, parse_motion

_SHOWN = 60
"""Characters of a text that a message quotes."""


@dataclass(frozen=True)
class Answer:
    """One answer of the language model.

    Attributes:
        prompt: what it was asked.
        text: what it wrote.
        ids: motion tokens in it, each a code of the tokenizer.
        fallback: no motion was found; the features are then the mean pose.
        features: ``[T, 263]`` un-normalised at 20 fps.
        warnings: sentences for the person who asked.
    """

    prompt: str
    text: str
    ids: tuple[int, ...]
    fallback: bool
    features: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.float32), repr=False)
    warnings: tuple[str, ...] = ()

    def warned(self, text: str) -> Answer:
        """This answer with one more warning."""
        return replace(self, warnings=(*self.warnings, text))


def read_answer(text: str, prompt: str) -> Answer:
    """Find the motion in a text; its ids are brought into the range of the codes.

    One id alone is what the published reader gives where it finds no motion, so it counts as none.
    """
    try:
        ids = parse_motion(text).ids
    except ValueError:
        ids = (0,)
    codes = tuple(min(max(i, 0), CODES - 1) for i in ids)
    answer = Answer(prompt, text, codes, fallback=len(codes) < 2)
    if not answer.fallback:
        return answer
    wrote = f"“{_shortened(text)}”" if text.strip() else "nothing"
    return answer.warned(
        f"The model wrote no motion ({wrote}); this is its mean pose. Try another seed or wording."
    )


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
