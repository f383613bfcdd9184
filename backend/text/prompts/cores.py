"""What a clause asks for, without who, how and how often: "an old man slowly waves" → "wave".

One and the same action reads alike in every sentence form, so that what the model of actions has
learnt of "ride a bicycle" holds for "a person is riding a bicycle with the right hand" too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .amounts import Amounts, amounts_of
from .heads import AUXILIARY, PARTICLES, PREPOSITIONS, head_of, joined, tokens, verb_of
from .lexicon import lexicon, word_set

ASKING = re.compile(
    r"^(?:please |kindly |now )*(?:i (?:want|would like|need) (?:to see |you to |him to |her to )?"
    r"|show (?:me )?|(?:can|could) you (?:please )?|let'?s (?:see )?|(?:make|have|let) (?:him|her"
    r"|it|them"
    r"|the character|the person|a person|someone) |(?:an? )?(?:animation|video|clip|motion|scene)"
    r"(?: of| where| in which)? |animate (?=(?:a|an|the|him|her|someone)\b))?(?:please )?",
)
_LIMB = r"(?:hand|arm|foot|leg|fist|one|forearm|elbow|knee|shoulder|thumb|finger)s?"
SIDE_TOOL = re.compile(
    r"\b(?:with|using|by) (?:only )?(?:the|his|her|their|your|a|my)? ?(?:outstretched )?(?:left"
    r"|right)"
    rf"(?: {_LIMB})?\b"
)
SIDE_LIMB = re.compile(
    rf"\b(?:left|right)(?:[ -]?(?:handed(?:ly)?|footed|hand(?= (?:punch|kick|jab|hook|throw"
    rf"|wave)))\s?"
    rf"|\s(?={_LIMB}\b|hook|jab|punch|kick|cross))|(?<!to )(?<!from )\bthe (?:left|right)$"
)
SIDED = re.compile(
    r",?\s*\b(?:left|right)[- ]?(?:handed|footed)\b|, (?:the )?(?:left|right) (?:hand|arm|foot"
    r"|leg|one)$"
)
HOLDS = word_set("who that then also just still and tired to , not in with of") | lexicon().adverbs
NO_SIDE = re.compile(
    r"\ball right\b|\bright (?:now|away|ahead|on|after|behind|before)\b|\bstraight(?= right)"
)
OWN = word_set("his her their your my its")
SELF = word_set("""himself herself themselves yourself itself oneself themself myself""")
MANNERS_KEPT = word_set(
    """stealthily quietly silently furtively dizzily expressively attentively belly family
    only ugly fly early bully butterfly jelly lily sideways"""
)
ALWAYS_LIGHT = frozenset(["do", "perform", "practise", "practice", "execute"])
BEGINNERS = word_set("""start begin continue keep try want need proceed pretend finish""")


@dataclass(frozen=True)
class Core:
    """The heart of a clause.

    Attributes:
        text: base forms, lower case, without subject, pace, counts and sides.
        verb: the verb it rests on, "" for a noun phrase.
        asked: the words of the prompt that ask for it, as typed.
        subject: the words before the verb, as typed.
        amounts: what was cut out.
    """

    text: str
    verb: str
    asked: str
    subject: str
    amounts: Amounts


def core_of(clause: str) -> Core:
    """The core of one clause.

    >>> core_of("an old man is slowly playing the violin").text
    'play the violin'
    >>> core_of("kicks twice with the left leg").text
    'kick'
    """
    plain = ASKING.sub("", clause.strip().lower(), count=1).strip() or clause.strip().lower()
    subject, predicate = _without_subject(tokens(plain))
    asked = joined(predicate)
    rest, amounts = amounts_of(NO_SIDE.sub(" ", asked))
    if subject and amounts.speed == 1.0:
        amounts = _of_subject(subject, amounts)
    words = _unsided(rest).split() or tokens(rest) or predicate
    words = _without_light([w for w in words if not _is_manner(w)] or words)
    if len(words) > 1 and words[0].lower() in lexicon().pronouns:
        words = words[1:]
    head = lexicon().verb(words[0]) if words else None
    text = " ".join(_neutral(_base_forms(words)))
    telling = [w.lower() for w in subject if w.lower() in lexicon().telling]
    text = re.sub(r"^(?:a|an|the|some) ", "", text)
    text = re.sub(r"(?: (?:and|with|at|,))+$", "", text).strip(" ,'\"")
    return Core(
        " ".join([*telling[-1:], text]).strip() or asked,
        head[0] if head is not None else "",
        asked or clause,
        joined(subject),
        amounts,
    )


def _without_subject(words: list[str]) -> tuple[list[str], list[str]]:
    """Who acts (with words before the verb that say how), and the rest."""
    head = head_of(words)
    if head is None or head.index == 0:
        return [], words
    lex = lexicon()
    before = [w.lower() for w in words[: head.index]]
    people = lex.generic | lex.pronouns | lex.determiners
    who = before[0] in lex.determiners | lex.pronouns or before[-1].removesuffix("s") in people
    who = who or before[-1] in lex.telling
    adverbs = all(w in lex.adverbs or w.endswith("ly") or w in AUXILIARY for w in before)
    if before[-1] in lex.pronouns and before[0] in PREPOSITIONS | PARTICLES:
        return [words[head.index - 1]], [*words[head.index :], *words[: head.index - 1]]
    if who or adverbs:
        kept = [w for w in words[: head.index] if w.lower().endswith("ly")]
        start = head.index
        while start > 1 and _belongs(words[start - 1], words[:start], people):
            start -= 1  # "a soldier pole dancing": the noun before -ing says what kind
        return words[:start], [*words[start:], *kept]
    return [], words


def _belongs(word: str, before: Sequence[str], people: frozenset[str]) -> bool:
    low = word.lower()
    someone = any(
        w.lower().removesuffix("s") in people - lexicon().determiners for w in before[:-1]
    )
    return someone and low not in people and not low.endswith("ly") and low not in AUXILIARY | HOLDS


def _of_subject(subject: Sequence[str], amounts: Amounts) -> Amounts:
    """Pace that stands before the verb ("she slowly waves") is read with the subject."""
    adverbs = " ".join(w.lower() for w in subject if w.lower().endswith("ly"))
    return replace(amounts, speed=amounts_of(adverbs)[1].speed) if adverbs else amounts


def _unsided(text: str) -> str:
    for pattern in (SIDE_TOOL, SIDED, SIDE_LIMB):
        text = pattern.sub(" ", text)
    return re.sub(r"\s+", " ", text).strip(" ,")


def _is_manner(word: str) -> bool:
    low = word.lower()
    return low.endswith("ly") and len(low) > 4 and low not in MANNERS_KEPT


def _without_light(words: list[str]) -> list[str]:
    """Without verbs that only introduce an action: "starts to do a kick" → "a kick"."""
    lex = lexicon()
    for _ in range(4):
        if len(words) < 2:
            break
        first, second = words[0].lower(), words[1].lower()
        verb = verb_of(first)
        following = verb_of(second)
        if first in AUXILIARY or first in lex.adverbs - {"still"} or first in ("to", "and", ","):
            adjective = first in AUXILIARY and (following is None or following[1] != "ing")
            if adjective and first not in ("to", "and", ","):
                words = ["be", *words[1:]]
                break
            words = words[1:]
        elif verb is not None and verb[0] in ALWAYS_LIGHT and second not in ("nothing", "it"):
            words = words[1:]
        elif (
            verb is not None and verb[0] in BEGINNERS and (second == "to" or following is not None)
        ):
            words = words[2:] if second == "to" and len(words) > 2 else words[1:]
        elif (
            verb is not None and verb[0] == "go" and following is not None and following[1] == "ing"
        ):
            words = words[1:]
        else:
            break
    return words


def _base_forms(words: Sequence[str]) -> list[str]:
    """Lower case; the first word and those after "and", "then" or a comma as base forms."""
    found = [w.lower() for w in words]
    for index, low in enumerate(found):
        opens = index == 0 or found[index - 1] in ("and", ",", "then", "while")
        verb = lexicon().verb(low) if opens else None
        if verb is not None and low not in AUXILIARY:
            found[index] = verb[0]
    return found


def _neutral(words: Sequence[str]) -> list[str]:
    return ["the" if w in OWN else "yourself" if w in SELF else w for w in words]
