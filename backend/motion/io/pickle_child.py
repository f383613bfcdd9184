"""The process that reads pickles of strangers: one request a line, one reply a line.

It is started by :mod:`.strangers`, which kills it where it takes too long. What it found lies in
the folder that it was given, as JSON and a file of arrays. It ends with its stdin, or when nothing
was asked for a while, and takes the folder with it.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NoReturn, TextIO

from ...errors import FormatError
from . import bounds, restricted_pickle, torch_pickle
from .pickle_scan import TooMuch
from .plain_values import Packer
from .restricted_pickle import Refused

VALUES, ARRAYS, READY = "values.json", "arrays.bin", "ready"
KINDS = {TooMuch: "too_much", Refused: "refused"}
_MEMORY = ("reading it takes far more memory than its size explains.", "Get it from its authors.")


_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))


def main() -> NoReturn:
    """Serve until stdin ends; the argument is the folder for what is found."""
    folder = Path(sys.argv[1])
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not be taken for a reply
    _say(replies, {READY: True})
    idle = _end_later(folder)
    for line in sys.stdin:
        idle.cancel()
        _say(replies, _answer(json.loads(line), folder))
        idle = _end_later(folder)
    _end(folder)


def _say(replies: TextIO, values: dict[str, object]) -> None:
    replies.write(json.dumps(values) + "\n")
    replies.flush()


def _end_later(folder: Path) -> threading.Timer:
    timer = threading.Timer(bounds.IDLE_SECONDS, _end, [folder])
    timer.daemon = True
    timer.start()
    return timer


def _end(folder: Path) -> NoReturn:
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def _answer(request: dict[str, object], folder: Path) -> dict[str, object]:
    """Do what is asked; what is wrong with the file is an answer, too."""
    path, memory = Path(str(request["path"])), int(str(request["memory"]))
    try:
        with _limited(memory), (folder / ARRAYS).open("wb") as arrays:
            text = json.dumps(_read(request, path, arrays))
            (folder / VALUES).write_text(text, encoding="utf-8")
    except FormatError as error:
        kind = KINDS.get(type(error), "format")
        found = {"kind": kind, "message": error.message, "hint": error.hint}
        return {**found, "named": getattr(error, "named", "")}
    except MemoryError:
        return {"kind": "too_much", "message": _MEMORY[0], "hint": _MEMORY[1]}
    except OSError as error:
        hint = "Free some space for temporary files." if error.errno in _FULL else "Check the path."
        return {"kind": "os", "message": error.strerror or str(error), "hint": hint}
    except Exception as error:  # what a damaged file raises depends on where the damage is
        said = f"it is not a readable file of its kind ({type(error).__name__}: {error})."
        return {"kind": "format", "message": said[:500], "hint": "Get it again."}
    return {}


def _read(request: dict[str, object], path: Path, arrays: BinaryIO) -> object:
    how = request["how"]
    if how == "torch":
        program = str(request["program"])
        return torch_pickle.read(
            path, arrays, stand_ins=bool(request["stand_ins"]), program=program
        )
    found: object
    if how == "arrays":
        found = restricted_pickle.read_arrays(path)
    elif how == "lists":
        found = restricted_pickle.read_array_lists(path)
    elif how == "content":
        found = restricted_pickle.read_content(path, int(str(request["start"])))
    else:
        found = restricted_pickle.read_plain(path)
    return Packer(arrays, lambda value: None, path.stat().st_size).pack(found)


@contextlib.contextmanager
def _limited(memory: int) -> Iterator[None]:
    """Let this process grow by so many bytes at most, where the system can be told so."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError):  # Windows, macOS
        yield
        return
    before, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + memory, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, hard))


if __name__ == "__main__":
    main()
