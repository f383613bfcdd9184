"""How values of a message are checked, and how wrong ones are named."""

from __future__ import annotations

import math
from typing import Any

from ..errors import InvalidRequest

_SAYABLE = 1e18
_SHOWN_CHARS = 60


def check_number(
    name: str, value: Any, low: float, high: float, unit: str = "", *, integer: bool = False
) -> None:
    """:class:`InvalidRequest` unless a value is a number within bounds.

    Args:
        name: of what it is, unit: of it; for the message.
    """
    kinds = (int,) if integer else (int, float)
    digits = "d" if integer else "g"
    allowed = f"Choose a value from {low:{digits}} to {high:{digits}}{unit}."
    number = isinstance(value, kinds) and not isinstance(value, bool)
    # whole numbers may be too large for a float, which isfinite would make of them
    if not number or (isinstance(value, float) and not math.isfinite(value)):
        kind = "a whole number" if integer else "a number"
        raise InvalidRequest(f"The {name} must be {kind}, not {shown(value)}.", allowed)
    if not low <= value <= high:
        said = f"{value:{digits}}{unit}" if abs(value) < _SAYABLE else "far out of range"
        raise InvalidRequest(f"The {name} is {said}.", allowed)


def shown(value: object) -> str:
    """A wrong value for a message, at most a line of it."""
    try:
        text = repr(value)
    except ValueError:  # a whole number of thousands of digits
        return "that"
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
