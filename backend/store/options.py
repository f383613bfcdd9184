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
) -> Any:
    """A dataclass field that a command line offers (``cli.derived``); required without a default.

    Args:
        flags: instead of the field's own name with dashes.
        metavar: what stands for the value in the help.
        choices: the only values, where the type does not name them (``Literal``).
        positional: given by its place.
    """
    metadata = {
        "help": help,
        "flags": tuple(flags),
        "metavar": metavar,
        "choices": choices,
        "positional": positional,
    }
    return field(default=default, metadata=metadata)
