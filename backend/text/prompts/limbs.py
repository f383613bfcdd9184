"""Limbs and sides that a clause names: which to move, which to keep still."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..sides import named_sides

_OWN = r"(?:the |his |her |their |your |its |both |any |a |all )*"
_MOVED = re.compile(
    rf"\b(?:mov|swing|us|rais|lift|wav|bend)\w* {_OWN}(?P<side>left |right )?"
    r"(?P<limb>arms?|hands?|legs?|feet|foot|head|knees?|elbows?)\b"
    r"|^(?:any |the )?(?P<limb2>arm|leg|hand) (?:movements?|swing\w*|motions?)"
)
_STILL = re.compile(
    rf"\b(?:keep|hold|leav|let)\w* {_OWN}(?P<side>left |right )?(?P<limb>arms?|hands?|legs?|feet"
    rf"|head)"
    r"(?: (?:still|straight|down|stiff|motionless|hanging|quiet|tight|close|glued|by|at|behind"
    r"|relaxed)\b)"
    rf"|\b(?:with )?{_OWN}(?P<side2>left |right )?(?P<limb2>arms?|hands?|legs?|head)"
    r" (?:hanging(?: still| down)?|held still|kept still|not moving|still|motionless"
    r"|(?:down )?(?:at|by) (?:the|his|her|their|your) sides?)\b"
    r"|\b(?:with )?(?:still|motionless|stiff|hanging) (?P<limb3>arms|hands|legs)\b"
)
_LEFT_VERB = re.compile(
    r"\b(?:he|she|they|it|who|has|have|had|just|person|man|woman) left (?=the |a |his |her |for "
    r"|home)"
)


def sides_of(text: str) -> tuple[bool, bool]:
    """Does a text name the left, the right; "he left the room" names none."""
    left, right = named_sides([_LEFT_VERB.sub(" ", text)])[0].tolist()
    return bool(left), bool(right)


def without_still(text: str) -> str:
    """A clause without what it says of limbs that are not to move.

    >>> without_still("walks with arms hanging still")
    'walks'
    """
    if _STILL.search(text.lower()) is None:
        return text
    rest = re.sub(r"\s+", " ", _STILL.sub(" ", text.lower())).strip(" ,")
    return rest.removesuffix(" and").removesuffix(" with").strip(" ,") or text


def still_limbs(text: str, denied: Iterable[str]) -> tuple[str, ...]:
    """Limbs that are not to move: arms, left_arm, right_arm, legs, head.

    Args:
        text: a clause. denied: what it says is not done ("swinging the arms").
    """
    found: dict[str, None] = {}
    for match in _STILL.finditer(text.lower()):
        limb = match["limb"] or match["limb2"] or match["limb3"]
        found[_name(limb, match["side"] or match["side2"] or "")] = None
    for one in denied:
        moved = _MOVED.search(one.lower())
        if moved is not None:
            found[_name(moved["limb"] or moved["limb2"], moved["side"] or "")] = None
    return tuple(found)


def _name(limb: str, side: str) -> str:
    if limb == "head":
        return "head"
    if limb.startswith(("leg", "foot", "feet", "knee")):
        return "legs"
    return f"{side.strip()}_arm" if side else "arms"
