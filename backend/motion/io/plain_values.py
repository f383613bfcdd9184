"""Plain values on their way from the process that reads pickles: JSON, and a file of arrays.

Nothing on this way is a pickle. A reply is one JSON value; arrays lie one after the other in a
file beside it, tensors are places in the file that was read (:mod:`.torch_storages`).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from ...errors import FormatError
from . import bounds
from .pickle_scan import TooMuch

_MAX_BITS = 4096
_HINT = "It is damaged, or made to do harm; get the file from its authors."
Other = Callable[[object], object]
"""What a value of another kind is in JSON, or raises."""
Place = Callable[[list[object]], object]
"""A tensor from its place."""


class Packer:
    """Values to JSON; the bytes of arrays go into ``arrays``.

    Args:
        other: for values that are neither plain nor arrays.
        size: bytes of the file that they come from.
    """

    def __init__(self, arrays: BinaryIO, other: Other, size: int) -> None:
        self._arrays, self._other = arrays, other
        self._left = bounds.WALK_FREE + bounds.WALK_TIMES * size

    def pack(self, value: object, depth: int = 0) -> object:
        """The JSON of a value.

        Raises:
            TooMuch: it is nested too deeply, holds itself, or a few parts are named far too often.
        """
        self._left -= 1
        if self._left < 0:
            raise TooMuch("a few parts of it are named far too often.", _HINT)
        if depth > bounds.MAX_DEPTH:
            raise TooMuch("its parts are nested too deeply, or one holds itself.", _HINT)
        if value is None or isinstance(value, bool | float | str):
            return value
        if isinstance(value, int):
            if value.bit_length() > _MAX_BITS:
                raise FormatError("a whole number of it has thousands of digits.", _HINT)
            return value
        if isinstance(value, list):
            return [self.pack(part, depth + 1) for part in value]
        if isinstance(value, dict):
            if all(isinstance(key, str) for key in value):
                return {"": "dict", "of": {k: self.pack(v, depth + 1) for k, v in value.items()}}
            pairs = [[self.pack(k, depth + 1), self.pack(v, depth + 1)] for k, v in value.items()]
            return {"": "pairs", "of": pairs}
        if isinstance(value, tuple | set | frozenset):
            return {"": type(value).__name__, "of": [self.pack(part, depth + 1) for part in value]}
        if isinstance(value, bytes | bytearray):
            return {"": "bytes", "of": bytes(value).decode("latin1")}
        if isinstance(value, complex):
            return {"": "complex", "of": [value.real, value.imag]}
        if isinstance(value, np.ndarray):
            return self._array(value)
        return self._other(value)

    def _array(self, value: np.ndarray) -> object:
        at = self._arrays.tell()
        self._arrays.write(np.ascontiguousarray(value).data)
        return {"": "array", "of": [at, value.dtype.str, list(value.shape)]}


def unpack(value: object, arrays: np.ndarray, place: Place) -> object:
    """The value that :meth:`Packer.pack` wrote.

    Args:
        arrays: bytes of the file of arrays ``[n]`` uint8.
    """
    if isinstance(value, list):
        return [unpack(part, arrays, place) for part in value]
    if not isinstance(value, dict):
        return value
    kind, inner = value[""], value["of"]
    if kind == "array":
        at, dtype, shape = inner
        count = np.dtype(dtype).itemsize * int(np.prod(shape, dtype=np.int64))
        return arrays[at : at + count].view(dtype).reshape(shape).copy()
    if kind == "tensor":
        return place(inner)
    if kind == "bytes":
        return inner.encode("latin1")
    if kind == "complex":
        return complex(*inner)
    if kind in ("dict", "namespace"):
        found = {name: unpack(part, arrays, place) for name, part in inner.items()}
        return found if kind == "dict" else argparse.Namespace(**found)
    parts: list[Any] = [unpack(part, arrays, place) for part in inner]
    if kind == "pairs":
        return {key: part for key, part in parts}  # noqa: C416 (JSON has lists, not pairs)
    return {"tuple": tuple, "set": set, "frozenset": frozenset}[kind](parts)
