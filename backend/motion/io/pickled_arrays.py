"""What stands for arrays while a pickle is read, and the arrays that are made of it afterwards.

The classes take the place of NumPy's, SciPy's, chumpy's and joblib's; they keep what they are given
and do nothing. What is made of them is charged to a :class:`~.pickle_scan.Budget`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ...errors import FormatError
from . import pickled_tensors
from .pickle_scan import Budget, TooMuch

HINT = (
    "Only files that hold arrays are opened; this one may be able to harm the computer. "
    "Get the model from its official site, or as .npz."
)

_MOST_ARGUMENTS = 8
"""More than anything that NumPy, SciPy or chumpy write needs; each object keeps a copy."""


class Passive:
    """Takes whatever the pickle gives it and keeps it."""

    def __init__(self, *arguments: object) -> None:
        if len(arguments) > _MOST_ARGUMENTS:
            raise ValueError(f"{len(arguments)} arguments for one object")
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: object) -> None:
        self.state = state


class ArrayPart(Passive):
    """``ndarray``: state is (version, shape, dtype, fortran order, bytes)."""


class _Buffer(Passive):
    """``numpy._frombuffer(bytes, dtype, shape, order)`` of pickle protocol 5."""


class _Dtype(Passive):
    """``dtype(code, ...)``: the byte order is the second entry of the state."""

    def plain(self) -> np.dtype | None:
        """The dtype of a plain number, or None."""
        code = self.arguments[0] if self.arguments else None
        if not isinstance(code, str) or code[:1] not in "fiub" or len(code) > 3:
            return None
        order = self.state[1] if isinstance(self.state, tuple) and len(self.state) > 1 else ""
        return np.dtype(f"{order}{code}" if order in ("<", ">") else code)


class _Sparse(Passive):
    """A SciPy sparse matrix; state is its dictionary."""


class _Csr(_Sparse):
    pass


class Wrapped(Passive):
    """joblib's ``NumpyArrayWrapper``: the next of the arrays that lay in the file."""

    waiting: Iterator[bytes] = iter(())

    def __setstate__(self, state: object) -> None:
        self.state, self.raw = state, next(self.waiting, b"")


class _Chumpy(Passive):
    """A chumpy array: ``x`` holds the values, a selection holds ``a``, ``idxs`` and a shape."""


class _Encoded(Passive):
    """``_codecs.encode(text, "latin1")``: how Python 3 writes bytes for Python 2."""


class _Tensor(Passive):
    """PyTorch's tensor: storage, offset, size, stride and more."""


class _Stored(Passive):
    """The storage of a tensor: the bytes of a file."""


class _Made(Passive):
    """A class that another name rebuilds (``_reconstructor(cls, ...)``)."""

    def __new__(cls, made: object = None, *arguments: object) -> Any:
        if isinstance(made, type) and issubclass(made, Passive) and made is not cls:
            return made(*arguments)
        return super().__new__(cls)


KNOWN: dict[str, type] = {
    "_codecs.encode": _Encoded,
    "copy_reg._reconstructor": _Made,
    "copyreg._reconstructor": _Made,
    "__builtin__.object": Passive,
    "builtins.object": Passive,
    pickled_tensors.REBUILD: _Tensor,
    pickled_tensors.BYTES: _Stored,
    "chumpy.ch.Ch": _Chumpy,
    "chumpy.Ch": _Chumpy,
    "chumpy.reordering.Select": _Chumpy,
}
for _package in ("numpy", "numpy.core.multiarray", "numpy._core.multiarray"):
    KNOWN |= {f"{_package}.{n}": ArrayPart for n in ("ndarray", "_reconstruct", "scalar")}
    KNOWN[f"{_package}.dtype"] = _Dtype
for _package in ("numpy.core.numeric", "numpy._core.numeric"):
    KNOWN[f"{_package}._frombuffer"] = _Buffer
for _kind, _class in (("csc", _Sparse), ("csr", _Csr)):
    for _module in (f"scipy.sparse.{_kind}", f"scipy.sparse._{_kind}"):
        KNOWN |= {f"{_module}.{_kind}_{shape}": _class for shape in ("matrix", "array")}


_CONVERSION, ENTRY = 500, 100
"""Bytes charged for each conversion, as a few objects can name one another thousands of times, and
for each entry of a list of arrays."""


def _shape(value: object, size: int, budget: Budget) -> tuple[int, ...]:
    """The shape of an array of ``size`` numbers, with whole numbers only and none left open."""
    shape = tuple(value) if isinstance(value, tuple | list) else (value,)
    if not all(type(side) is int and side >= 0 for side in shape) or math.prod(shape) != size:
        raise ValueError(f"its shape does not hold {size} numbers")
    if size == 0:
        budget.spend(8 * sum(shape))  # rows of nothing are rows for whoever walks through them
    return shape


def _whole(value: object) -> np.ndarray:
    """A row of whole numbers."""
    if not isinstance(value, np.ndarray) or value.ndim != 1 or value.dtype.kind not in "iu":
        raise ValueError("counts of it are no row of whole numbers")
    return value


def _bytes(value: object) -> bytes:
    if isinstance(value, _Encoded):
        value = value.arguments[0]
    if isinstance(value, str):
        return value.encode("latin1")
    if not isinstance(value, bytes | bytearray):
        raise TypeError(f"{type(value).__name__} instead of bytes")  # bytes(n) would be n zeros
    return bytes(value)


def to_array(value: object, budget: Budget) -> np.ndarray | None:
    """What a passive object stands for; None when it stands for no plain array."""
    kind = Wrapped if isinstance(value, Wrapped) else type(value)
    convert = _CONVERTERS.get(kind)
    if isinstance(value, np.ndarray):
        return value
    if convert is None:
        return (
            _plain(value, budget) if isinstance(value, bool | int | float | list | tuple) else None
        )
    budget.spend(_CONVERSION)
    try:
        return convert(value, budget)
    except TooMuch:
        raise
    except (
        TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError, MemoryError,
        RecursionError,
    ) as error:  # fmt: skip
        raise FormatError(f"an array of it is damaged ({error}).", HINT) from error


def to_list(value: object, budget: Budget) -> list[np.ndarray] | None:
    if isinstance(value, list | tuple):
        budget.spend(ENTRY * len(value))
        arrays = [to_array(entry, budget) for entry in value]
    else:
        whole = to_array(value, budget)
        if whole is None or whole.ndim == 0:
            return None
        arrays = list(whole)
    known = [np.asarray(a) for a in arrays if a is not None]
    return known if len(known) == len(arrays) else None


def _plain(value: object, budget: Budget) -> np.ndarray | None:
    if not budget.spend_nested(value):
        return None
    try:
        array = np.asarray(value)
    except ValueError:  # a ragged list
        return None
    return array if array.dtype.kind in "fiub" else None


def _from_array(value: ArrayPart, budget: Budget) -> np.ndarray | None:
    if value.state is None:  # a scalar: (dtype, bytes)
        dtype, content = value.arguments
        shape, fortran = (), False
    else:
        _, shape, dtype, fortran, content = value.state
    return _build(dtype, shape, "F" if fortran else "C", content, budget)


def _from_wrapped(value: Wrapped, budget: Budget) -> np.ndarray | None:
    state = value.state
    return _build(state["dtype"], state["shape"], state["order"], value.raw, budget)


def _from_buffer(value: _Buffer, budget: Budget) -> np.ndarray | None:
    content, dtype, shape, order = value.arguments
    return _build(dtype, shape, order, content, budget)


def _build(
    dtype: object, shape: object, order: object, content: object, budget: Budget
) -> np.ndarray | None:
    plain = dtype.plain() if isinstance(dtype, _Dtype) else None
    if plain is None:
        return None
    raw = _bytes(content)
    budget.spend(len(raw))
    flat = np.frombuffer(raw, dtype=plain)
    sides = _shape(shape, flat.size, budget)
    return np.array(flat.reshape(sides, order="F" if order == "F" else "C"))


def _from_sparse(value: _Sparse, budget: Budget) -> np.ndarray | None:
    state = value.state
    parts = [to_array(state[k], budget) for k in ("data", "indices", "indptr")]
    shape = state["_shape"] if "_shape" in state else state["shape"]
    data, indices, starts = parts[0], _whole(parts[1]), _whole(parts[2])
    rows, columns = shape
    if not all(type(side) is int and side >= 0 for side in (rows, columns)):
        raise ValueError("the sides of a sparse matrix are no whole numbers")
    major, minor = (rows, columns) if isinstance(value, _Csr) else (columns, rows)
    # compared, not subtracted or summed: numbers of a fixed width wrap around
    fits = len(starts) == major + 1 and starts[0] == 0 and starts[-1] == len(indices)
    if data is None or data.shape != indices.shape or not fits:
        raise ValueError("the parts of a sparse matrix do not fit together")
    if (starts[1:] < starts[:-1]).any() or (indices < 0).any() or (indices >= minor).any():
        raise ValueError("the places in a sparse matrix lie outside it")
    budget.spend(8 * rows * columns)
    dense = np.zeros((major, minor))
    np.add.at(dense, (np.repeat(np.arange(major), np.diff(starts)), indices), data)
    return dense if isinstance(value, _Csr) else np.ascontiguousarray(dense.T)


def _from_tensor(value: _Tensor, budget: Budget) -> np.ndarray | None:
    storage, offset, size, stride = value.arguments[:4]
    if not isinstance(storage, _Stored):
        raise TypeError("a tensor without numbers")
    raw = _bytes(storage.arguments[0])
    return pickled_tensors.array_of(raw, offset, size, stride, budget)


def _from_chumpy(value: _Chumpy, budget: Budget) -> np.ndarray | None:
    state = value.state
    if "x" in state:
        return to_array(state["x"], budget)
    inner, chosen = to_array(state["a"], budget), to_array(state["idxs"], budget)
    if inner is None or chosen is None:
        return None
    budget.spend(chosen.size * inner.itemsize)
    picked = inner.reshape(-1)[chosen.reshape(-1)]
    return picked.reshape(_shape(state.get("preferred_shape", chosen.shape), picked.size, budget))


_CONVERTERS: dict[type, Callable[[Any, Budget], np.ndarray | None]] = {
    ArrayPart: _from_array,
    _Buffer: _from_buffer,
    Wrapped: _from_wrapped,
    _Sparse: _from_sparse,
    _Csr: _from_sparse,
    _Chumpy: _from_chumpy,
    _Tensor: _from_tensor,
}
