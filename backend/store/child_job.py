"""A piece of work in a child process that answers in JSON lines and can be ended at any moment.

The child reads one job from stdin and ends when stdin does, so that no work outlives its program.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, Self

POLL_SECONDS = 0.2


class ChildJob:
    """A child process with one job; leaving the block ends it.

    Args:
        command: arguments of this Python.
        job: what the child reads, one line of JSON.
        env: changes to this process's environment.
    """

    def __init__(
        self,
        command: Sequence[str],
        job: Mapping[str, object],
        *,
        env: Mapping[str, str] | None = None,
    ) -> None:
        paths = [(env or {}).get("PYTHONPATH", ""), *sys.path]
        environment = {**os.environ, **(env or {})}
        environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
        self._process = subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            # the window of a console must not flash up over Blender's
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        with suppress(OSError):  # it has ended already: its exit code is the answer
            self._process.stdin.write(json.dumps(job).encode() + b"\n")
            self._process.stdin.flush()
        self._lines: queue.Queue[bytes] = queue.Queue()
        reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                stream.close()  # type: ignore[union-attr]

    def _read(self, stream: IO[bytes]) -> None:
        with suppress(ValueError, OSError):  # closed while it is read
            for line in stream:
                self._lines.put(line)
        self._lines.put(b"")

    def line(self) -> bytes | None:
        """The next line, empty at the end; None after :data:`POLL_SECONDS` without one."""
        try:
            return self._lines.get(timeout=POLL_SECONDS)
        except queue.Empty:
            return None

    def code(self) -> int:
        """The exit code of a child whose lines have ended."""
        return self._process.wait()
