"""Which actions a text names: a second voice beside the sentence vector.

A sentence vector is an average over everything said. "An elegant woman raises the right arm and
waves" lies close to "an elegant woman raises the right arm", and guidance then drives the motion
towards either. Models may therefore take one flag for each action word of this list. A text that
names none (a wording of its own: "greets a friend") has zeros and is left to the sentence vector.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor

_STEMS = {
    "wave": r"wav(?:e|es|ed|ing)",
    "raise": r"rais(?:e|es|ed|ing)|lift\w*|hands? up|arms? up",
    "bow": r"bow(?:s|ed|ing)?|ojigi",
    "farewell": r"(?:good|bye)?-?bye|farewell|see (?:you|someone) off",
    "kick": r"kick\w*",
    "punch": r"punch\w*|jab\w*|box(?:es|ed|ing)?",
    "slash": r"slash\w*|sword\w*|katana",
    "dance": r"danc(?:e|es|ed|er|ing)",
    "call": r"call(?:s|ed|ing)?|shout\w*|yell\w*",
    "guide": r"guid(?:e|es|ed|ing)|usher\w*|invit\w+|welcom\w+",
    "run": r"run(?:s|ning)?|ran|jog\w*",
    "sprint": r"sprint\w*|dash\w*|rac(?:es|ing)|rush\w*",
    "walk": r"walk\w*|strol\w+|march\w*|steps?|stepping",
    "turn": r"turn\w*|corner\w*|curv\w+",
    "back": r"backwards?|retreat\w*",
    "sideways": r"sideways|sideward\w*|sidestep\w*|straf\w+",
}
ACTION_WORDS = tuple(_STEMS)
"""Names of the flags, in order. Weights depend on it: a new word is a new model."""
_PATTERNS = [re.compile(rf"\b(?:{stem})\b", re.IGNORECASE) for stem in _STEMS.values()]


def named_actions(texts: Sequence[str]) -> Tensor:
    """``[B, 16]`` float32 in the order of :data:`ACTION_WORDS`: does each text name the action?

    >>> flags = named_actions(["she raises the arm and waves", "greet a friend"])
    >>> [[w for w, f in zip(ACTION_WORDS, row) if f] for row in flags]
    [['wave', 'raise'], []]
    """
    flags = [[pattern.search(text) is not None for pattern in _PATTERNS] for text in texts]
    return torch.tensor(flags, dtype=torch.float32).reshape(len(flags), len(_PATTERNS))
