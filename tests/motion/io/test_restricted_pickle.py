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
from backend.motion.io import restricted_pickle, strangers
from tests.hostile_files import CRASHES, MEMORY_BOMBS, attacks

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
    with pytest.raises(FormatError, match="one holds itself"):
        strangers.read_plain(path)
    path.write_bytes(pickle.dumps(collections.OrderedDict(a=1)))
    assert restricted_pickle.read_plain(path) == {"a": 1}


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
        "from backend.motion.io import restricted_pickle as r\n"
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
        assert restricted_pickle.read_plain(path) == kept
    words = {f"word{n}": n for n in range(50_000)}
    path.write_bytes(pickle.dumps(words))
    assert restricted_pickle.read_plain(path) == words
