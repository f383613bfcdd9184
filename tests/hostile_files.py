"""Files that are made to harm whoever opens them: for tests and for scripts/fuzz_files.py."""

from __future__ import annotations

import collections
import io
import os
import pickle
import struct
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path, PosixPath
from typing import Any

import numpy as np
import torch


def pickled(value: object, protocol: int = 2) -> bytes:
    """What ``pickle.dump`` writes."""
    return pickle.dumps(value, protocol)


def write_objects(path: Path, value: object) -> None:
    """A ``.npy`` of one object, as NumPy writes a dictionary."""
    np.save(path, np.array(value, dtype=object), allow_pickle=True)


# ---------------------------------------------------------------- pickles that ask for memory


def _nested(depth: int, width: int = 10) -> bytes:
    """A few bytes whose lists of lists name 10^depth numbers."""
    body = b"]q\x00(" + b"K\x01" * width + b"e"
    for level in range(1, depth):
        body += b"0" + b"]q" + bytes([level]) + b"(" + (b"h" + bytes([level - 1])) * width + b"e"
    return b"\x80\x02}U\x01a" + body + b"s."


_ARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
_FLOATS = b"cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R"
_INT = b"cnumpy\ndtype\nU\x02i8K\x00K\x01\x87R"


def _array(dtype: bytes, count: int, content: bytes) -> bytes:
    size = len(content).to_bytes(4, "little")
    number = b"J" + count.to_bytes(4, "little")
    return _ARRAY + b"(K\x01" + number + b"\x85" + dtype + b"\x89T" + size + content + b"tb"


def _sparse(sides: bytes, starts: list[int], index: int = 0, dtype: bytes = _INT) -> bytes:
    parts = b"U\x04data" + _array(_FLOATS, 1, bytes(8))
    parts += b"U\x07indices" + _array(_INT, 1, np.array([index], "<i8").tobytes())
    # as the file would hold them, whatever they wrap around to
    content = np.array([n % 2**64 for n in starts], "<u8").tobytes()
    parts += b"U\x06indptr" + _array(dtype, len(starts), content)
    parts += b"U\x05shape" + sides + b"\x86"
    return b"\x80\x02}U\x01acscipy.sparse.csr\ncsr_matrix\n)\x81}(" + parts + b"ubs."


def _shaped(shape: bytes, content: bytes = b"") -> bytes:
    size = len(content).to_bytes(4, "little")
    return (
        b"\x80\x02}U\x01a"
        + _ARRAY
        + b"(K\x01"
        + shape
        + _FLOATS
        + b"\x89T"
        + size
        + content
        + b"tbs."
    )


_HUGE = (2**40).to_bytes(8, "little")
_MEGABYTE = _array(_FLOATS, 2**17, bytes(2**20))
MEMORY_BOMBS = {
    "bytes": b"\x80\x04\x8e" + _HUGE + b".",
    "text": b"\x80\x04\x8d" + _HUGE + b".",
    "bytearray": b"\x80\x05\x96" + _HUGE + b".",
    "long": b"\x80\x02\x8b\xff\xff\xff\x7f.",
    "frame": b"\x80\x04\x95" + _HUGE + b"}.",
    "memo": b"\x80\x02}r\xff\xff\xff\xff.",
    "memo in text": b"(dp999999999999\n.",
    "negative memo": b"(dp-5\n.",
    "bytes of a number": b"\x80\x02}U\x01a"
    + _ARRAY
    + b"(K\x01K\x03\x85"
    + _FLOATS
    + b"\x89\x8a\x06\x00\x00\x00\x00\x00\x10tbs.",
    "nested lists": _nested(12),
    "one array often": b"\x80\x02}(U\x01a"
    + _MEGABYTE
    + b"q\x00"
    + b"".join(b"J" + n.to_bytes(4, "little") + b"h\x00" for n in range(2000))
    + b"u.",
    "rows of a sparse matrix": _sparse(b"J\xff\xff\xff\x7fK\x01", [0, 1]),
    "columns of a sparse matrix": _sparse(b"K\x01J\xff\xff\xff\x7f", [0, 1]),
    "repeats of a sparse matrix": _sparse(b"K\x01K\x01", [0, 2**40]),
    "rows of nothing": _shaped(b"J\xff\xff\xff\x7fK\x00\x86"),
    "copies of a dictionary": b"\x80\x02ccollections\nOrderedDict\nq\x00]q\x01("
    + b"".join(b"J" + n.to_bytes(4, "little") + b"K\x01\x86" for n in range(10000))
    + b"e0}U\x01a]("
    + b"h\x00h\x01\x85R" * 10000
    + b"es.",
    "copies of arguments": b"\x80\x02}U\x01acnumpy\nndarray\n(" + b"K\x01" * 100 + b"tRs.",
}


# ---------------------------------------------------------------- pickles that crash or hang

_TWICE = b"".join(b"q" + bytes([n % 200]) + b"h" + bytes([n % 200]) + b"\x86" for n in range(60))
_MODULUS = 2**61 - 1
"""Of Python's hashes of numbers: its multiples collide."""


def _whole(value: int) -> bytes:
    raw = value.to_bytes(20, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


CRASHES = {
    "counts that wrap around": _sparse(b"K\x03K\x01", [0, 2**63 - 1, 2**64 - 2, 1]),
    "counts that wrap to the number": _sparse(
        b"K\x04K\x01", [0, 2**63 - 1, 2**64 - 2, 2**64 + 1, 1]
    ),
    "counts without a sign": _sparse(
        b"K\x03K\x01", [0, 2**63 + 5, 3, 1], dtype=_INT.replace(b"i8", b"u8")
    ),
    "falling counts": _sparse(b"K\x02K\x01", [0, 5, 1]),
    "counts that are real": _sparse(b"K\x01K\x01", [0, 1], dtype=_FLOATS),
    "counts that do not start at 0": _sparse(b"K\x01K\x01", [-1, 0]),
    "too few counts": _sparse(b"K\x09K\x01", [0, 1]),
    "a place beyond": _sparse(b"K\x01K\x01", [0, 1], index=2**62),
    "a place before": _sparse(b"K\x01K\x01", [0, 1], index=-1),
    "sides that are texts": _sparse(b"U\x011U\x011", [0, 1]),
    "an open shape": _shaped(b"J\xff\xff\xff\xff\x85", bytes(8)),
    "a shape that wraps around": _shaped(_whole(2**32) * 2 + b"\x86"),
    "deep tuple as key": b"\x80\x02}" + b")" + b"\x85" * 200_000 + b"K\x01s.",
    "deep tuple in a set": b"\x80\x04\x8f(" + b")" + b"\x85" * 200_000 + b"\x90.",
    "deep tuple in a frozenset": b"\x80\x04(" + b")" + b"\x85" * 200_000 + b"\x91.",
    "deep tuple in DICT": b"\x80\x02(" + b")" + b"\x85" * 200_000 + b"K\x01d.",
    "deep tuple in an OrderedDict": b"\x80\x02ccollections\nOrderedDict\n](("
    + b")" + b"\x85" * 200_000 + b"K\x01te\x85R.",
    "tuples of tuples as key": b"\x80\x02}K\x01" + _TWICE + b"K\x01s.",
    "colliding keys": b"\x80\x02}("
    + b"".join(_whole(n * _MODULUS) + b"N" for n in range(20_000))
    + b"u.",
    "chumpy arrays that name each other": b"\x80\x02}U\x01acchumpy.ch\nCh\n)\x81}U\x01xK\x00sb"
    + b"".join(
        b"q" + bytes([n]) + b"0cchumpy.ch\nCh\n)\x81}(U\x01ah" + bytes([n])
        + b"U\x04idxsh" + bytes([n]) + b"ub"
        for n in range(50)
    )
    + b"s.",
    "texts of which one is long": b"\x80\x02}U\x01a](X\x00\x00\x10\x00" + b"x" * 2**20
    + b"X\x01\x00\x00\x00yq\x00" + b"h\x00" * 200_000 + b"es.",
    "a state for a class": b"\x80\x02ccollections\nOrderedDict\n}U\x01aK\x01sb.",
    "an extension": b"\x80\x02\x82\x01.",
}  # fmt: skip


# ---------------------------------------------------------------- pickles that run something


class Attack:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def attacks(marker: Path) -> dict[str, tuple[Any, str]]:
    touch = f"touch {marker}"
    code = f"open({str(marker)!r}, 'w').close()"
    return {
        "system": (Attack(os.system, touch), f"{os.system.__module__}.system"),
        "popen": (Attack(subprocess.Popen, ["touch", str(marker)]), ".Popen"),
        "eval": (Attack(eval, code), "builtins.eval"),
        "exec": (Attack(exec, code), "builtins.exec"),
        "getattr": (Attack(getattr, "text", "upper"), "builtins.getattr"),
        "path": (Attack(PosixPath, str(marker)), "pathlib"),
        "numpy": (Attack(np.load, str(marker)), "numpy.load"),
        "nested": ({"a": [Attack(os.system, touch)]}, "system"),
        "counter": (collections.Counter("a"), "collections.Counter"),
    }


# ---------------------------------------------------------------- files of PyTorch


def saved(content: object, **options: bool) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, **options)
    return stream.getvalue()


def with_pickle(data: bytes) -> bytes:
    """An archive of ``torch.save`` with another pickle in it."""
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(saved({}))) as old,
        zipfile.ZipFile(stream, "w") as new,
    ):
        for member in old.infolist():
            content = data if member.filename.endswith("data.pkl") else old.read(member)
            new.writestr(member.filename, content)
    return stream.getvalue()


def twice(step: bytes, begin: bytes, count: int = 60) -> bytes:
    """A pickle of parts that hold the part before twice."""
    body = begin
    for n in range(count):
        place = bytes([n])
        body += b"q" + place + step.replace(b"PART", b"h" + place)
    return b"\x80\x02" + body + b"."


def squeezed() -> bytes:
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(saved({"a": torch.zeros(2**26)}))) as old,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for member in old.infolist():
            new.writestr(member.filename, old.read(member))
    return stream.getvalue()


def holding_itself() -> bytes:
    loop: list[object] = []
    loop.append(loop)
    return with_pickle(pickle.dumps(loop, 2))


HOSTILE_ARCHIVES: dict[str, tuple[Callable[[], bytes], str]] = {
    "an archive that unpacks to 256 MB": (squeezed, "unpacks to far more"),
    "a tensor of one number in 10^12 places": (
        lambda: saved({"a": torch.zeros(1).expand(10**6, 10**6)}),
        "claim far more numbers",
    ),
    "one storage under many names": (
        lambda: saved({str(n): a for a in [torch.zeros(2**20)] for n in range(100)}),
        "claim far more numbers",
    ),
    "tuples in tuples as a key": (
        lambda: with_pickle(b"\x80\x02}" + twice(b"PART\x86", b"K\x01")[2:-1] + b"K\x01s."),
        "made of too many parts",
    ),
    "a tuple 100,000 deep as a key": (
        lambda: with_pickle(b"\x80\x02})" + b"\x85" * 100_000 + b"K\x01s."),
        "made of too many parts",
    ),
    "dictionaries in dictionaries": (
        lambda: with_pickle(twice(b"0}(X\x01\x00\x00\x00aPARTX\x01\x00\x00\x00bPARTu", b"}")),
        "named far too often",
    ),
    "lists in lists": (lambda: with_pickle(twice(b"0](PARTPARTe", b"]")), "named far too often"),
    "lists 1,000 deep": (
        lambda: with_pickle(b"\x80\x02" + b"]" * 1000 + b"a" * 999 + b"."),
        "nested too deeply",
    ),
    "a list that holds itself": (holding_itself, "holds itself"),
    "a memo place beyond the file": (lambda: with_pickle(b"\x80\x02}r\xff\xff\xff\xff."), "memo"),
    "a text beyond the file": (
        lambda: with_pickle(b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"."),
        "not a readable pickle",
    ),
    "an older file with tuples in tuples as a key": (
        lambda: b"\x80\x02}" + twice(b"PART\x86", b"K\x01")[2:-1] + b"K\x01s.",
        "made of too many parts",
    ),
}
