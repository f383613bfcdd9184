"""The phrase bank: ways to ask for each action, and things that no label covers."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import FormatError
from ...text.prompts.cores import core_of
from ...text.prompts.lexicon import ing, lexicon, third

PHRASES = Path(__file__).with_name("phrases.json")
OTHERS = Path(__file__).with_name("others.json")
INNERMOST = re.compile(r"\(([^()]*)\)")
MOST = 64
"""A pattern of many alternatives does not count for more than this."""
NOUN, STATE = "n:", "s:"
SUBJECTS = (
    "a person",
    "someone",
    "a man",
    "a woman",
    "the person",
    "he",
    "she",
    "the character",
    "a figure",
)


@dataclass(frozen=True)
class Phrase:
    """One wording of the bank.

    Attributes:
        text: an imperative ("sit down"), a noun phrase ("a bow") or a description.
        kind: "verb", "noun" or "state".
    """

    text: str
    kind: str


def expand(pattern: str) -> list[str]:
    """Every wording of a pattern with alternatives.

    >>> expand("(sit|get) down (again|)")
    ['sit down again', 'sit down', 'get down again', 'get down']
    """
    match = INNERMOST.search(pattern)
    if match is None:
        return [re.sub(r"\s+", " ", pattern).replace(" ,", ",").strip()]
    before, after = pattern[: match.start()], pattern[match.end() :]
    return [text for one in match[1].split("|") for text in expand(before + one + after)]


def phrases_of(patterns: Iterable[str]) -> list[Phrase]:
    """The different wordings of several patterns, in order, of each at most :data:`MOST`."""
    found: dict[str, Phrase] = {}
    for pattern in patterns:
        kind = "noun" if pattern.startswith(NOUN) else "state" if pattern.startswith(STATE) else ""
        texts = expand(pattern[2:] if kind else pattern)
        if len(texts) > MOST:  # the same ones every time
            rng = np.random.default_rng(zlib.crc32(pattern.encode()))
            texts = [texts[i] for i in sorted(rng.permutation(len(texts))[:MOST])]
        for text in texts:
            found.setdefault(text, Phrase(text, kind or "verb"))
    return list(found.values())


def read_bank(path: Path, key: str) -> dict[str, list[Phrase]]:
    """A bank file: name (label, or field of the others) to its wordings.

    Raises:
        FormatError: it is no JSON, or lacks ``key``.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))[key]
        return {str(name): phrases_of(patterns) for name, patterns in data.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(
            f"{path} cannot be read as a phrase bank: {error}",
            f"Give a UTF-8 JSON file with an object '{key}' of lists of patterns.",
        ) from error


def sentences(phrase: Phrase, rng: np.random.Generator) -> str:
    """A phrase as people type it: bare, in -ing, or with a subject."""
    if phrase.kind != "verb":
        return phrase.text
    words = phrase.text.split()
    if lexicon().verb(words[0]) is None:
        return phrase.text
    form = int(rng.integers(4))
    if form == 0:
        return phrase.text
    bend = {1: ing, 2: third, 3: ing}[form]
    words = [
        bend(w) if i == 0 or (words[i - 1] == "and" and w in lexicon().verbs) else w
        for i, w in enumerate(words)
    ]
    if form == 1:
        return " ".join(words)
    subject = SUBJECTS[int(rng.integers(len(SUBJECTS)))]
    return " ".join([subject, *(["is"] if form == 3 else []), *words])


def training_captions(
    bank: Mapping[str, Sequence[Phrase]], per_label: int, rng: np.random.Generator
) -> dict[str, list[str]]:
    """Sentences for training a motion model: label to ``per_label`` different ones at most."""
    found = {}
    for label, phrases in bank.items():
        order = rng.permutation(len(phrases))[:per_label]
        found[label] = list(dict.fromkeys(sentences(phrases[i], rng) for i in order))
    return found


def cores(phrases: Iterable[Phrase]) -> list[str]:
    """The different cores (:func:`backend.text.prompts.cores.core_of`) of wordings, in order."""
    return list(dict.fromkeys(core_of(phrase.text).text for phrase in phrases))
