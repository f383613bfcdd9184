"""From what a person writes to the action of a model that it names."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from ...errors import InvalidRequest

HUMANACT12: tuple[str, ...] = (
    "warm_up",
    "walk",
    "run",
    "jump",
    "drink",
    "lift_dumbbell",
    "sit",
    "eat",
    "turn steering wheel",
    "phone",
    "boxing",
    "throw",
)
"""Classes 0 to 11 of HumanAct12 (Guo et al. 2020)."""

_MIN_SHARE = 0.6
"""Share of an action's words that a sentence must hold."""
_MIN_LIKENESS = 0.75
"""Of a misspelt name to the right one, as difflib measures it."""
_MIN_STEM = 3
_IGNORED = frozenset(
    {"a", "an", "the", "and", "or", "of", "to", "in", "on", "with", "his", "her", "their", "its"}
    | {"person", "man", "woman", "someone", "up"}
)


def closest_action(text: str, actions: Sequence[str]) -> str:
    """The action that ``text`` names: an exact name, a sentence with its words, or a misspelling.

    "a person walks backwards" is "walk-back"; of several that fit equally well the first is taken.

    Raises:
        InvalidRequest: none is close; the hint lists the actions.
    """
    plain = _plain(text)
    for action in actions:
        if _plain(action) == plain:
            return action
    words = _words(text)
    scored = [(_share(_words(action), words), action) for action in actions]
    # a whole short name beats the same words as part of a longer one
    best = max(scored, key=lambda pair: pair[0], default=((0.0, 0.0), ""))
    if best[0][0] >= _MIN_SHARE:
        return best[1]
    names = {_plain(action): action for action in actions}
    near = difflib.get_close_matches(plain, names, n=1, cutoff=_MIN_LIKENESS)
    if near:
        return names[near[0]]
    started = [a for a in actions if words and _words(a)[:1] and _same(_words(a)[0], words)]
    if started:
        return started[0]
    raise InvalidRequest(
        f"The model knows no action like {text!r}.", f"It knows: {', '.join(actions)}."
    )


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


def _words(text: str) -> list[str]:
    return [w for w in _plain(text).split() if w not in _IGNORED]


def _share(name: Sequence[str], words: Sequence[str]) -> tuple[float, float]:
    """Share of the action's words in the sentence, and how many they are; its verb must be."""
    if not name or not _same(name[0], words):
        return 0.0, 0.0
    found = sum(_same(word, words) for word in name)
    return found / len(name), float(found)


def _same(word: str, words: Sequence[str]) -> bool:
    """Whether one of ``words`` is a form of ``word``: walks, walking, backwards, waving."""
    stem = word[:-1] if word.endswith("e") and len(word) > _MIN_STEM else word
    return any(w == word or (len(stem) >= _MIN_STEM and w.startswith(stem)) for w in words)
