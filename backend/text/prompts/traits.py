"""What is known of labels apart from any model: how they move and which are near each other."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

ACTIONS = Path(__file__).with_name("actions.json")
STYLES = Path(__file__).with_name("styles.json")
AGED = re.compile(
    r"\b(?:old|young)\b(?= (?:\w+ )?(?:man|woman|lady|person|gentleman|guy|boy|girl|people))"
)


@dataclass(frozen=True)
class Traits:
    """Sets of labels: see ``actions.json``."""

    travel: frozenset[str]
    posture: frozenset[str]
    arms: frozenset[str]
    head: frozenset[str]
    goes_on: frozenset[str]
    near: dict[str, tuple[str, ...]]

    def overlay(self, base: str, label: str) -> tuple[str, ...]:
        """Body parts with which ``label`` can be laid over ``base``; none where it cannot."""
        if base == label or base not in self.travel | self.posture | self.arms | self.head:
            return ()
        if label in self.head and base not in self.head:
            return ("head",)
        return ("arms",) if label in self.arms and base not in self.arms else ()


@lru_cache(maxsize=1)
def traits() -> Traits:
    """The one set of traits, read on first use."""
    data = json.loads(ACTIONS.read_text(encoding="utf-8"))
    words = {
        key: frozenset(word for line in data[key] for word in line.split())
        for key in ("travel", "posture", "arms", "head", "goes_on")
    }
    near = {label: tuple(others.split()) for label, others in data["near"].items()}
    return Traits(**words, near=near)


@lru_cache(maxsize=1)
def _style_words() -> dict[str, str]:
    data = json.loads(STYLES.read_text(encoding="utf-8"))
    return {word: style for style, words in data.items() for word in words.split()}


def manners() -> frozenset[str]:
    """Every manner that words name."""
    return frozenset(_style_words().values())


def styles_of(text: str) -> dict[str, float]:
    """Manners that a sentence names, together of weight 1; {} when it names none.

    >>> styles_of("an old man walks sadly")
    {'elderly': 0.5, 'sad': 0.5}
    """
    found: dict[str, float] = {}
    low = text.lower()
    for match in re.finditer(r"[a-z]+", low):
        style = _style_words().get(match.group())
        if match.group() in ("old", "young") and not AGED.match(low, match.start()):
            continue
        if style is not None:
            found[style] = 1.0
    return {style: round(1.0 / len(found), 3) for style in found}
