"""Pickles as joblib writes them (WHAM, PHALP, 4D-Humans): arrays lie raw between opcodes.

For every array joblib pickles a ``NumpyArrayWrapper`` that says shape and type, and writes the
bytes of the array right behind it, after one byte that says how many bytes of padding follow. The
whole may be compressed (zlib here). Nothing of joblib is imported: the opcodes are followed as by
:mod:`.pickle_scan`, the arrays are cut out, and what is left is an ordinary pickle.
"""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import numpy as np

from ...errors import FormatError
from .bounds import MAX_JOBLIB_BYTES, MAX_PICKLE_BYTES
from .pickle_scan import Node, TooMuch, scan

WRAPPER = "joblib.numpy_pickle.NumpyArrayWrapper"
_CLASS = WRAPPER.rpartition(".")[2].encode()
_COMPRESSED = {b"\x78": "", b"\x1f\x8b": "", b"BZh": "bzip2", b"\xfd7z": "xz", b"\x5d\0\0": "lzma",
               b"\x04\x22\x4d\x18": "lz4"}  # fmt: skip
"""First bytes; those with a name are not read."""
_HINT = "Save it again with joblib.dump(..., compress=0)."


def read(source: Path | bytes, start: int = 0) -> tuple[bytes, list[bytes]]:
    """A checked pickle and the raw arrays that lay in it, in their order; none in ordinary pickles.

    Args:
        source: the file, or its bytes.
        start: where in the file the pickle begins.

    Raises:
        FormatError: no complete pickle, another compression, arrays of objects.
        TooMuch: it asks for more memory or time than its size explains.
        OSError: of reading the file.
    """
    size = source.stat().st_size if isinstance(source, Path) else len(source)
    if size > MAX_PICKLE_BYTES:
        raise TooMuch(f"it is larger than {MAX_PICKLE_BYTES // 2**30} GB.", _HINT)
    whole = source.read_bytes() if isinstance(source, Path) else source
    data = _unpacked(whole[start:])
    if _CLASS not in data:
        scan(data, len(data))
        return data, []
    return _split(data)


def _unpacked(data: bytes) -> bytes:
    method = next((m for start, m in _COMPRESSED.items() if data.startswith(start)), None)
    if method is None:
        return data
    if method:
        raise FormatError(f"it is compressed with {method}, which is not read.", _HINT)
    try:
        unpacker = zlib.decompressobj(wbits=47)  # zlib or gzip
        out = unpacker.decompress(data, MAX_JOBLIB_BYTES)
        if unpacker.unconsumed_tail:
            raise TooMuch(f"it unpacks to more than {MAX_JOBLIB_BYTES // 2**30} GB.", _HINT)
    except zlib.error as error:
        raise FormatError(f"it cannot be unpacked ({error}).", "It may be truncated.") from error
    return out


def _split(data: bytes) -> tuple[bytes, list[bytes]]:
    stream = io.BytesIO(data)
    kept: list[bytes] = []
    raw: list[bytes] = []
    last = 0

    def cut(node: Node) -> None:
        nonlocal last
        fields = _fields_of_wrapper(node)
        if fields is None:
            return
        end = stream.tell()
        kept.append(data[last:end])
        padding = fields.get("numpy_array_alignment_bytes")
        skipped = 1 + (data[end] if end < len(data) else 0) if padding and padding.value else 0
        last = end + skipped + _size(fields)
        if last > len(data):
            raise FormatError("an array of it goes beyond its end.", "It may be truncated.")
        raw.append(data[end + skipped : last])
        stream.seek(last)

    scan(stream, len(data), on_build=cut)
    return b"".join([*kept, data[last:]]), raw


def _fields_of_wrapper(node: Node) -> dict[object, Node] | None:
    """What the state of a wrapper says; None for any other object."""
    maker = node.inner[0] if node.inner else None
    if maker is not None and maker.value != WRAPPER and len(node.inner) > 1:
        maker = next(iter(node.inner[1].inner), None)  # protocols before 2 name it as an argument
    if maker is None or maker.value != WRAPPER:
        return None
    listed = node.inner[-1].inner
    return {key.value: value for key, value in zip(listed[::2], listed[1::2], strict=False)}


def _size(fields: dict[object, Node]) -> int:
    """Bytes of the array that a wrapper stands for."""
    sides = [side.value for side in fields["shape"].inner] if "shape" in fields else [None]
    made = fields["dtype"].inner if "dtype" in fields else []
    code = made[1].inner[0].value if len(made) > 1 and made[1].inner else None
    if not isinstance(code, str) or code[:1] not in "fiub" or len(code) > 3:
        raise FormatError("it holds arrays of objects, not of numbers.", _HINT)
    count = 1
    for side in sides:
        if type(side) is not int or side < 0:
            raise FormatError("the shape of an array of it is no shape.", _HINT)
        count *= side
    return count * np.dtype(code).itemsize
