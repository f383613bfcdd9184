"""What the name of a bone says: which side, which part of a body, and what it is not.

A name is cut into words (separators, camel case, digits, words written together), words that most
bones of a skeleton share are dropped (``mixamorig``, ``Bip01``, ``Armature``), and the rest is
looked up in ``words.json``. One word may mean two joints: ``shoulder`` is the clavicle where an
upper arm follows it, and the upper arm where a clavicle comes before. Who reads it decides by the
place of the bone.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path

LIMB_PARTS = ("hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow", "wrist")
"""Parts that have a side; the others are ``pelvis``, ``spine``, ``neck`` and ``head``."""

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_VERTEBRA = re.compile(r"(?:^|[^A-Za-z])[LTC]\d{1,2}$")
_SHARED = 0.7
"""A word that this share of the bones have says nothing."""
_FEW = 6
_LONGEST_WORD = 40


@dataclass(frozen=True)
class BoneName:
    """What a name says.

    Attributes:
        side: "left", "right" or "".
        parts: part of the body to how well the word fits, 0 to 1.
        flags: what speaks against a joint: "ik", "control", "helper", "twist", "end", "finger",
            "other".
        words: what the name was cut into.
    """

    side: str = ""
    parts: Mapping[str, float] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()
    words: tuple[str, ...] = ()

    def fits(self, part: str) -> float:
        """How well the name fits a part, 0 to 1."""
        return self.parts.get(part, 0.0)


@cache
def _vocabulary() -> dict:
    return json.loads(Path(__file__).with_name("words.json").read_text(encoding="utf-8"))


@cache
def _sides() -> dict[str, str]:
    return {word: side for side, words in _vocabulary()["sides"].items() for word in words}


@cache
def _flags() -> dict[str, str]:
    return {word: flag for flag, words in _vocabulary()["flags"].items() for word in words}


@cache
def _known() -> frozenset[str]:
    """Words that may be written together with others."""
    table = _vocabulary()
    words = {*table["parts"], *table["sized"], *_flags(), "base", "bone", "joint"}
    words |= {word for word in _sides() if len(word) > 2}
    return frozenset(word for word in words if len(word) > 1)


@lru_cache(maxsize=8192)
def words_of(name: str) -> tuple[str, ...]:
    """A bone's name as small words, without namespace and separators."""
    text = unicodedata.normalize("NFKC", name)
    text = re.split(r"[:|]", text)[-1] or text
    for foreign, english in sorted(
        _vocabulary()["scripts"].items(), key=lambda item: -len(item[0])
    ):
        if foreign in text:
            text = text.replace(foreign, f" {english} ")
    text = "".join(
        c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)
    ).replace("ß", "ss")
    found: list[str] = []
    for word in _WORD.findall(text):
        found += _apart(word.lower())
    return tuple(found)


@lru_cache(maxsize=8192)
def _apart(word: str) -> tuple[str, ...]:
    """Words written together, such as ``upperarm`` or ``lhand``; the word itself if unknown."""
    if word in _known() or len(word) < 3 or len(word) > _LONGEST_WORD or word.isdigit():
        return (word,)
    best: list[tuple[str, ...] | None] = [()] + [None] * len(word)
    for end in range(2, len(word) + 1):
        for start in range(end - 1):
            piece, before = word[start:end], best[start]
            if before is not None and piece in _known():
                option = (*before, piece)
                if best[end] is None or len(option) < len(best[end] or ()):
                    best[end] = option
    if best[-1] is not None:
        return best[-1]
    for letter, rest, order in ((word[0], word[1:], 1), (word[-1], word[:-1], -1)):
        if letter in "lr" and rest in _vocabulary()["parts"]:
            return (letter, rest)[::order]
    return (word,)


def read_names(names: Sequence[str]) -> list[BoneName]:
    """What each bone's name says, in the light of the others."""
    cut = [words_of(name) for name in names]
    counts = Counter(word for words in cut for word in set(words))
    shared = set()
    if len(names) >= _FEW:
        known = {*_vocabulary()["parts"], *_sides(), *_vocabulary()["sized"]}
        shared = {w for w, n in counts.items() if n > _SHARED * len(names) and w not in known}
    read = []
    for name, words in zip(names, cut, strict=True):
        kept = tuple(word for word in words if word not in shared)
        read.append(_read(name, kept))
    return read


def _read(name: str, words: tuple[str, ...]) -> BoneName:
    if _VERTEBRA.search(re.split(r"[:|]", name)[-1]):
        return BoneName("", {"spine": 1.0}, frozenset(), words)
    sides = [_sides()[word] for word in words if word in _sides()]
    side = sides[0] if sides and len(set(sides)) == 1 else ""
    flags = {_flags()[word] for word in words if word in _flags()}
    parts = _parts(words, side)
    if "finger" in flags and not (parts.get("foot") or parts.get("knee")):
        return BoneName(side, {}, frozenset(flags), words)
    if flags & {"ik", "other", "end"}:
        parts = {}
    elif flags & {"twist", "helper", "control"}:
        kept = 0.35 if flags & {"helper"} else 0.5
        limb = "twist" in flags
        parts = {p: kept * v for p, v in parts.items() if not (limb and p in LIMB_PARTS)}
        if flags == {"twist"}:  # neck bones of some makers are called twist
            parts = {p: 1.6 * v for p, v in parts.items()}
    return BoneName(side, parts, frozenset(flags), words)


def _parts(words: tuple[str, ...], side: str) -> dict[str, float]:
    table, found = _vocabulary(), dict[str, float]()
    sizes = [table["sized"][word] for word in words if word in table["sized"]]
    for word in words:
        values = table["parts"].get(word)
        if word == "hip":
            values = {"hip": 0.4 if "joint" in words else 0.95} if side else {"pelvis": 1.0}
        for size in sizes:
            values = size.get(word, values)
        if word == "hips" and side:
            values = {"hip": 0.6}
        for part, value in (values or {}).items():
            found[part] = max(found.get(part, 0.0), value)
    if "foot" in found and found["foot"] == 1.0:
        found.pop("ankle", None)  # "FootToe"
    if side:
        found = {p: v for p, v in found.items() if p in LIMB_PARTS}
    return found
