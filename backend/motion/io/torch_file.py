"""PyTorch files of strangers: what they claim is held against their bytes before they are loaded.

``torch.load(weights_only=True)`` runs nothing, but it unpacks what an archive says, hashes whatever
a pickle makes a key, and takes the shape of a tensor from the file: a few hundred bytes can hang it
for minutes or name terabytes. So the archive's sizes, the pickle's opcodes (:mod:`.pickle_scan`)
and, after loading, every tensor's shape are checked.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch

from ...errors import FormatError
from .pickle_scan import TooMuch, scan

MAX_PICKLE = 2**28
"""Largest pickle inside an archive: names and shapes of a hundred thousand tensors are 20 MB."""
_TIMES, _FREE = 4, 2**26
"""What an archive may unpack to and its tensors may claim, as averages and tied weights are named
twice: a multiple of the file's size, and 64 MB more."""
_LEGACY_PICKLES = 5
"""Magic number, version, machine, content and names of storages, before the bytes of tensors."""
_HINT = "It is damaged, or made to fill the memory; get the file from its authors."


def load(path: Path | BinaryIO) -> Any:
    """What a file holds, tensors on the CPU: as ``torch.load(weights_only=True)``.

    Raises:
        TooMuch: it claims more than its size explains, or would keep its reader busy for ever.
        Exception: of many kinds where it is damaged, as from PyTorch itself.
    """
    stream = path.open("rb") if isinstance(path, Path) else path
    try:
        size = stream.seek(0, 2)
        stream.seek(0)
        _check(stream, size)
        stream.seek(0)
        content = torch.load(stream, map_location="cpu", weights_only=True)
    finally:
        if isinstance(path, Path):
            stream.close()
    _check_tensors(content, size)
    return content


def _check(stream: BinaryIO, size: int) -> None:
    archive = stream.read(2) == b"PK"
    stream.seek(0)
    if archive:
        _check_archive(stream, size)
    else:
        _check_pickles(stream, size)


def _check_pickles(stream: BinaryIO, size: int) -> None:
    """Those of the older form; where they end too early, PyTorch says what is wrong."""
    for _ in range(_LEGACY_PICKLES):
        try:
            found = scan(stream, size)
        except TooMuch:
            raise
        except FormatError:
            return
        found.check_tree()


def _check_archive(stream: BinaryIO, size: int) -> None:
    with zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > _TIMES * size + _FREE:
            raise TooMuch("it unpacks to far more than its size.", _HINT)
        for member in members:
            if not member.filename.endswith(".pkl"):
                continue
            if member.file_size > MAX_PICKLE:
                raise TooMuch(f"its index {member.filename} is too large.", _HINT)
            data = archive.read(member)
            scan(data, len(data)).check_tree()


def _check_tensors(content: object, size: int) -> None:
    total = 0
    for tensor in _tensors(content):
        claimed = tensor.numel() * tensor.element_size()
        held = tensor.untyped_storage().nbytes() if tensor.layout == torch.strided else claimed
        total += claimed
        if claimed > held + _FREE or total > _TIMES * size + _FREE:
            raise TooMuch("its tensors claim far more numbers than it holds.", _HINT)


def _tensors(content: object) -> Iterator[torch.Tensor]:
    """Every tensor, as often as a walk meets it; how long that is was checked before."""
    waiting = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, Mapping):
            waiting += value.values()
        elif isinstance(value, list | tuple | set):
            waiting += value
