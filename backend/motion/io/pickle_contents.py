"""What pickles hold, for the process that reads them: arrays, lists of arrays or plain values.

Everybody else asks :mod:`.strangers`.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ...errors import FormatError
from .pickle_scan import Budget, read_checked
from .restricted_pickle import Array, Restricted, to_array

_HINT = (
    "Only files that hold arrays are opened; this one may be able to harm the computer. "
    "Get the model from its official site, or as .npz."
)
_ENTRY = 100
"""Bytes charged for each entry of a list of arrays."""


def read_arrays(path: str | Path, start: int = 0) -> dict[str, np.ndarray]:
    """The arrays of a pickled dictionary; values that are no arrays are left out.

    Args:
        start: where in the file the pickle begins. NumPy pickles a dictionary as an array of one
            object, which is opened.

    Raises:
        FormatError: no such file, no pickle of a dictionary, or a pickle that names anything but
            arrays (nothing of it has been run then).
    """
    arrays = _read(path, to_array, start)
    return {n: a for n, a in arrays.items() if isinstance(n, str) and a is not None}


def read_array_lists(path: str | Path) -> dict[str, list[np.ndarray]]:
    """The lists of arrays of a pickled dictionary, whose lengths and shapes may differ.

    An array counts as the list of its rows; other values are left out.

    Raises:
        FormatError: as :func:`read_arrays`.
    """
    lists = _read(path, _to_list)
    return {n: a for n, a in lists.items() if isinstance(n, str) and a is not None}


def read_plain(path: str | Path) -> Any:
    """A pickle of plain values: lists, dictionaries, texts, numbers.

    Raises:
        FormatError: as :func:`read_arrays`, and for any value that is not plain or holds itself.
    """
    path = Path(path)
    try:
        content, _ = _load(path, tree=True)
        _check_plain(content)
    except FormatError as error:
        raise FormatError(f"{path}: {error.message}", error.hint) from error
    except OSError as error:
        raise FormatError(f"Cannot read {path}: {error.strerror}.", "Check the path.") from error
    return content


def _check_plain(content: object) -> None:
    seen: set[int] = set()
    waiting: list[object] = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, (dict, list, tuple, set, frozenset)):
            if id(value) in seen:
                continue
            seen.add(id(value))
            waiting.extend(value)
            if isinstance(value, dict):
                waiting.extend(value.values())
        elif not isinstance(value, (str, int, float, bool, bytes, type(None))):
            raise FormatError(f"it holds a {type(value).__name__}, not plain values.", _HINT)


Converted = TypeVar("Converted")


def _read(
    path: str | Path, convert: Callable[[object, Budget], Converted], start: int = 0
) -> dict[object, Converted]:
    path = Path(path)
    try:
        content, budget = _load(path, start)
        content = _inside(content) if start else content
        if not isinstance(content, dict):
            raise FormatError("it holds no dictionary of arrays.", _HINT)
        return {name: convert(value, budget) for name, value in content.items()}
    except FormatError as error:
        raise FormatError(f"{path}: {error.message}", error.hint) from error
    except OSError as error:
        raise FormatError(f"Cannot read {path}: {error.strerror}.", "Check the path.") from error


def _inside(content: object) -> object:
    """The one object of an array of objects, or the content itself."""
    state = content.state if isinstance(content, Array) else None
    listed = state[-1] if isinstance(state, tuple) and len(state) == 5 else None
    return listed[0] if isinstance(listed, list) and len(listed) == 1 else content


def _load(path: Path, start: int = 0, *, tree: bool = False) -> tuple[object, Budget]:
    """The content of a pickle, in passive classes, and what may be made of it."""
    data = read_checked(path, start, tree=tree)
    budget = Budget(len(data))
    return Restricted(io.BytesIO(data), budget).content(), budget


def _to_list(value: object, budget: Budget) -> list[np.ndarray] | None:
    if isinstance(value, list | tuple):
        budget.spend(_ENTRY * len(value))
        arrays = [to_array(entry, budget) for entry in value]
    else:
        whole = to_array(value, budget)
        if whole is None or whole.ndim == 0:
            return None
        arrays = list(whole)
    known = [np.asarray(a) for a in arrays if a is not None]
    return known if len(known) == len(arrays) else None
