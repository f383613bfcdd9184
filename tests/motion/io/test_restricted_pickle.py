"""Arrays come out of pickles; code does not run."""

from __future__ import annotations

import collections
import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from backend.errors import FormatError
from backend.motion.io import restricted_pickle

DENSE = np.random.default_rng(0).normal(size=(5, 7)) * (np.arange(35).reshape(5, 7) % 3 == 0)
CONTENT: dict[str, Any] = {
    "floats": np.random.default_rng(1).normal(size=(4, 3, 2)),
    "fortran": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "big": np.arange(5, dtype=">i4"),
    "ints": np.arange(6, dtype=np.uint32).reshape(2, 3),
    "flags": np.array([True, False]),
    "scalar": np.float32(2.5),
    "csc": sparse.csc_matrix(DENSE),
    "csr": sparse.csr_matrix(DENSE),
    "list": [1.0, 2.0],
    "name": "female",
    "objects": np.array([{"a": 1}], dtype=object),
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_of_every_protocol(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(CONTENT, protocol=protocol))
    arrays = restricted_pickle.read_arrays(path)
    for name in ("floats", "fortran", "big", "ints", "flags", "scalar", "list"):
        np.testing.assert_array_equal(arrays[name], CONTENT[name])
    for name in ("csc", "csr"):
        np.testing.assert_array_equal(arrays[name], DENSE)
    assert not {"name", "objects"} & set(arrays)


def test_files_of_python_2(tmp_path: Path) -> None:
    """Python 2 wrote the bytes of an array as a plain string, as SMPL's official files have it."""
    values = np.arange(3.0)
    raw = values.astype("<f8").tobytes()
    (tmp_path / "a.pkl").write_bytes(
        b"\x80\x02}U\x01acnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x03\x85cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNN"
        b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
        + len(raw).to_bytes(4, "little")
        + raw
        + b"tbs."
    )
    arrays = restricted_pickle.read_arrays(tmp_path / "a.pkl")
    np.testing.assert_array_equal(arrays["a"], values)


class Ch:
    """Stands in for chumpy's class of that name, pickled under its module."""

    def __init__(self, x: np.ndarray) -> None:
        self.x = x


def test_chumpy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    import types

    module = types.ModuleType("chumpy.ch")
    module.Ch = Ch  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "chumpy", types.ModuleType("chumpy"))
    monkeypatch.setitem(sys.modules, "chumpy.ch", module)
    monkeypatch.setattr(Ch, "__module__", "chumpy.ch")
    values = np.arange(6.0).reshape(2, 3)
    for protocol in (0, 2, 4):
        raw = pickle.dumps({"shapedirs": Ch(values)}, protocol=protocol)
        (tmp_path / "a.pkl").write_bytes(raw)
        arrays = restricted_pickle.read_arrays(tmp_path / "a.pkl")
        np.testing.assert_array_equal(arrays["shapedirs"], values)


class Attack:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def attacks(marker: Path) -> dict[str, tuple[Any, str]]:
    import os
    import subprocess
    from pathlib import PosixPath

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


@pytest.mark.parametrize(
    "name",
    ["system", "popen", "eval", "exec", "getattr", "path", "numpy", "nested", "counter"],
)
@pytest.mark.parametrize("protocol", [0, 2, pickle.HIGHEST_PROTOCOL])
def test_code_is_refused_and_not_run(tmp_path: Path, name: str, protocol: int) -> None:
    marker, path = tmp_path / "marker", tmp_path / "a.pkl"
    value, named = attacks(marker)[name]
    # the arrays come first, so that the file looks like a body until the attack
    path.write_bytes(pickle.dumps({**CONTENT, "attack": value}, protocol=protocol))
    with pytest.raises(FormatError) as caught:
        restricted_pickle.read_arrays(path)
    assert not marker.exists()
    message = caught.value.message.replace("__builtin__", "builtins")
    assert str(path) in message and named in message
    assert "could run code" in message and "nothing was run" in message


def test_known_names_cannot_be_bent(tmp_path: Path) -> None:
    """Giving state to the classes themselves must not change them for the next file."""
    path = tmp_path / "a.pkl"
    for body in (
        b"cnumpy\nndarray\n}S'arguments'\nS'x'\nsb.",
        b"cnumpy\ndtype\n(N}S'plain'\nNstb.",
        b"c_codecs\nencode\n(S'rm'\nS'latin1'\ntR.",
        b"P1\n.",
        b"I1\n.",
        b"\x80\x02.",
        b"not a pickle",
        b"",
    ):
        path.write_bytes(body)
        with pytest.raises(FormatError):
            restricted_pickle.read_arrays(path)
    test_arrays_of_every_protocol(tmp_path, 2)


def test_an_array_that_contains_itself_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(
        b"\x80\x02}(X\x01\x00\x00\x00acchumpy.ch\nCh\n)\x81q\x00}"
        b"(X\x01\x00\x00\x00ah\x00X\x04\x00\x00\x00idxsh\x00ubu."
    )
    with pytest.raises(FormatError, match="damaged"):
        restricted_pickle.read_arrays(path)


def test_truncated_anywhere_is_a_format_error(tmp_path: Path) -> None:
    raw = pickle.dumps(CONTENT, protocol=2)
    for end in range(0, len(raw) - 1, 97):
        (tmp_path / "a.pkl").write_bytes(raw[:end])
        with pytest.raises(FormatError):
            restricted_pickle.read_arrays(tmp_path / "a.pkl")
    with pytest.raises(FormatError, match="Cannot read"):
        restricted_pickle.read_arrays(tmp_path / "none.pkl")


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


def _sparse(rows: bytes, starts: np.ndarray) -> bytes:
    parts = (
        b"U\x04data" + _array(_FLOATS, 1, bytes(8)) + b"U\x07indices" + _array(_INT, 1, bytes(8))
    )
    index = _array(_INT, len(starts), starts.astype("<i8").tobytes())
    parts += b"U\x06indptr" + index + b"U\x05shape" + rows + b"K\x01\x86"
    return b"\x80\x02}U\x01acscipy.sparse.csr\ncsr_matrix\n)\x81}(" + parts + b"ubs."


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
    "rows of a sparse matrix": _sparse(b"J\xff\xff\xff\x7f", np.array([0, 1])),
    "repeats of a sparse matrix": _sparse(b"K\x01", np.array([0, 2**40])),
    "copies of a dictionary": b"\x80\x02ccollections\nOrderedDict\nq\x00]q\x01("
    + b"".join(b"J" + n.to_bytes(4, "little") + b"K\x01\x86" for n in range(10000))
    + b"e0}U\x01a]("
    + b"h\x00h\x01\x85R" * 10000
    + b"es.",
    "copies of arguments": b"\x80\x02}U\x01acnumpy\nndarray\n(" + b"K\x01" * 100 + b"tRs.",
}


@pytest.mark.parametrize("name", MEMORY_BOMBS)
def test_a_small_file_cannot_ask_for_much_memory(tmp_path: Path, name: str) -> None:
    path = tmp_path / "bomb.pkl"
    path.write_bytes(MEMORY_BOMBS[name])
    tracemalloc.start()
    try:
        with pytest.raises(FormatError) as caught:
            restricted_pickle.read_arrays(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(path) in caught.value.message and caught.value.hint
    assert peak < 2**28


def test_plain_values_that_contain_themselves(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    loop: list[Any] = [1, "text"]
    loop.append(loop)
    path.write_bytes(pickle.dumps(loop))
    assert restricted_pickle.read_plain(path)[:2] == [1, "text"]
    path.write_bytes(pickle.dumps(collections.OrderedDict(a=1)))
    assert restricted_pickle.read_plain(path) == {"a": 1}
