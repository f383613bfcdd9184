"""Files as joblib writes them (numpy_pickle of joblib 1.x), without joblib."""

from __future__ import annotations

import io
import pickle
import sys
import types
import zlib
from pathlib import Path

import numpy as np

_ALIGNMENT = 16


class NumpyArrayWrapper:
    """The state that joblib gives it is all that matters."""

    def __init__(self, array: np.ndarray) -> None:
        self.subclass = np.ndarray
        self.shape = array.shape
        self.order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
        self.dtype = array.dtype
        self.allow_mmap = not array.dtype.hasobject
        self.numpy_array_alignment_bytes = _ALIGNMENT


NumpyArrayWrapper.__module__ = "joblib.numpy_pickle"


class _Pickler(pickle._Pickler):  # type: ignore[name-defined,misc]
    """Writes the bytes of each array behind its wrapper."""

    def __init__(self, file: io.BytesIO, protocol: int) -> None:
        super().__init__(file, protocol)
        self.file = file

    def save(self, obj: object, save_persistent_id: bool = True) -> None:
        if type(obj) is not np.ndarray:
            super().save(obj)
            return
        wrapper = NumpyArrayWrapper(obj)
        super().save(wrapper)
        if self.proto >= 4:
            self.framer.commit_frame(force=True)
        padding = _ALIGNMENT - (self.file.tell() + 1) % _ALIGNMENT
        self.file.write(bytes([padding]) + b"\xff" * padding + obj.tobytes(wrapper.order))


def dump(content: object, path: Path, *, compress: int = 0, protocol: int = 4) -> None:
    """As ``joblib.dump`` does."""
    package, module = types.ModuleType("joblib"), types.ModuleType("joblib.numpy_pickle")
    module.NumpyArrayWrapper = NumpyArrayWrapper  # type: ignore[attr-defined]
    sys.modules |= {"joblib": package, "joblib.numpy_pickle": module}
    try:
        out = io.BytesIO()
        _Pickler(out, protocol).dump(content)
    finally:
        del sys.modules["joblib"], sys.modules["joblib.numpy_pickle"]
    data = out.getvalue()
    path.write_bytes(zlib.compress(data, compress) if compress else data)
