"""What the backend prints: a rotating file, and the last lines in memory."""

from __future__ import annotations

import codecs
import threading
from collections import deque
from pathlib import Path
from typing import BinaryIO

MAX_FILE_BYTES = 2**20
TAIL_LINES = 200
MAX_LINE_CHARS = 2000


class LogFile:
    """Takes raw bytes from one thread, shows lines to others.

    Args:
        path: the log file; when it grows beyond ``MAX_FILE_BYTES`` it becomes ``<name>.1``.
            None keeps the lines in memory only. A file that cannot be written is given up with
            one line that says so: a full disk must not stop the backend.
    """

    def __init__(self, path: Path | str | None = None) -> None:
        self.path = None if path is None else Path(path)
        self._lines: deque[str] = deque(maxlen=TAIL_LINES)
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._partial = ""
        self._file: BinaryIO | None = None
        self._size = 0
        self._given_up = self.path is None
        self._lock = threading.Lock()

    def write(self, data: bytes) -> None:
        """Add bytes as they came from the pipe; any encoding, any line ends."""
        with self._lock:
            self._to_file(data)
            text = self._partial + self._decoder.decode(data)
            # progress bars end their lines with a carriage return only
            *whole, self._partial = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
            self._lines.extend(line[:MAX_LINE_CHARS] for line in whole if line.strip())
            self._partial = self._partial[:MAX_LINE_CHARS]

    def add(self, line: str) -> None:
        """Add a line of our own."""
        self.write(line.encode("utf-8", "replace") + b"\n")

    def tail(self, count: int = 20) -> list[str]:
        """The last ``count`` lines that are not empty, an unfinished one included."""
        with self._lock:
            lines = [*self._lines, self._partial] if self._partial.strip() else list(self._lines)
        return lines[-count:]

    def forget(self) -> None:
        """Drop the lines in memory (a new backend starts); the file keeps them."""
        with self._lock:
            self._lines.clear()
            self._partial = ""

    def close(self) -> None:
        """Close the file; a later write opens it again."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _to_file(self, data: bytes) -> None:
        if self._given_up or self.path is None:
            return
        try:
            if self._file is None or self._size > MAX_FILE_BYTES:
                self._open(self.path)
            assert self._file is not None
            self._file.write(data)
            self._file.flush()
            self._size += len(data)
        except OSError as error:
            self._given_up = True
            self._lines.append(f"(the log file {self.path} cannot be written: {error})")

    def _open(self, path: Path) -> None:
        self._close()
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > MAX_FILE_BYTES:
            path.replace(path.with_name(path.name + ".1"))
        self._file = path.open("ab")
        self._size = self._file.tell()
