"""Pickles are read by a process that can be killed, and what it found comes back unharmed."""

from __future__ import annotations

import _thread
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from backend.errors import FormatError
from backend.motion.io import bounds, strangers
from backend.motion.io.load import read_clip

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


def _pickled(path: Path, content: object) -> Path:
    path.write_bytes(pickle.dumps(content))
    return path


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return _pickled(tmp_path / "good.pkl", {"a": np.arange(6.0).reshape(2, 3), "b": [1, 2]})


def _child() -> strangers._Child:
    assert strangers._child is not None
    return strangers._child


def _gone(folder: Path) -> bool:
    deadline = time.monotonic() + 60
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return not folder.exists()


def test_what_was_pickled_comes_back(good: Path, tmp_path: Path) -> None:
    arrays = strangers.read_arrays(good)
    np.testing.assert_array_equal(arrays["a"], np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(arrays["b"], [1, 2])
    arrays["a"][0, 0] = 7.0  # it is the reader's own
    pid = _child()._process.pid
    content = {
        "words": ["a", "\ud800", "ü\u2028"], 3: (1, 2.5), (4, "b"): {"c": None, "d": b"\x00\xff"},
        "no": float("inf"), "much": 2**200, "frozen": frozenset((5, 6)), "imag": {1, 2}, "": [[]],
    }  # fmt: skip
    assert strangers.read_plain(_pickled(tmp_path / "b.pkl", content)) == content
    lists = strangers.read_array_lists(
        _pickled(tmp_path / "c.pkl", {"x": [np.ones(2), np.ones(3)]})
    )
    assert [part.tolist() for part in lists["x"]] == [[1, 1], [1, 1, 1]]
    assert _child()._process.pid == pid, "one process reads them all"


@posix
def test_a_reader_that_hangs_is_killed(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    strangers.read_arrays(good)
    child = _child()
    os.kill(child._process.pid, signal.SIGSTOP)  # as one that a file keeps busy for ever
    monkeypatch.setattr(bounds, "READ_SECONDS", 0.5)
    with pytest.raises(FormatError, match=r"good.pkl: reading it did not end within"):
        strangers.read_arrays(good)
    assert child._process.poll() is not None and not child.folder.exists()
    monkeypatch.undo()
    assert strangers.read_arrays(good)["b"].tolist() == [1, 2]


@posix
def test_ctrl_c_ends_it(good: Path) -> None:
    strangers.read_arrays(good)
    child = _child()
    os.kill(child._process.pid, signal.SIGSTOP)
    # bpy, where another test has imported it, has a handler of its own that Python cannot name
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(0.5, _thread.interrupt_main).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            strangers.read_arrays(good)
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)
    assert child._process.poll() is not None and not child.folder.exists()


@posix
def test_a_reader_that_was_killed_meanwhile_is_started_again(good: Path) -> None:
    strangers.read_arrays(good)
    child = _child()
    os.kill(child._process.pid, signal.SIGKILL)
    assert strangers.read_arrays(good)["b"].tolist() == [1, 2]
    assert _child() is not child


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are set on Linux")
def test_the_reader_has_a_limit_of_memory(
    tmp_path: Path, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = _pickled(tmp_path / "large.pkl", {"a": np.zeros(2**23)})
    monkeypatch.setattr(bounds, "CHILD_MEMORY", 2**24)
    monkeypatch.setattr(bounds, "CHILD_MEMORY_TIMES", 0)
    monkeypatch.setattr(bounds, "PICKLE_TIMES", 0)
    with pytest.raises(FormatError, match="far more memory"):
        strangers.read_arrays(large)
    assert strangers.read_arrays(good)["b"].tolist() == [1, 2]


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="Cannot read"):
        strangers.read_arrays(tmp_path / "none.pkl")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.pkl")
        with pytest.raises(FormatError, match="is no file"):
            strangers.read_arrays(tmp_path / "pipe.pkl")


def _run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).resolve().parents[3],
        timeout=300,
    )


@posix
def test_a_full_disk_is_told(tmp_path: Path) -> None:
    large = _pickled(tmp_path / "large.pkl", {"a": np.zeros(2**17)})
    script = (
        "import resource, sys\n"
        "from backend.errors import FormatError\n"
        "from backend.motion.io import strangers\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, 2**16))  # as where nothing is left\n"
        "try:\n"
        "    strangers.read_arrays(sys.argv[1])\n"
        "except FormatError as error:\n"
        "    print(error)\n"
    )
    done = _run(script, large)
    assert "it cannot be read: File too large. Free some space" in done.stdout, done.stderr


@posix
def test_a_killed_program_leaves_no_reader_behind(good: Path) -> None:
    script = (
        "import os, signal, sys\n"
        "from backend.motion.io import strangers\n"
        "strangers.read_arrays(sys.argv[1])\n"
        "print(strangers._child.folder, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = _run(script, good)
    assert done.returncode == -signal.SIGKILL and done.stdout.strip(), done.stderr
    assert _gone(Path(done.stdout.strip()))


def test_a_header_of_numpy_that_is_no_python_is_refused(tmp_path: Path) -> None:
    """NumPy reads it with Python's tokens, which end in an error of their own."""
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1, \n"
    path = tmp_path / "a.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + bytes(8))
    with pytest.raises(FormatError, match="not a readable"):
        read_clip(path)
