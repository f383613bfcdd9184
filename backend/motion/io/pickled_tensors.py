"""PyTorch's tensors inside ordinary pickles (TRAM saves so), without PyTorch.

A tensor is pickled as ``_rebuild_tensor_v2(storage, offset, size, stride, ...)``, its storage as
the bytes of a file of the older form: five pickles (magic number, version, machine, content, names
of storages), then how many numbers there are, then the numbers.
"""

from __future__ import annotations

import io
import math
import re

import numpy as np

from .pickle_scan import Budget, scan

REBUILD, BYTES = "torch._utils._rebuild_tensor_v2", "torch.storage._load_from_bytes"
"""The two names; what they are called with is kept, nothing is called."""
_PICKLES, _CONTENT = 5, 3
_TYPES = {b"Float": "<f4", b"Double": "<f8", b"Half": "<f2", b"Long": "<i8", b"Int": "<i4",
          b"Short": "<i2", b"Byte": "u1"}  # fmt: skip


def array_of(
    storage: bytes, offset: object, size: object, stride: object, budget: Budget
) -> np.ndarray | None:
    """The array of a tensor; None for numbers that NumPy does not have.

    Raises:
        ValueError: it claims numbers that it does not hold.
        FormatError: its storage is damaged.
    """
    flat = _numbers(storage)
    if flat is None:
        return None
    sides, steps = (tuple(x) if isinstance(x, tuple | list) else (None,) for x in (size, stride))
    whole = (offset, *sides, *steps)
    if len(sides) != len(steps) or not all(type(x) is int and x >= 0 for x in whole):
        raise ValueError("the shape of a tensor is no shape")
    last = sum((side - 1) * step for side, step in zip(sides, steps, strict=True))
    count = math.prod(sides)
    if count and offset + last >= len(flat):
        raise ValueError("a tensor claims more numbers than it holds")
    budget.spend(count * flat.itemsize)
    if not count:
        return np.zeros(sides, flat.dtype)
    strides = tuple(step * flat.itemsize for step in steps)
    view = np.lib.stride_tricks.as_strided(flat[offset:], sides, strides, writeable=False)
    return np.array(view)


def _numbers(storage: bytes) -> np.ndarray | None:
    stream, starts = io.BytesIO(storage), [0]
    for _ in range(_PICKLES):
        scan(stream, len(storage))
        starts.append(stream.tell())
    content = storage[starts[_CONTENT] : starts[_CONTENT + 1]]
    kind = re.search(rb"([A-Za-z0-9]+)Storage", content)
    code = _TYPES.get(kind.group(1)) if kind else None
    if code is None:
        return None
    count = int.from_bytes(stream.read(8), "little")
    data = stream.read()
    if count * np.dtype(code).itemsize > len(data):
        raise ValueError("a tensor is cut off")
    return np.frombuffer(data, code, count)
