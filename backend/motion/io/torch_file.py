"""PyTorch files of strangers: ``torch.save``'s archives, and the older form.

What is in the pickle is told by the process that reads pickles (:mod:`.strangers`); the numbers are
read here, straight from the file, once their places are seen to lie inside it and to claim no more
than its size explains.
"""

from __future__ import annotations

import zipfile
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from ...errors import FormatError
from . import bounds, strangers
from .pickle_scan import TooMuch
from .torch_pickle import SIZES
from .zip_guard import check_listing

_HINT = "It is damaged, or made to fill the memory; get the file from its authors."
_LOCAL_HEAD, _NAME_AT = 30, 26
"""Of a member of a zip archive: its own head, and where the lengths of name and extra are."""


def load(path: Path, *, stand_ins: bool = False, program: str = "") -> object:
    """What a file holds: tensors on the CPU, containers, plain values.

    Args:
        stand_ins: a file that also names classes of a training program is read; a dictionary of
            its attributes stands in for each object.
        program: the same for names that begin so (an archive of ``torch.jit.save``).

    Raises:
        Refused: it names what could run code; nothing of it was run.
        TooMuch: it claims more than its size explains, or takes too long.
        FormatError: no such file, or damaged.
    """
    storages: dict[str, list[object]] = {}
    numbers = _Numbers(path, storages)
    try:
        return strangers.read_torch(
            path, numbers.tensor, stand_ins=stand_ins, program=program, storages=storages
        )
    except (KeyError, ValueError, IndexError, TypeError, RuntimeError, zipfile.BadZipFile) as error:
        raise FormatError(f"it is damaged ({error}).", _HINT) from error
    except OSError as error:
        raise FormatError(f"it cannot be read: {error.strerror}.", "Check the path.") from error


class _Numbers:
    """The storages of a file, each read once; ``storages`` says where they are."""

    def __init__(self, path: Path, storages: dict[str, list[object]]) -> None:
        self._path, self._places = path, storages
        self._size = path.stat().st_size if path.is_file() else 0
        self._read: dict[str, torch.Tensor] = {}
        self._claimed = 0

    def tensor(self, place: list[object]) -> torch.Tensor:
        """A tensor of (key, kind of numbers, offset, size, stride)."""
        key, kind, offset, size, stride = place
        assert isinstance(kind, str) and isinstance(offset, int)
        assert isinstance(size, list) and isinstance(stride, list)
        count = 1
        for side in size:
            count *= side
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        storage = self._storage(str(key)).numel() // SIZES[kind]
        if count and last >= storage:
            raise ValueError("a tensor lies outside its numbers")
        self._claimed += count * SIZES[kind]
        allowed = bounds.TENSORS_TIMES * self._size + bounds.TENSORS_FREE
        if self._claimed > allowed:
            raise TooMuch("its tensors claim far more numbers than it holds.", _HINT)
        raw = self._storage(str(key))[: storage * SIZES[kind]]
        flat = (raw != 0) if kind == "bool" else raw.view(getattr(torch, kind))
        return flat.as_strided(size, stride, offset) if count else flat.new_empty(size)

    def _storage(self, key: str) -> torch.Tensor:
        if key not in self._read:
            how, *where = self._places[key]
            if how == "bytes":
                found = _bytes(self._path, int(str(where[0])), int(str(where[1])))
            else:
                found = self._member(str(where[0]))
            self._read[key] = torch.from_numpy(found)
        return self._read[key]

    def _member(self, name: str) -> np.ndarray:
        member = self._members[name]
        with self._path.open("rb") as stream:
            if member.compress_type != zipfile.ZIP_STORED:
                with zipfile.ZipFile(stream) as archive:
                    return np.frombuffer(bytearray(archive.read(member)), np.uint8)
            stream.seek(member.header_offset + _NAME_AT)
            lengths = stream.read(4)
        begins = int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
        return _bytes(self._path, member.header_offset + _LOCAL_HEAD + begins, member.file_size)

    @cached_property
    def _members(self) -> dict[str, zipfile.ZipInfo]:
        with self._path.open("rb") as stream:
            check_listing(stream, self._size)
            with zipfile.ZipFile(stream) as archive:
                return {member.filename: member for member in archive.infolist()}


def _bytes(path: Path, at: int, count: int) -> np.ndarray:
    found = np.fromfile(path, np.uint8, count, offset=at) if count else np.empty(0, np.uint8)
    if len(found) != count:
        raise ValueError("it is truncated")
    return found
