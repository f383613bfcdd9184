"""Words that join clauses, and patterns of what belongs together although it is joined."""

from __future__ import annotations

import re
from typing import Literal

from .lexicon import word_set

Link = Literal["then", "with"]
Kind = Literal["soft", "then", "after", "before", "with", "not", "main"]
RANK: tuple[Kind, ...] = ("soft", "main", "then", "with", "after", "before", "not")

CONNECTORS: tuple[tuple[tuple[str, ...], Kind], ...] = (
    (("as", "soon", "as"), "after"),
    (("at", "the", "same", "time", "as"), "with"),
    (("at", "the", "same", "time"), "with"),
    (("after", "that"), "then"),
    (("after", "which"), "then"),
    (("before", "that"), "before"),
    (("in", "the", "end"), "then"),
    (("at", "the", "end"), "then"),
    (("later", "on"), "then"),
    (("followed", "by"), "then"),
    (("instead", "of"), "not"),
    (("rather", "than"), "not"),
    (("refuses", "to"), "not"),
    (("refuse", "to"), "not"),
    (("refrains", "from"), "not"),
    (("avoids",), "not"),
    (("avoiding",), "not"),
    (("does", "not"), "not"),
    (("do", "not"), "not"),
    (("did", "not"), "not"),
    (("is", "not"), "not"),
    (("are", "not"), "not"),
    (("but", "then"), "then"),
    (("but", "first"), "then"),
    (("then",), "then"),
    (("afterwards",), "then"),
    (("afterward",), "then"),
    (("subsequently",), "then"),
    (("later",), "then"),
    (("next",), "then"),
    (("until",), "then"),
    (("finally",), "then"),
    (("eventually",), "then"),
    (("lastly",), "then"),
    (("before",), "before"),
    (("after",), "after"),
    (("once",), "after"),
    (("when",), "after"),
    (("while",), "with"),
    (("whilst",), "with"),
    (("meanwhile",), "with"),
    (("simultaneously",), "with"),
    (("as",), "with"),
    (("without",), "not"),
    (("not",), "not"),
    (("never",), "not"),
    (("don't",), "not"),
    (("dont",), "not"),
    (("doesn't",), "not"),
    (("doesnt",), "not"),
    (("isn't",), "not"),
    (("isnt",), "not"),
    (("aren't",), "not"),
    (("neither",), "not"),
    (("nor",), "not"),
    (("no",), "not"),
    (("nobody",), "not"),
    (("and",), "soft"),
    (("but",), "soft"),
    (("plus",), "soft"),
    ((",",), "soft"),
    (("&",), "soft"),
    (("+",), "soft"),
    ((";",), "then"),
    ((".",), "then"),
    (("!",), "then"),
    (("?",), "then"),
    ((":",), "soft"),
)
DIRECTIONS = word_set(
    """left right forward forwards backward backwards sideways back up down ahead slowly
    quickly"""
)
ALWAYS = frozenset(";.!?")
LAST = frozenset(["finally", "eventually", "lastly"])
COMMA_GOES_ON = re.compile(r"(?:bend|stoop|lean|reach|trip|slip|strike|step|lose)\b")
"""What begins an action that goes on after a mere comma."""
JOINABLE = frozenset({"soft", "then", "with", "after"})
GROUND = re.compile(
    r"(?:walk|move|stand|sit|run|dance|twist|go|jump|sprint|jog)(?: (?:up high|forward|along|up))?$"
)
ON_THE_WAY = re.compile(r"(?:dribble|bounce (?:a|the) (?:basket)?ball|twist|breathe|stand)\b")
"""What "while ..." makes one action of with the walk that it goes with."""
"""What "while ..." only adds to an action as its ground ("makes a turn while running")."""
ELABORATES = re.compile(
    r"(?:step back and forth|breathe|roll the body|change direction|try|keep|hold)\b"
)
"""What a comma may add to any action."""
FIRST = frozenset({"first", "firstly"})
ORDINALS = FIRST | LAST | word_set("second secondly third thirdly fourth then afterwards")
