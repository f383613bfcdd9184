"""Fields of a configuration that people set: a help beside each, so that options derive from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, field
from typing import Any


def option(
    default: Any = MISSING,
    help: str = "",
    *,
    flags: Sequence[str] = (),
    metavar: str | None = None,
    choices: Sequence[str] | None = None,
    positional: bool = False,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    also: Sequence[str] = (),
) -> Any:
    """A dataclass field that a command line offers (``cli.derived``); required without a default.

    Args:
        flags: instead of the field's own name with dashes.
        metavar: what stands for the value in the help.
        choices: the only values, where the type does not name them (``Literal``).
        positional: given by its place.
        low, high, above: smallest and largest value, and what it must be above.
        also: fields beside it that get the same value.
    """
    metadata = {
        "help": help,
        "flags": tuple(flags),
        "metavar": metavar,
        "choices": choices,
        "positional": positional,
        "low": low,
        "high": high,
        "above": above,
        "also": tuple(also),
    }
    return field(default=default, metadata=metadata)
