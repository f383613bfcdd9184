"""Arrays out of a pickle without running anything that the pickle names.

For the process that reads pickles (:mod:`.pickle_child`); everybody else asks :mod:`.strangers`.

SMPL's official files are pickles, and a pickle is a program: it may name any function and call it.
Here every name resolves to a passive class of :mod:`.pickled_arrays` or to an error; nothing is
imported. The classes collect what NumPy, SciPy, chumpy and joblib would have been given, and plain
arrays are made from that afterwards.

Nor may a small file ask for much memory. Before it is loaded, :mod:`.pickle_scan` reads its opcodes
for lengths and memo numbers beyond the file; what is made of it afterwards is charged to a
:class:`~.pickle_scan.Budget` in proportion to the file, because a pickle can name one array many
times.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ...errors import FormatError
from . import joblib_file
from .bounds import MAX_DEPTH
from .pickle_scan import Budget, TooMuch, check_key
from .pickled_arrays import ENTRY, HINT, KNOWN, ArrayPart, Passive, Wrapped, to_array, to_list


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
    lists = _read(path, to_list)
    return {n: a for n, a in lists.items() if isinstance(n, str) and a is not None}


def read_plain(path: str | Path) -> Any:
    """A pickle of plain values: lists, dictionaries, texts, numbers.

    Raises:
        FormatError: as :func:`read_arrays`, and for any value that is not plain.
    """
    path = Path(path)
    try:
        content, _ = _load(path)
        _check_plain(content)
    except FormatError as error:
        raise FormatError(f"{path}: {error.message}", error.hint) from error
    except OSError as error:
        raise FormatError(f"Cannot read {path}: {error.strerror}.", "Check the path.") from error
    return content


def read_content(source: Path | bytes, start: int = 0) -> object:
    """A pickle as nested dictionaries and lists of arrays, numbers and texts; others become None.

    Args:
        source: the file, or its bytes.
        start: as :func:`read_arrays`.

    Raises:
        FormatError: as :func:`read_arrays`; without the name of the file.
        OSError: it cannot be read.
    """
    content, budget = _load(source, start)
    return _to_content(content, budget, 0)


def _to_content(value: object, budget: Budget, depth: int) -> object:
    if depth > MAX_DEPTH // 2:
        raise TooMuch("its parts are nested too deeply.", HINT)
    budget.spend(ENTRY)
    state = value.state if isinstance(value, ArrayPart) else None
    if isinstance(state, tuple) and len(state) == 5 and isinstance(state[-1], list):
        value = state[-1][0] if state[1] == () and len(state[-1]) == 1 else state[-1]
    if isinstance(value, dict):
        keys = [_key(key, budget) for key in value]
        return dict(zip(keys, (_to_content(v, budget, depth + 1) for v in value.values()),
                        strict=True))  # fmt: skip
    if isinstance(value, list | tuple):
        return [_to_content(v, budget, depth + 1) for v in value]
    if isinstance(value, str | bool | int | float):
        return value
    return to_array(value, budget)


def _key(key: object, budget: Budget) -> str:
    """A key as text; persons and frames may be numbered, also by NumPy's numbers."""
    number = to_array(key, budget) if isinstance(key, Passive) else None
    if number is not None and number.size == 1:
        return str(number.reshape(()).item())
    return key if isinstance(key, str) else str(key) if isinstance(key, int) else ""


def _check_plain(content: object) -> None:
    seen: set[int] = set()  # containers: one may hold itself, or be named a billion times
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
            raise FormatError(f"it holds a {type(value).__name__}, not plain values.", HINT)


Converted = TypeVar("Converted")


def _read(
    path: str | Path, convert: Callable[[object, Budget], Converted], start: int = 0
) -> dict[object, Converted]:
    path = Path(path)
    try:
        content, budget = _load(path, start)
        content = _inside(content) if start else content
        if not isinstance(content, dict):
            raise FormatError("it holds no dictionary of arrays.", HINT)
        return {name: convert(value, budget) for name, value in content.items()}
    except FormatError as error:
        raise FormatError(f"{path}: {error.message}", error.hint) from error
    except OSError as error:
        raise FormatError(f"Cannot read {path}: {error.strerror}.", "Check the path.") from error


def _inside(content: object) -> object:
    """The one object of an array of objects, or the content itself."""
    state = content.state if isinstance(content, ArrayPart) else None
    listed = state[-1] if isinstance(state, tuple) and len(state) == 5 else None
    return listed[0] if isinstance(listed, list) and len(listed) == 1 else content


def _load(source: Path | bytes, start: int = 0) -> tuple[object, Budget]:
    """The content of a pickle, in passive classes, and what may be made of it."""
    data, raw = joblib_file.read(source, start)
    budget = Budget(len(data) + sum(map(len, raw)))
    return Restricted(io.BytesIO(data), budget, raw).content(), budget


class Ordered:
    """``OrderedDict``: makes plain dictionaries; nothing can be set on it.

    Args:
        kind: of dictionaries.
    """

    __slots__ = ("_budget", "_kind")

    def __init__(self, budget: Budget, kind: type[dict[str, object]] = dict) -> None:
        self._budget, self._kind = budget, kind

    def __call__(
        self, items: Mapping[str, object] | Collection[tuple[str, object]] = ()
    ) -> dict[str, object]:
        self._budget.spend(100 * (1 + len(items)))
        pairs = list(items.items() if isinstance(items, Mapping) else items)
        for key, _ in pairs:
            check_key(key)
        return self._kind(pairs)

    def __setstate__(self, state: object) -> None:
        raise ValueError("a state for a class")


class _Empty:
    """``dict`` and ``defaultdict`` where they are called: an empty dictionary to be filled."""

    __slots__ = ()

    def __call__(self, *_: object) -> dict[object, object]:
        return {}

    def __setstate__(self, state: object) -> None:
        raise ValueError("a state for a class")


_EMPTY = _Empty()
_DICTIONARIES = (
    "collections.defaultdict", "builtins.dict", "__builtin__.dict", "builtins.list",
    "__builtin__.list",
)  # fmt: skip
"""Names of those, and of what a ``defaultdict`` would fill itself with."""


class Refused(FormatError):
    """A pickle names what could run code; ``named`` is the name."""

    def __init__(self, named: str) -> None:
        super().__init__(
            f"it names {named}, which could run code; it was refused and nothing was run.", HINT
        )
        self.named = named


class Restricted(pickle.Unpickler):
    """An unpickler to which every name is a passive class, or an error."""

    def __init__(self, file: io.BytesIO, budget: Budget, raw: Sequence[bytes] = ()) -> None:
        super().__init__(file, encoding="latin1")
        self.ordered = Ordered(budget)
        self._wrapped = type("_Placed", (Wrapped,), {"waiting": iter(raw)})

    def content(self) -> object:
        """What the pickle holds, in passive classes.

        Raises:
            FormatError: damaged. Refused: it names what could run code.
        """
        try:
            return self.load()
        # what a damaged pickle raises depends on where the damage is
        except (
            pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError,
            AttributeError, OverflowError, MemoryError, ImportError, RecursionError,
        ) as error:  # fmt: skip
            raise FormatError(
                f"it is not a readable pickle ({error}).", "It may be truncated; get it again."
            ) from error

    def find_class(self, module: str, name: str) -> object:
        if (module, name) == ("collections", "OrderedDict"):
            return self.ordered
        if f"{module}.{name}" in _DICTIONARIES:
            return _EMPTY
        if f"{module}.{name}" == joblib_file.WRAPPER:
            return self._wrapped
        made = KNOWN.get(f"{module}.{name}")
        if made is None:
            raise Refused(f"{module}.{name}")
        return made

    def persistent_load(self, pid: object) -> object:
        raise FormatError("it refers to something outside itself.", HINT)
