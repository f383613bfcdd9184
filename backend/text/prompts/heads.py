"""Tokens of a prompt, and the verb that each stretch of them rests on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .lexicon import Form, lexicon, word_set

TOKEN = re.compile(
    r"\b(?:Mr|Mrs|Ms|Dr)\.|[^\W\d_]+(?:['’-][^\W\d_]+)*|\d+(?:[.,]\d+)?x?|[^\s\w]|_", re.IGNORECASE
)
AUXILIARY = word_set(
    """is are am was were be been being has have had will would can could shall should may
    might must 's 're"""
)
FEELS = word_set("is are was were feels looks seems appears be")
MANY = word_set("""two three four five six several many some people men women children""")
NO_GERUNDS = word_set(
    """something anything nothing everything thing string ring king wing spring ceiling
    building evening morning clothing railing during wedding painting bring sing sling
    swing"""
)
PARTICLES = word_set("""down forth right left fro round again over back up out off away on""")
PREPOSITIONS = word_set(
    """with of in on at to from into onto over under by for like toward towards around
    across through behind along against"""
)


@dataclass(frozen=True)
class Head:
    """The verb of a stretch: where it stands, its base form and the form it has."""

    index: int
    verb: str
    form: Form


def tokens(text: str) -> list[str]:
    """Words, numbers and punctuation marks, as typed.

    >>> tokens("Walks, then bows 2x.")
    ['Walks', ',', 'then', 'bows', '2x', '.']
    """
    return TOKEN.findall(text)


def joined(words: Sequence[str]) -> str:
    """Tokens as a text again."""
    return re.sub(r"\s+([.,;:!?])", r"\1", " ".join(words)).strip(" ,;:.!")


def verb_of(word: str) -> tuple[str, Form] | None:
    """Base form and form of a word that is a verb; unknown words in -ing count as verbs."""
    low = word.lower()
    found = lexicon().verb(low)
    if found is not None:
        return found
    if low.endswith("ing") and len(low) > 5 and low not in NO_GERUNDS:
        return low[:-3], "ing"
    return None


def skip_adverbs(words: Sequence[str], start: int) -> int:
    """The next index from ``start`` that is no adverb."""
    lex = lexicon()
    while start < len(words):
        low = words[start].lower()
        if low not in lex.adverbs and not (low.endswith("ly") and low not in lex.verbs):
            break
        start += 1
    return start


def head_of(words: Sequence[str]) -> Head | None:
    """The verb that a clause rests on, or None ("a quick bow", "on the spot")."""
    lex = lexicon()
    start = skip_adverbs(words, 0)
    if start >= len(words):
        return None
    low = words[start].lower()
    if low in lex.pronouns:
        return _after_subject(words, start + 1, plural=True)
    if low in lex.determiners:
        return _after_noun(words, start)
    found = verb_of(words[start])
    if found is not None and low not in AUXILIARY and not _is_noun_phrase(words, start):
        return Head(start, *found)
    return _later_verb(words, start)


def _after_subject(words: Sequence[str], start: int, *, plural: bool) -> Head | None:
    index = skip_adverbs(words, start)
    while index < len(words):
        low = words[index].lower()
        found = verb_of(low)
        if low in AUXILIARY or low in ("to", "not", "also", "both", "all") or low.endswith("ly"):
            after = skip_adverbs(words, index + 1)
            following = words[after].lower() if after < len(words) else ""
            if low in AUXILIARY and following and verb_of(following) is None:
                return Head(index, "be", "third")
            index += 1
            continue
        if found is not None and (plural or found[1] != "base"):
            return Head(index, *found)
        return _later_verb(words, index + 1)
    return None


def _after_noun(words: Sequence[str], start: int) -> Head | None:
    """The verb after a subject like "an old man who is tired"."""
    lex = lexicon()
    index = start + 1
    while index < len(words):
        low = words[index].lower()
        before = words[index - 1].lower()
        found = verb_of(low)
        if low == "who" and index + 1 < len(words):
            index += 3 if words[index + 1].lower() in FEELS else 1
            continue
        if low in AUXILIARY:
            return _after_subject(words, index, plural=True)
        person = _is_person(words[start:index])
        if found is not None and (person or low not in lex.not_third) and low != "back":
            form = found[1]
            many = before in MANY or words[start].lower() in MANY or before in ("who", "to")
            many = many or (before.endswith("s") and before in _plurals() and index > start + 1)
            if form == "third" and index > start + 1 and not _ends_noun(words, index):
                return Head(index, *found)
            if form in ("ing", "past") and index > start + 1 and person:
                return Head(index, *found)
            if form == "base" and many:
                return Head(index, *found)
        if low in PREPOSITIONS and not person:
            return None
        index += 1
    return None


def _ends_noun(words: Sequence[str], index: int) -> bool:
    """Whether a word in -s is rather the plural of a noun phrase of action ("three high kicks")."""
    return words[index].lower() in lexicon().nouns and not _is_person(words[:index])


def _is_person(words: Sequence[str]) -> bool:
    lex = lexicon()
    lows = [w.lower() for w in words]
    singular = [w[:-1] if w.endswith("s") else w for w in lows]
    people = lex.generic | lex.telling | lex.pronouns
    if any(w in people for w in lows) or any(w in people for w in singular):
        return True
    last = lows[-1]
    return len(lows) > 1 and (last.endswith(("er", "or", "ist", "ian", "man", "woman")))


def _plurals() -> frozenset[str]:
    lex = lexicon()
    return frozenset(f"{w}s" for w in lex.generic | lex.telling)


def _later_verb(words: Sequence[str], start: int) -> Head | None:
    """A finite or -ing form behind words that are no subject the lexicon knows ("grandpa gets")."""
    lex = lexicon()
    for index in range(start, min(start + 5, len(words))):
        low = words[index].lower()
        if low in PREPOSITIONS or low == ",":
            return None
        found = verb_of(low)
        if found is None or low in lex.not_third or low in AUXILIARY:
            continue
        if found[1] == "third" and low not in lex.nouns and index > 0:
            return Head(index, *found)
        if found[1] == "ing" and index > 0:
            return Head(index, *found)
    return None


def _is_noun_phrase(words: Sequence[str], start: int) -> bool:
    """ "high kick", "slow walk", "clean jump": a verb's form that here describes a noun."""
    lex = lexicon()
    low = words[start].lower()
    verb = lex.verb(low)
    if start + 1 >= len(words) or verb is None or verb[1] != "base":
        return False
    following = words[start + 1].lower()
    return low in ("slow", "clean", "double", "clear", "dry", "warm") and following in lex.nouns


def names_action(words: Sequence[str], start: int, reach: int = 4) -> bool:
    """Whether a noun of action comes before any preposition ("a high kick")."""
    for word in words[start : start + reach]:
        low = word.lower()
        if low in PREPOSITIONS or not (low[0].isalnum()):
            return False
        if low in lexicon().nouns:
            return True
    return False


def bare(words: Sequence[str]) -> list[str]:
    """Lower case, verbs of a third person or in -ing in their base form.

    >>> bare(["She", "sits", "waving"])
    ['she', 'sit', 'wave']
    """
    lex = lexicon()
    found = []
    for word in words:
        low = word.lower()
        verb = lex.verb(low)
        plain = verb is None or low in lex.not_third or verb[1] == "past" or low in AUXILIARY
        found.append(low if plain or verb is None else verb[0])
    return found
