"""A prompt cut into clauses, one for each thing that is asked for, in the order of time.

Words that join ("and then", "while", "before", "without") are cut out; what is left of the prompt
stays as it was typed. "and" and a comma only cut where a new action begins: "walks and waves", but
not "hands and knees" or "bends down and picks it up" (:attr:`Lexicon.one_action`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from .connectors import (
    ALWAYS,
    COMMA_GOES_ON,
    CONNECTORS,
    DIRECTIONS,
    ELABORATES,
    FIRST,
    GROUND,
    JOINABLE,
    LAST,
    ON_THE_WAY,
    ORDINALS,
    RANK,
    Kind,
    Link,
)
from .heads import (
    AUXILIARY,
    PARTICLES,
    PREPOSITIONS,
    Head,
    bare,
    head_of,
    joined,
    names_action,
    skip_adverbs,
    tokens,
    verb_of,
)
from .lexicon import lexicon


@dataclass(frozen=True)
class Clause:
    """One thing that is asked for.

    Attributes:
        words: as typed, without the words that join.
        link: does it come after the clause before it, or happen with it.
        denied: what the prompt says is not done, each as words.
        rank: -1 for "first", 1 for "finally", else 0.
    """

    words: tuple[str, ...]
    link: Link = "then"
    denied: tuple[tuple[str, ...], ...] = ()
    rank: int = 0

    @property
    def text(self) -> str:
        """The clause as a text."""
        return joined(self.words)


@dataclass
class _Piece:
    kind: Kind
    words: list[str] = field(default_factory=list)
    leads: bool = False
    rank: int = 0
    glue: list[str] = field(default_factory=list)

    @property
    def head(self) -> Head | None:
        return head_of(self.words)

    @property
    def acts(self) -> bool:
        return self.head is not None or names_action(self.words, 0, 6)


def clauses(prompt: str) -> list[Clause]:
    """The clauses of a prompt in the order of time; one when it tells one action.

    >>> [c.text for c in clauses("before sitting down she waves")]
    ['she waves', 'sitting down']
    >>> [(c.text, c.link) for c in clauses("walks and waves")]
    [('walks', 'then'), ('waves', 'with')]
    """
    ordered = _in_order(_merged(_pieces(tokens(prompt))))
    return ordered or [Clause(tuple(tokens(prompt)))]


# ---------------------------------------------------------------------------- cutting


def _pieces(words: list[str]) -> list[_Piece]:
    pieces = [_Piece("main")]
    index = 0
    while index < len(words):
        current = pieces[-1]
        stop, kind = _connectors(words, index)
        rank = _rank(words[index:stop])
        if kind is None:
            if current.leads and _new_subject(words, index) and current.acts:
                pieces.append(_Piece("main"))
            current = pieces[-1]
            current.words.append(words[index])
            index += 1
            continue
        taken = _kind_here(words, index, stop, kind, pieces)
        if taken is None:
            current.words.extend(words[index:stop])
        else:
            leads = (not current.words and len(pieces) == 1) or (
                current.leads and not current.words
            )
            if current.words or taken != "soft":
                pieces.append(_Piece(taken, leads=leads or taken == "not", rank=rank))
                pieces[-1].glue = list(words[index:stop])
            elif rank:
                current.rank = rank
        index = stop
    return [p for p in pieces if any(w[0].isalnum() for w in p.words)]


def _connectors(words: Sequence[str], start: int) -> tuple[int, Kind | None]:
    """Where the run of joining words at ``start`` ends, and the strongest kind among them."""
    index, kind = start, None
    while index < len(words):
        for phrase, its in CONNECTORS:
            if tuple(w.lower() for w in words[index : index + len(phrase)]) == phrase:
                kind = its if kind is None or RANK.index(its) > RANK.index(kind) else kind
                index += len(phrase)
                break
        else:
            is_order = words[index].lower() in ORDINALS and (index == 0 or kind is not None)
            if not is_order or index + 1 >= len(words):
                break
            follows = words[index + 1] == "," or _begins(words, index + 1)
            if kind is None and not follows:
                break
            kind = kind or "soft"
            index += 1
    return index, kind


def _rank(words: Sequence[str]) -> int:
    lows = {w.lower() for w in words}
    return -1 if lows & FIRST else 1 if lows & LAST else 0


def _kind_here(
    words: Sequence[str], index: int, stop: int, kind: Kind, pieces: list[_Piece]
) -> Kind | None:
    """What the joining words do at this place; None when they only belong to the phrase."""
    current = pieces[-1]
    first = words[index].lower()
    if stop >= len(words):
        return None if kind in ("not", "after", "before") else "soft"
    if kind == "not":
        return _denial(words, index, stop, current)
    if any(w in ALWAYS for w in words[index:stop]):
        return kind
    if kind == "soft":
        if current.kind == "not":
            return "soft"
        if current.leads and first == "," and current.acts:
            return "main"
        return "soft" if _goes_on(words, stop, current) else None
    if kind == "after" and first in ("once", "when") and not _begins(words, stop, clause=True):
        return None
    if kind == "with" and first == "as" and words[stop].lower() not in lexicon().pronouns:
        return None
    if first == "next" and words[stop].lower() == "to":
        return None
    if not current.words and kind == "then":
        return "soft"
    if kind in ("after", "before", "with") and not _begins(words, stop):
        return None
    return kind


def _denial(words: Sequence[str], index: int, stop: int, current: _Piece) -> Kind | None:
    """Whether "no", "not" and the like deny an action here."""
    first, following = words[stop - 1].lower(), words[stop].lower()
    found = verb_of(following)
    if first == "not" and following in ("to", "the", "left", "right", "with", "in", "exactly"):
        return None
    if first == "no" and not (found is not None and found[1] == "ing"):
        return None
    if first == "nobody" and current.words:
        return None
    if first == "without" and found is None and following not in ("any", "the", "arm", "leg"):
        return None
    if following == "stop" or following.startswith("stopp"):
        return None
    return "not"


def _goes_on(words: Sequence[str], start: int, current: _Piece) -> bool:
    """Whether a new action begins after "and" or a comma, in a form that fits the one before."""
    index = skip_adverbs(words, start)
    if index >= len(words) or (words[index].lower() in PARTICLES):
        return False
    lex, low = lexicon(), words[index].lower()
    head = current.head
    if low in lex.determiners or low[0].isdigit():
        return _begins(words, index, clause=head is not None and head.form != "ing")
    strange = head is None and 0 < len(current.words) <= 2
    strange = strange and current.words[0].lower().endswith("s")
    if head is None and not current.acts and not strange:
        return False
    found = verb_of(low)
    if low in AUXILIARY:
        return index + 1 < len(words) and verb_of(words[index + 1]) is not None
    before = head.form if head is not None else "third" if strange else None
    if found is None:
        guess = before == "third" and low.endswith("s") and not low.endswith(("ss", "us"))
        guess = guess and low not in lex.not_third and _ends_clause(words, index + 1)
        guess = guess or (before == "third" and _compound(words, index))
        return guess or (before in (None, "ing") and names_action(words, index, 3))
    form = found[1]
    if form == "third" and low in lex.not_third and _in_phrase(current):
        return False
    if form == "third" and low in lex.not_third and before != "third":
        return names_action(words, index, 2) and before in (None, "ing")
    if form == "ing":
        return True
    if form == "base":
        infinitive = "to" in (w.lower() for w in current.words)
        plural = before == "third" and current.words[0].lower() == "to"
        fits = before in ("base", None) or infinitive or plural
        return fits or (before == "ing" and names_action(words, index, 2))
    return form == before or (form == "past" and before in ("past", "base"))


def _compound(words: Sequence[str], index: int) -> bool:
    """ "golf swings", "tightrope walks": a noun that says what kind of action the verb is."""
    lex = lexicon()
    following = words[index + 1].lower() if index + 1 < len(words) else ""
    verb = lex.verb(following)
    plain = words[index].lower() not in lex.determiners | PREPOSITIONS | PARTICLES
    return plain and verb is not None and verb[1] == "third" and following not in AUXILIARY


def _in_phrase(current: _Piece) -> bool:
    """Whether a clause ends in a phrase like "with turns", to which "and jumps" belongs."""
    lows = [w.lower() for w in current.words]
    opened = any(w in PREPOSITIONS for w in lows[-4:-1])
    return opened and lows[-1] in lexicon().not_third | lexicon().nouns


def _ends_clause(words: Sequence[str], index: int) -> bool:
    return index >= len(words) or words[index].lower() in (",", "and", ".", "then", ";")


def _begins(words: Sequence[str], start: int, *, clause: bool = False) -> bool:
    """Whether an action begins at ``start``; with ``clause`` only one that has its own subject."""
    index = skip_adverbs(words, start)
    if index >= len(words):
        return False
    lex, low = lexicon(), words[index].lower()
    if low in lex.determiners:
        rest = words[index : index + 8]
        head = head_of(rest)
        if head is not None and not any(w in (",", ".", ";") for w in rest[: head.index]):
            return True
        return not clause and names_action(words, index + 1)
    if clause:
        return low == "having"
    if low[0].isdigit():
        return names_action(words, index + 1) or (
            index + 1 < len(words) and verb_of(words[index + 1]) is not None
        )
    return verb_of(low) is not None or names_action(words, index, 3)


def _new_subject(words: Sequence[str], index: int) -> bool:
    """A subject with a finite verb begins here ("before sitting down | she waves")."""
    lex, low = lexicon(), words[index].lower()
    if low not in lex.pronouns and low not in ("a", "an", "the"):
        return False
    head = head_of(words[index : index + 6])
    return head is not None and head.form in ("third", "past", "base") and head.verb != "be"


# ---------------------------------------------------------------------------- joining


def _merged(pieces: list[_Piece]) -> list[_Piece]:
    """Pieces that go on with the action before them are one action with it."""
    merged: list[_Piece] = []
    for piece, following in zip(pieces, [*pieces[1:], None], strict=False):
        last = merged[-1] if merged else None
        if last is not None and not last.acts and last.kind == "main" and piece.kind == "soft":
            last.words += piece.words
        elif (
            last is not None
            and piece.kind in JOINABLE
            and _one_action(last, piece)
            and not (piece.kind == "then" and _begins_another(piece, following))
        ):
            last.words += [*piece.glue, *piece.words]
        else:
            merged.append(piece)
    return merged


def _one_action(first: _Piece, second: _Piece) -> bool:
    if first.kind == "not" or any(w in ALWAYS for w in second.glue):
        return False
    a, b = (_predicate(p) for p in (first, second))
    if second.glue == [","] and not COMMA_GOES_ON.match(a) and not ELABORATES.match(b):
        return False
    if second.kind == "with" and ON_THE_WAY.match(b):
        return True
    if second.kind == "with":
        head = first.head
        gesture = head is not None and head.verb in lexicon().gesture
        return not first.leads and bool(GROUND.match(b)) and not gesture
    return any(x.search(a) and y.search(b) for x, y in lexicon().one_action)


def _begins_another(piece: _Piece, following: _Piece | None) -> bool:
    """ "runs, then turns and kicks": the turn belongs to the kick, not to the run."""
    return following is not None and following.kind == "soft" and _one_action(piece, following)


def _predicate(piece: _Piece) -> str:
    head = piece.head
    start = head.index if head is not None else skip_adverbs(piece.words, 0)
    words = bare(piece.words[start:])
    if head is not None:
        words[0] = head.verb
    words = ["the" if w in ("his", "her", "their", "your", "my") else w for w in words]
    adverb = [w for w in words if not (w.endswith("ly") and len(w) > 4)]
    return " ".join(w for w in (adverb or words) if w[0].isalnum())


# ---------------------------------------------------------------------------- ordering


def _in_order(pieces: list[_Piece]) -> list[Clause]:
    ordered: list[Clause] = []
    waiting: list[Clause] = []  # said first, done last ("before sitting down, ...")
    denied: list[tuple[str, ...]] = []
    group = 0  # where the clauses of the last main clause begin
    subject: list[str] = []
    for number, piece in enumerate(pieces):
        if piece.kind == "not":
            denied.append(tuple(piece.words))
            if ordered:
                ordered[-1] = replace(ordered[-1], denied=(*ordered[-1].denied, denied.pop()))
            continue
        if not piece.acts and piece.kind == "main" and number + 1 < len(pieces):
            subject = piece.words
            continue
        if piece.words[0].lower() in lexicon().pronouns:
            subject = []
        if not piece.acts and ordered and _only_differs(piece.words):
            piece.words = [*_beginning(ordered[-1]), *piece.words]
        clause = Clause((*subject, *piece.words), "then", tuple(denied), piece.rank)
        subject, denied = [], []
        if piece.kind == "before" and piece.leads and not ordered:
            waiting.append(clause)
        elif piece.kind == "after" and not piece.leads:
            ordered.insert(group, clause)
            group = len(ordered)
        elif (piece.kind == "with" and ordered and not piece.leads) or (
            ordered and number and pieces[number - 1].kind == "with" and pieces[number - 1].leads
        ):
            ordered.append(replace(clause, link="with"))
        else:
            together = (
                piece.kind == "soft"
                and bool(ordered)
                and goes_with(ordered[-1], clause, listed=piece.glue == [","])
            )
            group = group if together else len(ordered)
            ordered.append(replace(clause, link="with" if together else "then"))
    if subject:
        ordered.append(Clause(tuple(subject), "then", tuple(denied)))
    ordered += waiting
    if any(c.rank < 0 for c in ordered) and ordered[0].rank > 0:
        ordered.sort(key=lambda c: c.rank)
    if ordered and ordered[0].link == "with":
        ordered[0] = replace(ordered[0], link="then")
    return ordered


def _only_differs(words: Sequence[str]) -> bool:
    """A piece like "then the left hand" or "then backward", which leaves the verb out."""
    lows = [w.lower() for w in words]
    return len(lows) <= 5 and bool(set(lows) & DIRECTIONS or lows[0] in PREPOSITIONS | PARTICLES)


def _beginning(clause: Clause) -> tuple[str, ...]:
    head = head_of(clause.words)
    return clause.words[: head.index + 1] if head is not None else ()


def goes_with(first: Clause, second: Clause, *, listed: bool = False) -> bool:
    """Whether "and" between two actions means at the same time: a gesture on a walk or a stance.

    ``listed``: there is only a comma between them, as in "nod, laugh, clap".
    """
    lex = lexicon()
    a, b = head_of(first.words), head_of(second.words)
    if a is None or b is None or b.verb not in lex.gesture:
        return False
    participle = b.form == "ing" and a.form != "ing"
    moved = {w.lower() for w in first.words[a.index : a.index + 3]} & {"down", "up", "over"}
    if a.verb in lex.posture and moved and not participle:
        return False
    if a.verb in lex.gesture and listed:
        return participle
    return a.verb in lex.travel | lex.posture | lex.gesture or participle
