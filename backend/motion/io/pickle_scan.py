"""How much memory a pickle asks for, known before it is loaded.

Loading reserves what an opcode names: a length of text or bytes, or a place in the memo, whether or
not the file goes on that far. Nothing is loaded or imported here; opcodes are only read.
"""

from __future__ import annotations

import pickletools
from pathlib import Path
from typing import Any

from ...errors import FormatError

MAX_BYTES = 2**31
"""Largest pickle that is read; the body models are below 1 GB."""

_PER_BYTE, _FREE = 8, 2**26
"""What may be made of a file: a multiple of its size (a digit can become a float64), and 64 MB
more (a sparse joint regressor is 5 MB when dense)."""

_DEEPEST = 64
"""Dimensions of an array of NumPy."""

_HINT = "It is damaged, or made to fill the memory; get the file from its official site."


class TooMuch(FormatError):
    """A file asks for more memory than its size explains."""


class Budget:
    """Bytes that may still be made of a file of ``size`` bytes."""

    def __init__(self, size: int) -> None:
        self.left = _PER_BYTE * size + _FREE

    def spend(self, count: int) -> None:
        """Charge ``count`` bytes; :class:`TooMuch` when they are not there."""
        self.left -= count
        if self.left < 0:
            raise TooMuch("it asks for far more memory than the file's size.", _HINT)

    def spend_nested(self, value: Any) -> None:
        """Charge 8 bytes for every number that nested lists would become, shared ones again."""
        self.spend(8 * _expanded(value, {}, 0))


def _expanded(value: Any, known: dict[int, int], depth: int) -> int:
    """How many numbers nested lists stand for; each list is looked at once."""
    if not isinstance(value, list | tuple):
        return 1
    if depth > _DEEPEST:
        raise TooMuch("lists of it are nested too deeply, or hold themselves.", _HINT)
    if id(value) not in known:
        known[id(value)] = sum(_expanded(part, known, depth + 1) for part in value)
    return known[id(value)]


def read_checked(path: Path) -> bytes:
    """The bytes of a pickle whose opcodes ask for nothing beyond the file.

    Raises:
        FormatError: no complete pickle.
        TooMuch: it is too large, or an opcode names a length or memo place beyond the file.
        OSError: of reading the file.
    """
    if path.stat().st_size > MAX_BYTES:
        raise TooMuch(f"it is larger than {MAX_BYTES // 2**30} GB.", _HINT)
    data = path.read_bytes()
    try:
        for count, (opcode, value, position) in enumerate(pickletools.genops(data)):
            argument = value if isinstance(value, int) else 0
            if opcode.name == "FRAME" and argument > len(data) - (position or 0):
                raise TooMuch("a frame of it is longer than the file.", _HINT)
            # picklers number what they memoise one by one, from 0 or 1
            if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and not 0 <= argument <= count + 1:
                raise TooMuch(f"it wants {argument} places in the memo.", _HINT)
    # what genops raises depends on the damage; int() of a text opcode adds the rest
    except (ValueError, IndexError, EOFError, OverflowError, TypeError) as error:
        raise FormatError(
            f"it is not a readable pickle ({error}).", "It may be truncated; get it again."
        ) from error
    return data
