"""Who acts in a clause and how, carried over to clauses that do not say it themselves."""

from __future__ import annotations

import re

PRONOUN = re.compile(r"^(?:he|she|they|it)\s+", re.IGNORECASE)
MODAL = re.compile(r"^(?:is|are)\s+", re.IGNORECASE)
LIKE = re.compile(r"\blike (?:an? |the )?[\w-]+(?: [\w-]+)?$", re.IGNORECASE)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


DETERMINERS = _words(
    """a an the this that one two three several some someone somebody another his her their
    my your our people"""
)
STANDALONE = _words("someone somebody people")
HEAD_NOUNS = _words(
    """person man woman boy girl kid child guy lady gentleman actor actress dancer figure character
    people men women teenager senior soldier thug punk giant ogre robot zombie grandmother
    grandfather grandma grandpa boss king queen model performer human individual adult baby
    student teacher player fighter boxer warrior knight worker pedestrian fellow youth youngster
    hero villain monster creature ninja samurai pirate princess prince toddler gangster delinquent
    singer star athlete runner walker subject mother father waiter waitress host hostess"""
)
PACE_ADVERBS = _words(
    """slowly quickly rapidly briskly suddenly swiftly hurriedly leisurely steadily immediately
    directly briefly repeatedly only finally slightly continuously really early family"""
)
MAX_SUBJECT_WORDS = 7


def has_subject(part: str) -> bool:
    """Whether a part says who acts, other than by a pronoun."""
    return part.split()[0].lower() in DETERMINERS


def subject_of(part: str) -> str:
    """The words before the verb ("an angry man who is tired"), or "" when there are none.

    >>> subject_of("an old man walks slowly")
    'an old man'
    """
    words = part.split()
    if words[0].lower() not in DETERMINERS:
        return ""
    end = _end_of_noun(words)
    if end == 0:
        return ""
    rest = words[end:]
    if len(rest) > 3 and rest[0].lower() == "who" and rest[1].lower() in ("is", "feels", "looks"):
        end += 3
    if end < len(words) - 1 and words[end].lower().endswith("ly"):
        end += 1
    return " ".join(words[:end])


def manner_of(part: str) -> str:
    """The last words that say how, apart from the pace and from what the subject says."""
    like = LIKE.search(part)
    if like is not None:
        return like.group(0)
    own = subject_of(part)
    words = part[len(own) :].split()
    adverbs = [w for w in words if w.lower().endswith("ly") and w.lower() not in PACE_ADVERBS]
    return adverbs[-1] if adverbs else ""


def _end_of_noun(words: list[str]) -> int:
    """How many words the leading noun phrase has."""
    lower = [w.lower().strip(",") for w in words[:MAX_SUBJECT_WORDS]]
    if lower[0] in STANDALONE:
        return 1
    for index, word in enumerate(lower[1:], start=1):
        if word in HEAD_NOUNS and (index + 1 == len(lower) or lower[index + 1] not in HEAD_NOUNS):
            return index + 1
    for index, word in enumerate(lower[2:], start=2):
        if word in ("is", "are") or (word.endswith("s") and not word.endswith(("ss", "us"))):
            return index
    return 0


def with_subject(piece: str, subject: str, manner: str) -> str:
    """A clause with the subject and manner of the one before it where it has none of its own.

    >>> with_subject("bows", "an old man", "sadly")
    'an old man bows sadly'
    """
    if not piece or not (subject or manner) or has_subject(piece):
        return piece
    predicate = PRONOUN.sub("", piece)
    if predicate == piece:
        predicate = MODAL.sub("is ", piece)
    joined = f"{subject} {predicate}" if subject else piece
    if manner and not manner_of(joined):
        joined = f"{joined} {manner}"
    return joined
