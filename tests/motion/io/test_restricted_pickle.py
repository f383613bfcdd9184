"""Arrays come out of pickles; code does not run."""

from __future__ import annotations

import collections
import json
import pickle
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from backend.errors import FormatError
from backend.motion.io import pickle_contents

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
    arrays = pickle_contents.read_arrays(path)
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
    arrays = pickle_contents.read_arrays(tmp_path / "a.pkl")
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
        arrays = pickle_contents.read_arrays(tmp_path / "a.pkl")
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
        pickle_contents.read_arrays(path)
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
            pickle_contents.read_arrays(path)
    test_arrays_of_every_protocol(tmp_path, 2)


def test_an_array_that_contains_itself_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(
        b"\x80\x02}(X\x01\x00\x00\x00acchumpy.ch\nCh\n)\x81q\x00}"
        b"(X\x01\x00\x00\x00ah\x00X\x04\x00\x00\x00idxsh\x00ubu."
    )
    with pytest.raises(FormatError, match="damaged"):
        pickle_contents.read_arrays(path)


def test_truncated_anywhere_is_a_format_error(tmp_path: Path) -> None:
    raw = pickle.dumps(CONTENT, protocol=2)
    for end in range(0, len(raw) - 1, 97):
        (tmp_path / "a.pkl").write_bytes(raw[:end])
        with pytest.raises(FormatError):
            pickle_contents.read_arrays(tmp_path / "a.pkl")
    with pytest.raises(FormatError, match="Cannot read"):
        pickle_contents.read_arrays(tmp_path / "none.pkl")


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


@pytest.mark.parametrize("name", MEMORY_BOMBS)
def test_a_small_file_cannot_ask_for_much_memory(tmp_path: Path, name: str) -> None:
    path = tmp_path / "bomb.pkl"
    path.write_bytes(MEMORY_BOMBS[name])
    tracemalloc.start()
    try:
        with pytest.raises(FormatError) as caught:
            pickle_contents.read_arrays(path)
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
    with pytest.raises(FormatError, match="holds itself"):
        pickle_contents.read_plain(path)
    path.write_bytes(pickle.dumps(collections.OrderedDict(a=1)))
    assert pickle_contents.read_plain(path) == {"a": 1}


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


@pytest.fixture(scope="module")
def read_in_a_child(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """Name of each hostile file -> [what reading it as arrays, lists and values said, seconds]."""
    folder = tmp_path_factory.mktemp("crashes")
    for name, content in CRASHES.items():
        (folder / name).write_bytes(content)
    script = (
        "import json, sys, time\n"
        "from pathlib import Path\n"
        "from backend.errors import FormatError\n"
        "from backend.motion.io import pickle_contents as r\n"
        "for path in sorted(Path(sys.argv[1]).iterdir()):\n"
        "    print(json.dumps(path.name), flush=True)\n"
        "    started, said = time.process_time(), []\n"
        "    for read in (r.read_arrays, r.read_array_lists, r.read_plain):\n"
        "        try:\n"
        "            said.append(sorted(read(path)))\n"
        "        except FormatError as error:\n"
        "            said.append(error.message + ' ' + error.hint)\n"
        "    print(json.dumps([said, time.process_time() - started]), flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).resolve().parents[3],
        timeout=500,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"{lines[-1:]} ended it with {done.returncode}: {done.stderr}"
    return dict(zip(lines[::2], lines[1::2], strict=True))


@pytest.mark.parametrize("name", CRASHES)
def test_no_file_crashes_or_hangs_the_process(
    read_in_a_child: dict[str, list[Any]], name: str
) -> None:
    said, seconds = read_in_a_child[name]
    arrays = said[0]
    # of the file with texts nothing is an array; all others are refused in a sentence
    assert arrays == [] if name.startswith("texts") else "crashes" in arrays, said
    assert seconds < 10


def test_keys_of_real_files_are_read(tmp_path: Path) -> None:
    content = {"a": 1, 2: [3], (4, "b"): None, 1.5: {"c"}, None: frozenset((5, 6))}
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        plain = {k: v for k, v in content.items() if not isinstance(v, set | frozenset)}
        kept = content if protocol >= 4 else plain  # older ones name the class set
        path = tmp_path / "a.pkl"
        path.write_bytes(pickle.dumps(kept, protocol=protocol))
        assert pickle_contents.read_plain(path) == kept
    words = {f"word{n}": n for n in range(50_000)}
    path.write_bytes(pickle.dumps(words))
    assert pickle_contents.read_plain(path) == words
