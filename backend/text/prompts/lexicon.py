"""The words that reading a prompt rests on: verbs with their forms, subjects, connecting words."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

LEXICON = Path(__file__).with_name("lexicon.json")
VOWELS = "aeiou"
Form = Literal["base", "third", "ing", "past"]


def word_set(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


@dataclass(frozen=True)
class Lexicon:
    """Word lists in lower case.

    Attributes:
        verbs: base forms. forms: any form to ``(base form, form)``.
        not_third: words that look like a third person and mostly are plural nouns.
        nouns: nouns that name an action ("a kick").
        travel, posture, gesture: base forms that may happen together (a gesture on a walk).
        light: verbs that only introduce another ("do a kick", "start walking").
        determiners, pronouns: how a subject begins.
        generic: nouns of people who may do anything. telling: those whose name says what they do.
    adverbs: words that may stand before a verb.
    plain: every other word of the lists, for the speller.
    one_action: pairs of patterns, on clauses with base forms: what begins an action, and what
        goes on with it after "and" or "then" ("bend down", "pick it up").
    """

    verbs: frozenset[str]
    forms: dict[str, tuple[str, Form]]
    not_third: frozenset[str]
    nouns: frozenset[str]
    travel: frozenset[str]
    posture: frozenset[str]
    gesture: frozenset[str]
    light: frozenset[str]
    determiners: frozenset[str]
    pronouns: frozenset[str]
    generic: frozenset[str]
    telling: frozenset[str]
    adverbs: frozenset[str]
    plain: frozenset[str]
    one_action: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...]

    def verb(self, word: str) -> tuple[str, Form] | None:
        """Base form and form of a verb, or None."""
        return self.forms.get(word.lower())


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """The one lexicon, read on first use."""
    data = json.loads(LEXICON.read_text(encoding="utf-8"))
    words = {
        key: frozenset(word for line in lines for word in line.split())
        for key, lines in data.items()
        if key not in ("irregular", "one_action")
    }
    return Lexicon(
        verbs=words["verbs"],
        forms=_all_forms(words["verbs"], data["irregular"]),
        not_third=words["not_third"],
        nouns=words["nouns_of_action"],
        travel=words["travel"],
        posture=words["posture"],
        gesture=words["gesture"],
        light=words["light"],
        determiners=words["determiners"],
        pronouns=words["pronouns"],
        generic=words["generic_subjects"],
        telling=words["telling_subjects"],
        adverbs=words["adverbs"],
        plain=frozenset().union(*(words[k] for k in words if k != "verbs")),
        one_action=tuple((re.compile(a), re.compile(b)) for a, b in data["one_action"]),
    )


def _all_forms(verbs: frozenset[str], irregular: dict[str, str]) -> dict[str, tuple[str, Form]]:
    forms: dict[str, tuple[str, Form]] = {}
    for verb in sorted(verbs):
        for word in irregular.get(verb, "").split():
            forms.setdefault(word, (verb, "ing" if word.endswith("ing") else "past"))
        for word in (ing(verb), verb + "ing"):
            forms.setdefault(word, (verb, "ing"))
        for word in (past(verb),):
            forms.setdefault(word, (verb, "past"))
        forms.setdefault(third(verb), (verb, "third"))
    for word in ("is", "are", "am", "was", "were"):
        forms[word] = ("be", "third")
    forms["does"], forms["goes"], forms["has"] = (
        ("do", "third"),
        ("go", "third"),
        ("have", "third"),
    )
    for verb in verbs:  # "put" is a base form first, a past second
        forms[verb] = (verb, "base")
    return forms


def third(verb: str) -> str:
    """Third person: walk → walks, wash → washes, carry → carries."""
    if verb.endswith(("s", "x", "z", "ch", "sh")) or verb in ("go", "do"):
        return verb + "es"
    if verb.endswith("y") and verb[-2:-1] not in VOWELS:
        return verb[:-1] + "ies"
    return verb + "s"


def ing(verb: str) -> str:
    """Gerund: walk → walking, wave → waving, sit → sitting, lie → lying."""
    if verb.endswith("ie"):
        return verb[:-2] + "ying"
    if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")) and verb != "be":
        return verb[:-1] + "ing"
    return (verb + verb[-1] if _doubles(verb) else verb) + "ing"


def past(verb: str) -> str:
    """Regular past: walk → walked, wave → waved, nod → nodded, carry → carried."""
    if verb.endswith("e"):
        return verb + "d"
    if verb.endswith("y") and verb[-2:-1] not in VOWELS:
        return verb[:-1] + "ied"
    return (verb + verb[-1] if _doubles(verb) else verb) + "ed"


def _doubles(verb: str) -> bool:
    """One short vowel before one consonant at the end of a one-syllable word."""
    if len(verb) < 3 or verb[-1] in VOWELS + "wxy" or verb[-2] not in VOWELS:
        return False
    sound = verb.replace("qu", "kw")
    if sound[-3] in VOWELS:
        return False
    starts = (c in VOWELS and (i == 0 or sound[i - 1] not in VOWELS) for i, c in enumerate(sound))
    return sum(starts) == 1
