"""MotionGPT's prompts, and the way from generated text back to motion token ids.

The strings are data: the language model was trained on exactly these. So are the oddities: whether
a caption stands in quotes is drawn at random, and some lengths are counted in tokens where the
words say frames. Random numbers are drawn from a ``random.Random`` in the published order, so that
a seed gives the published prompt.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

CODES = 512
EXTRA_TOKENS = CODES + 3
"""The codes, then start, end and mask."""
FPS = 20.0
FRAMES_PER_TOKEN = 4
QUOTE_SHARE = 0.5
"""How often a caption is put in double quotes."""
HEAD_SHARE = 0.2
"""Share of a motion that a prediction is given."""
EDGE_SHARE = 0.25
"""Share of a motion that an in-between is given at each end."""

PromptMode = Literal["official_nolen", "official_len", "direct"]
PROMPT_MODES: tuple[PromptMode, ...] = ("official_nolen", "official_len", "direct")
Task = Literal["t2m", "t2m_with_len", "m2t", "m2t_with_len", "pred", "inbetween"]

CAPTION = "<Caption_Placeholder>"
MOTION = "<Motion_Placeholder>"
FRAME = "<Frame_Placeholder>"
SECOND = "<Second_Placeholder>"
HEAD = "<Motion_Placeholder_s1>"
TAIL = "<Motion_Placeholder_s2>"
MASKED = "<Motion_Placeholder_Masked>"

TEMPLATES: dict[Task, str] = {
    "t2m": f"Generate motion: {CAPTION}",
    "t2m_with_len": f"Generate motion with {FRAME} frames: {CAPTION}",
    "m2t": f"Generate text: {MOTION}",
    "m2t_with_len": f"Generate text with {FRAME} frames: {MOTION}",
    "pred": f"Predict motion: {HEAD}",
    "inbetween": f"Complete the masked motion: {MASKED}",
}


def motion_token(index: int) -> str:
    """The word of a code, or of start, end or mask."""
    return f"<motion_id_{index}>"


MOTION_TOKENS = tuple(motion_token(index) for index in range(EXTRA_TOKENS))
START, END, MASK = MOTION_TOKENS[CODES:]


def motion_string(ids: Sequence[int], length: int | None = None) -> str:
    """Ids (the first ``length`` of them) between the start and the end token, without spaces."""
    return START + "".join(motion_token(i) for i in list(ids)[:length]) + END


def fill_template(template: str, caption: str, motion: str, length: int, rng: random.Random) -> str:
    """Put a caption and a motion string into a template.

    Placeholders are replaced one kind after the other, so a caption that holds one is filled too.

    Args:
        length: what the placeholders of frames, seconds and parts count with.
        rng: one draw, which decides whether the caption is quoted.
    """
    if rng.random() < QUOTE_SHARE:
        caption = f'"{caption}"'
    tokens = length / FRAMES_PER_TOKEN
    parts = motion.split(">")
    head = int(HEAD_SHARE * tokens + 1)
    first, last = int(EDGE_SHARE * tokens + 1), int((1 - EDGE_SHARE) * tokens + 1)
    values = {
        CAPTION: caption,
        MOTION: motion,
        FRAME: str(length),
        SECOND: f"{math.floor(length / FPS):.1f}",
        HEAD: ">".join(parts[:head]) + ">" + END,
        TAIL: START + ">".join(parts[head:]),
        MASKED: ">".join(parts[:first]) + ">" + MASK * (last - first) + ">".join(parts[last:]),
    }
    for placeholder, value in values.items():
        template = template.replace(placeholder, value)
    return template


def fill_pairs(
    pairs: Sequence[tuple[Sequence[str], Sequence[str]]],
    captions: Sequence[str],
    motions: Sequence[str],
    lengths: Sequence[int],
    rng: random.Random,
) -> tuple[list[str], list[str]]:
    """Fill one (input templates, output templates) pair per sample, each template drawn at random.

    Returns:
        The inputs and the outputs.
    """
    inputs, outputs = [], []
    for (questions, answers), caption, motion, length in zip(
        pairs, captions, motions, lengths, strict=True
    ):
        # one of one still draws: the numbers that follow depend on it
        question, answer = rng.choice(list(questions)), rng.choice(list(answers))
        inputs.append(fill_template(question, caption, motion, length, rng))
        outputs.append(fill_template(answer, caption, motion, length, rng))
    return inputs, outputs


def conditional_prompts(
    task: Task,
    rng: random.Random,
    *,
    captions: Sequence[str] | None = None,
    motions: Sequence[Sequence[int]] | None = None,
    lengths: Sequence[int],
) -> list[str]:
    """What the language model is asked, one prompt per sample.

    Args:
        captions: for the text-to-motion tasks.
        motions: token ids, for the other tasks.
        lengths: frames for text-to-motion; for ``m2t`` the number of tokens (also where the prompt
            then says "frames"), which cuts the motion; for ``pred`` and ``inbetween`` the frames
            of the whole motion, of which the tokens given are then the known parts.
    """
    count = len(lengths)
    counted = [0] * count if task == "t2m" else list(lengths)
    strings = [
        motion_string(ids, n) for ids, n in zip(motions or [()] * count, lengths, strict=True)
    ]
    if task == "pred":
        # the published evaluation cuts here once more, at a fifth of the frame count
        strings = [
            ">".join(text.split(">")[: n // 5]) + ">"
            for text, n in zip(strings, lengths, strict=True)
        ]
    pair = ([TEMPLATES[task]], [""])
    return fill_pairs([pair] * count, captions or [""] * count, strings, counted, rng)[0]


@dataclass(frozen=True)
class ParsedMotion:
    """Motion ids found in generated text.

    Attributes:
        ids: codes, and where the text has them also the start and mask tokens (``CODES`` and
            ``CODES + 2``); ``(0,)`` when there are none.
        text: the generated text with the motion replaced by ``<Motion_Placeholder>``.
    """

    ids: tuple[int, ...]
    text: str


def parse_motion(text: str) -> ParsedMotion:
    """The ids between the first start and the first end token, read the published way.

    Text between two tokens swallows an id, spaces between them all ids.

    Raises:
        ValueError: a piece between two tokens ends in something that is no number.
    """
    start, end = text.find(START), text.find(END)
    if start < 0 or end < 0:
        middle = START + motion_token(0) + END
        found = (0,)
        return ParsedMotion(found, text.replace(middle, MOTION))
    middle = START + text[start + len(START) : end] + END
    pieces = middle.split("><")[1:-1]
    ids = tuple(int(piece.split("_")[-1].replace(">", "")) for piece in pieces)
    return ParsedMotion(ids or (0,), text.replace(middle, MOTION))
