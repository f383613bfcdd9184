"""Misspelt words of a prompt: read as the known word that is nearest."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping

from .amounts import AMOUNT_WORDS
from .lexicon import lexicon

WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
ALIKE = str.maketrans({"c": "k", "q": "k", "z": "s"})
"""Letters that are taken for each other."""
SHORTEST = 4
"""Shorter words are left alone: too many are one letter from another."""
TWO_EDITS_FROM = 6
"""Words of this length may be two edits away from what was meant."""


class Speller:
    """Corrects words that nobody knows.

    Args:
        counts: known words and how common they are among phrases.
        is_word: whether a word that is not known here is English nevertheless.
    """

    def __init__(self, counts: Mapping[str, int], is_word: Callable[[str], bool]) -> None:
        self._counts = dict(counts)
        for word in [*lexicon().forms, *lexicon().plain, *AMOUNT_WORDS]:
            self._counts.setdefault(word, 1)
        self._is_word = is_word
        self._by_first: dict[str, list[str]] = {}
        for word in self._counts:
            self._by_first.setdefault(word[0], []).append(word)

    def correct(self, prompt: str) -> tuple[str, tuple[tuple[str, str], ...]]:
        """The prompt with misspelt words mended, and ``(typed, read as)`` of each."""
        changes: list[tuple[str, str]] = []

        def mend(match: re.Match[str]) -> str:
            typed = match.group()
            better = self.word(typed.lower())
            if better == typed.lower():
                return typed
            changes.append((typed, better))
            return better

        return WORD.sub(mend, prompt), tuple(changes)

    def word(self, low: str) -> str:
        """The word that was meant by ``low``; itself when it is known, English or hopeless."""
        if len(low) < SHORTEST or low in self._counts or "-" in low or "'" in low or "’" in low:
            return low
        if any(low.removesuffix(s) in self._counts for s in ("s", "es", "ing", "ed", "ly", "er")):
            return low
        candidates = self._candidates(low)
        if not candidates or self._is_word(low):
            return low
        return min(candidates)[-1]

    def _candidates(self, low: str) -> list[tuple[float, int, str]]:
        """Known words near enough, as (distance, how rare, word)."""
        limit = 2 if len(low) >= TWO_EDITS_FROM else 1
        firsts: Collection[str] = dict.fromkeys((low[0], low[1]))
        found = []
        for first in firsts:
            for word in self._by_first.get(first, ()):
                if abs(len(word) - len(low)) > limit or len(word) < 3:
                    continue
                steps = distance(low, word, limit)
                if steps <= limit and (word[0] == low[0] or low[:2] == word[1::-1]):
                    common = 0.1 * math.log10(1 + self._counts[word])
                    found.append((_sound(low, word, steps) - common, -self._counts[word], word))
        return found


def _sound(low: str, word: str, steps: int) -> float:
    """Distance less a little where the consonants agree, as in slips of the ear and doublings."""
    same = _skeleton(low) == _skeleton(word)
    return steps - 0.4 * same - 0.3 * (sorted(low) == sorted(word))


def _skeleton(word: str) -> str:
    alike = word.replace("ph", "f").translate(ALIKE)
    return alike[0] + re.sub(r"(.)\1+", r"\1", re.sub(r"[aeiouwy]", "", alike[1:]))


def distance(a: str, b: str, limit: int) -> int:
    """Edits (insert, drop, replace, swap neighbours) from ``a`` to ``b``; above ``limit`` is cut.

    >>> distance("hihg", "high", 2), distance("claping", "clapping", 2)
    (1, 1)
    """
    previous2: list[int] = []
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        row = [i]
        for j, y in enumerate(b, start=1):
            cost = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, previous2[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
        previous2, previous = previous, row
    return previous[-1]
