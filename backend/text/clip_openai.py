"""CLIP as OpenAI's own package keeps it: ``ViT-B-32.pt``, a TorchScript archive.

The archive holds a program and a pickle of its weights. The program is left alone; the pickle is
read by a reader that knows tensors and makes empty containers of everything else it is told to.
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import ArtifactError

FILE = "ViT-B-32.pt"
MAX_PICKLE_BYTES = 50_000_000
_HINT = "Copy or download the text encoder again."
_DTYPES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "BoolStorage": torch.bool,
}


class _Module:
    """A module of the program: nothing but its attributes."""

    def __init__(self) -> None:
        self.attributes: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        self.attributes = dict(state)


class _Weights(pickle.Unpickler):
    def __init__(self, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(io.BytesIO(_member(archive, f"{folder}/data.pkl", MAX_PICKLE_BYTES)))
        self._archive, self._folder = archive, folder

    def find_class(self, module: str, name: str) -> Any:
        if module == "__torch__" or module.startswith("__torch__."):
            return _Module
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def persistent_load(self, pid: Any) -> Tensor:
        kind, dtype, key, _, count = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise pickle.UnpicklingError(f"it refers to {kind!r}")
        size = int(count) * dtype.itemsize
        data = _member(self._archive, f"{self._folder}/data/{key}", size)
        if len(data) < size or not size:
            raise pickle.UnpicklingError(f"storage {key} has {len(data)} bytes, not {size}")
        return torch.frombuffer(bytearray(data), dtype=dtype, count=int(count))


def _member(archive: zipfile.ZipFile, name: str, largest: int) -> bytes:
    with archive.open(name) as stream:
        return stream.read(largest)


def _tensor(storage: Tensor, offset: int, size: Any, stride: Any, *_: Any) -> Tensor:
    if math.prod(size) > len(storage):
        raise pickle.UnpicklingError("a tensor is larger than its storage")
    return storage.as_strided(tuple(size), tuple(stride), offset).clone()


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of an archive under its dotted name, floats as float32.

    Raises:
        ArtifactError: no such archive, damaged, or one that names anything but tensors.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            inside = [n for n in archive.namelist() if n.endswith("/data.pkl")]
            if len(inside) != 1:
                raise pickle.UnpicklingError("it holds no weights")
            root = _Weights(archive, inside[0].removesuffix("/data.pkl")).load()
        tensors = dict(_named(root, ""))
    except Exception as error:  # what damage raises depends on where it is
        raise ArtifactError(
            f"{path} cannot be read as OpenAI's CLIP: {error}. Nothing of it was run.",
            _HINT,
            str(error),
        ) from error
    return {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}


def _named(module: Any, prefix: str) -> list[tuple[str, Tensor]]:
    found: list[tuple[str, Tensor]] = []
    for name, value in getattr(module, "attributes", {}).items():
        if isinstance(value, Tensor):
            found.append((prefix + name, value))
        elif isinstance(value, _Module):
            found += _named(value, f"{prefix}{name}.")
    return found
