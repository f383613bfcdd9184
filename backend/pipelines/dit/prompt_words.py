"""Which words of a prompt no training caption holds, compared by their stems."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable

WORD = re.compile(r"[^\W\d_]+")
ENDINGS = ("ing", "ed", "es", "s")
SHORTEST_STEM = 3
MIN_CAPTIONS = 3
"""A word in fewer captions than this does not count as known."""
_FUNCTION_WORDS = """a an the his her their of to in on at and with as for from by up down is it
    that this who one"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())


def stem(word: str) -> str:
    """A crude stem: "walks", "walked" and "walking" share one.

    >>> stem("walking"), stem("raises"), stem("raise")
    ('walk', 'rais', 'rais')
    """
    word = word.lower()
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= SHORTEST_STEM:
            word = word[: -len(ending)]
            break
    return word.removesuffix("e")


def known_stems(captions: Iterable[str]) -> frozenset[str]:
    """Stems that at least :data:`MIN_CAPTIONS` of the captions hold."""
    counts: Counter[str] = Counter()
    for caption in captions:
        counts.update({stem(word) for word in WORD.findall(caption)})
    return frozenset(s for s, count in counts.items() if count >= MIN_CAPTIONS)


def unknown_share(prompt: str, stems: Collection[str]) -> float:
    """Share of the prompt's words, function words left out, whose stem is not in ``stems``."""
    words = [w for w in WORD.findall(prompt.lower()) if w not in FUNCTION_WORDS]
    if not words:
        return 0.0
    return sum(stem(word) not in stems for word in words) / len(words)
