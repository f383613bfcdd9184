"""Prompts that tell a sequence ("an old man walks slowly, then bows") split into single actions."""

from __future__ import annotations

import re

SEPARATOR = re.compile(
    r"(\s*;\s*(?:and\s+)?(?:then\s*,?\s*)?"
    r"|\s*,?\s+(?:and\s+)?(?:then|afterwards?|after\s+that)\b\s*,?\s*"
    r"|\s*(?<!\bMr)(?<!\bDr)(?<!\bMrs)(?<!\bMs)\.\s+"
    r"(?:(?:and\s+)?(?:then|afterwards?|after\s+that)\b\s*,?\s*)?)",
    re.IGNORECASE,
)
LEADING_THEN = re.compile(r"^(?:and\s+)?(?:then|first|finally)\b\s*,?\s*", re.IGNORECASE)
TURN = re.compile(
    r"^(?:\w+ ){0,2}(?:turn|veer|swerve|curve|bend|hang|take|go|head|round)(?:s|es|ing)?\b"
    r".*\b(?:left|right|corner|around)\b"
    r"|^(?:\w+ ){0,2}turn(?:s|ing)?\b(?!,? (?:and|into|to)\b)"
    r"|^(?:\w+ ){0,2}chang(?:e|es|ing) direction\b",
    re.IGNORECASE,
)
"""A change of direction: part of the path of the walk before it, not an action of its own."""
CALL = re.compile(
    r"\b(?:call|shout|yell|cry|cries|holler|scream)\w*\b|\b(?:hand|palm)s? (?:at|to|around) "
    r"\w+ mouth\b",
    re.IGNORECASE,
)
LISTEN = re.compile(r"\b(?:listen\w*|ears?)\b", re.IGNORECASE)
"""Listening for the answer belongs to the call before it."""
LIFT = re.compile(r"\b(?:rais|lift|bring|put|throw|hold|reach|stretch|thrust)\w*\b", re.IGNORECASE)
LOWER = re.compile(
    r"^(?:\w+ )?(?:back down\b|down\b|(?:put|bring|let|take|set)\w* (?:it|them)\b.*\bdown\b"
    r"|lower(?:s|ed|ing)?\b)",
    re.IGNORECASE,
)
"""Taking an arm down again ends the move that raised it."""
TRAVEL = re.compile(
    r"\b(?:walk|run|jog|go|head|march|strid|step|mov|proceed|pac|hik|wander|amble|stroll"
    r"|sprint|dash|rush)\w*\b",
    re.IGNORECASE,
)
CONTINUATIONS = ((TRAVEL, TURN), (CALL, LISTEN), (LIFT, LOWER))
"""What begins an action, and what goes on with it after "then"."""
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


def split_prompt(prompt: str) -> list[str]:
    """The single actions of a prompt, in order; one entry when it tells only one.

    A later part without a subject of its own takes the subject of the part before it, and its
    manner ("sadly", "like a robot") unless it names another; "he", "she" and "they" stand for that
    subject. Pace words ("slowly") belong to their own part.

    >>> split_prompt("an old man walks slowly, then bows")
    ['an old man walks slowly', 'an old man bows']
    """
    pieces = _pieces(prompt.strip())
    if len(pieces) < 2:
        return [prompt.strip()]
    parts = [pieces[0]]
    subject, manner = subject_of(pieces[0]), manner_of(pieces[0])
    for piece in pieces[1:]:
        if not has_subject(piece):
            piece = _inherit(piece, subject, manner)
        parts.append(piece)
        subject = subject_of(piece) or subject
        manner = manner_of(piece) or manner
    return parts


def _pieces(prompt: str) -> list[str]:
    """The prompt cut at its separators, except within one action of :data:`CONTINUATIONS`."""
    texts = SEPARATOR.split(prompt)
    pieces: list[str] = []
    for separator, text in zip(["", *texts[1::2]], texts[0::2], strict=True):
        piece = LEADING_THEN.sub("", text).strip(" ,;.")
        if pieces and _goes_on(pieces[-1], piece):
            pieces[-1] += f"{separator}{piece}"
        elif piece:
            pieces.append(piece)
    return pieces


def _goes_on(before: str, piece: str) -> bool:
    """Whether ``piece`` belongs to the action of the piece before it."""
    return any(
        first.search(before) is not None and second.search(piece) is not None
        for first, second in CONTINUATIONS
    )


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


def _inherit(piece: str, subject: str, manner: str) -> str:
    predicate = PRONOUN.sub("", piece)
    if predicate == piece:
        predicate = MODAL.sub("is ", piece)
    joined = f"{subject} {predicate}" if subject else piece
    if manner and not manner_of(joined):
        joined = f"{joined} {manner}"
    return joined
