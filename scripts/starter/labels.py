"""Labels of the starter data as the measurements use them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

STATIC = "static"
"""Extra answer of the content classifier: a held pose or a body that hardly moves.

It is no content of the data. Without it a frozen kicking pose would count as a kick.
"""

RARE_GROUPS: dict[str, tuple[str, ...]] = {
    "kick": ("kick-left", "kick-right"),
    "punch": ("punch-left", "punch-right"),
    "slash": ("slash-down", "slash-up-left", "slash-up-right"),
    "bow": ("bow",),
    "dance": ("dance",),
}
"""The contents that have a dozen recordings or fewer and are reported by themselves."""

MERGED: dict[str, str] = {"call-listen-left": "call-listen"}
"""Contents that the classifiers do not tell apart.

Calling and listening begins with the same shout for both sides, which is all that a short clip
shows; the side is in the second half only, and there is one recording of it.
"""


def merge(content: str) -> str:
    """The label that the content classifier uses for ``content``."""
    return MERGED.get(content, content)


def merged(contents: Iterable[str]) -> frozenset[str]:
    """:func:`merge` of several, without repeats."""
    return frozenset(merge(c) for c in contents)


def phrase_owners(captions: dict[str, Any]) -> dict[str, frozenset[str]]:
    """Every phrase of the grammar (all three forms) -> the contents that have it.

    "kick" belongs to ``kick-left`` and ``kick-right``: either is a right answer to it.
    """
    owners: dict[str, set[str]] = {}
    for content, entry in captions["contents"].items():
        for phrase in entry["phrases"]:
            for form in ("bare", "third", "ger"):
                owners.setdefault(phrase[form], set()).add(content)
    return {phrase: frozenset(names) for phrase, names in owners.items()}


def accepted(caption: str, content: str, captions: dict[str, Any]) -> frozenset[str]:
    """Merged labels that are right answers to a caption that was written for ``content``.

    The longest phrase of ``content`` inside the caption decides, so that a caption without a side
    ("throw punches") accepts both sides.
    """
    owners = phrase_owners({"contents": {content: captions["contents"][content]}})
    found: Sequence[str] = [p for p in owners if p in caption]
    if not found:
        return merged([content])
    return merged(phrase_owners(captions)[max(found, key=len)])
