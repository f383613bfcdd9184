"""The one place that opens pickles of strangers: ``.pkl``, ``.pt`` and ``.npy`` with objects.

A pickle is read by a process of its own (:mod:`.pickle_child`), so that one that is made to hang,
to fill the memory or to crash its reader costs a few seconds and a sentence. That process resolves
no name of the pickle, has a limit of memory and of time (:mod:`.bounds`), and answers in plain JSON
and arrays. It is started once and asked again, which makes a normal file cost a millisecond more.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FormatError
from . import bounds
from .pickle_child import ARRAYS, READY, VALUES
from .pickle_scan import TooMuch
from .plain_values import Place, unpack
from .restricted_pickle import Refused

_PACKAGE = Path(__file__).resolve().parents[2]
_HINT = "It is damaged, or made to do harm; get the file from its authors."
_SLICE_SECONDS = 0.2
"""Between two looks at the clock: so soon Ctrl-C is noticed on every system."""


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a pickled dictionary; values that are no arrays are left out.

    Raises:
        FormatError: no such file, no pickle of a dictionary, or one that names anything but arrays
            (nothing of it has been run then), takes too long or too much memory.
    """
    return _asked(path, "arrays")


def read_array_lists(path: str | Path) -> dict[str, list[np.ndarray]]:
    """The lists of arrays of a pickled dictionary; see :func:`read_arrays` for what is raised."""
    return _asked(path, "lists")


def read_plain(path: str | Path) -> Any:
    """Lists, dictionaries, texts, numbers; see :func:`read_arrays` for what is raised."""
    return _asked(path, "plain")


def read_content(source: Path | bytes, start: int = 0) -> object:
    """Nested dictionaries and lists of arrays, numbers and texts; others become None.

    Args:
        source: the file, or its bytes; errors name a file.
        start: where in it the pickle begins, in a ``.npy`` of one object.

    Raises:
        FormatError: as :func:`read_arrays`.
    """
    if isinstance(source, Path):
        return _asked(source, "content", start=start)
    with tempfile.TemporaryDirectory(prefix="kinetype-member-") as folder:
        path = Path(folder) / "member"
        path.write_bytes(source)
        return unpack(*_reply(path, "content", start=start), _no_tensor)


def read_torch(
    path: Path, place: Place, *, stand_ins: bool, program: str, storages: dict[str, list[object]]
) -> object:
    """What a PyTorch file holds, see :mod:`.torch_file`, which makes tensors of their places.

    Args:
        storages: filled with where the numbers are before ``place`` is called.
    """
    values, arrays = _reply(path, "torch", stand_ins=stand_ins, program=program)
    storages.update(values["storages"])
    return unpack(values["content"], arrays, place)


def _no_tensor(place: list[object]) -> object:
    raise FormatError("it holds a tensor.", _HINT)


def _asked(path: str | Path, how: str, **options: object) -> Any:
    path = Path(path)
    try:
        return unpack(*_reply(path, how, **options), _no_tensor)
    except FormatError as error:
        if str(path) in error.message:
            raise
        raise FormatError(f"{path}: {error.message}", error.hint) from error


def _reply(path: Path, how: str, **options: object) -> tuple[Any, np.ndarray]:
    """JSON and arrays of the reply; :class:`FormatError` says what is wrong with the file."""
    try:
        size = path.stat().st_size
        if not path.is_file():  # reading a pipe would never end
            raise FormatError(f"{path} is no file.", "Check the path.")
    except OSError as error:
        raise FormatError(f"Cannot read {path}: {error.strerror}.", "Check the path.") from error
    memory = bounds.CHILD_MEMORY + bounds.CHILD_MEMORY_TIMES * min(size, bounds.MAX_INDEX_BYTES)
    if how != "torch":
        memory += bounds.PICKLE_TIMES * size
    request = {"how": how, "path": str(path.absolute()), "memory": memory, **options}
    seconds = bounds.READ_SECONDS + bounds.SECONDS_PER_BYTE * size
    with _lock:
        return _ask(request, seconds)


def _ask(request: dict[str, object], seconds: float) -> tuple[Any, np.ndarray]:
    global _child
    asked_before = _child is not None and _child.usable
    if not asked_before:
        _child = _Child()
    assert _child is not None
    answer = _child.ask(request, seconds)
    if answer is None and asked_before:
        # it had ended meanwhile, or an earlier file had harmed it
        _child = _Child()
        answer = _child.ask(request, seconds)
    if answer is None:
        raise TooMuch("it ended the process that read it.", _HINT)
    if answer:
        raise _error(answer)
    try:
        text = (_child.folder / VALUES).read_text(encoding="utf-8")
        return json.loads(text), np.fromfile(_child.folder / ARRAYS, np.uint8)
    except OSError as error:
        raise FormatError(
            f"what was found in it is gone ({error.strerror}).", "Read it again."
        ) from error


def _error(answer: dict[str, str]) -> FormatError:
    kind, message = answer["kind"], answer["message"]
    if kind == "refused":
        return Refused(answer["named"])
    if kind == "too_much":
        return TooMuch(message, answer["hint"])
    if kind == "os":
        return FormatError(f"it cannot be read: {message}.", answer["hint"])
    return FormatError(message, answer["hint"])


class _Child:
    """The process, and its folder."""

    def __init__(self) -> None:
        try:
            self.folder = Path(tempfile.mkdtemp(prefix="kinetype-open-"))
        except OSError as error:
            raise FormatError(
                f"there is no place for temporary files ({error.strerror}).",
                "Free some space, or set TMPDIR to a folder that you can write to.",
            ) from error
        self._owner = os.getpid()
        self._replies: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._process = self._started()
        threading.Thread(target=self._listen, name="kinetype-open", daemon=True).start()
        try:
            ready = READY in (self._wait(bounds.START_SECONDS) or {})
        except TimeoutError:
            ready = False
        if not ready:
            self.end()
            raise FormatError(
                "the process that reads such files did not start.",
                "Restart, or convert the file to .npz or .safetensors elsewhere.",
            )

    @property
    def usable(self) -> bool:
        """Whether it can be asked: it runs, and is no fork's parent's."""
        return self._owner == os.getpid() and self._process.poll() is None

    def ask(self, request: dict[str, object], seconds: float) -> dict[str, str] | None:
        """Its answer; None where it ended instead.

        Raises:
            TooMuch: it did not answer in time.
            BaseException: a Ctrl-C while waiting; the process is gone then, too.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except OSError:
            self.end()
            return None
        try:
            answer = self._wait(seconds)
        except TimeoutError as error:
            self.end()
            late = f"reading it did not end within {seconds:.0f} seconds."
            raise TooMuch(late, _HINT) from error
        except BaseException:
            self.end()
            raise
        if answer is None:
            self.end()
        return answer

    def end(self) -> None:
        """Kill it and remove its folder."""
        if self._owner != os.getpid():
            return
        with contextlib.suppress(OSError):
            self._process.kill()
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _wait(self, seconds: float) -> dict[str, str] | None:
        """The next reply, None where the process ended; TimeoutError where neither comes."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                line = self._replies.get(timeout=min(left, _SLICE_SECONDS))
                return json.loads(line) if line else None
        raise TimeoutError

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(ValueError, OSError):
            for line in self._process.stdout:
                self._replies.put(line)
        self._replies.put("")

    def _started(self) -> subprocess.Popen[str]:
        # numpy may lie where only this program looks for it
        places = (str(_PACKAGE.parent), str(Path(np.__file__).resolve().parents[1]))
        env = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(places),
            "PYTHONSAFEPATH": "1",
            "PYTHONUTF8": "1",
            "OMP_NUM_THREADS": "1",
        }
        env.pop("PYTHONHOME", None)
        command = [sys.executable, "-m", f"{_PACKAGE.name}.motion.io.pickle_child"]
        try:
            return subprocess.Popen(
                [*command, str(self.folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=env,
                encoding="utf-8",
                # Ctrl-C is for whoever waits for it, who kills it then
                start_new_session=sys.platform != "win32",
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except (OSError, ValueError) as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise FormatError(
                f"the process that reads such files cannot be started: {error}.",
                "Convert the file to .npz or .safetensors elsewhere.",
            ) from error


_lock = threading.Lock()
_child: _Child | None = None


@atexit.register
def _end() -> None:
    if _child is not None:
        _child.end()
