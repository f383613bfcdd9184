"""What a server still has to send, written by a thread of its own.

A client that does not read fills the pipe, and a write then waits for ever. Only this thread may
wait so: the one that reads must go on to see the end of the stream, which ends the process.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import BinaryIO

MAX_UNREAD = 256
"""Messages that wait for the client; progress beyond them is left out, results are waited with."""
MAX_UNREAD_BYTES = 2**26


class Outbox:
    """Frames in order.

    Args:
        stream: where they go.
        broken: called on the writing thread when the stream has ended.
    """

    def __init__(self, stream: BinaryIO, broken: Callable[[], object]) -> None:
        self._stream, self._broken = stream, broken
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._write, name="kinetype-writer", daemon=True)
        self._thread.start()

    def put(self, frame: bytes, *, wait: bool = False) -> bool:
        """Send a frame; False where it was left out because too many wait.

        Args:
            wait: stand in line where too many wait; for threads that may wait.
        """
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: not self._is_full() or self._closing)
            elif self._is_full():
                return False
            self._frames.append(frame)
            self._bytes += len(frame)
            self._changed.notify_all()
        return True

    def close(self, timeout: float) -> None:
        """Send what waits, for ``timeout`` seconds at most."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout)

    def _is_full(self) -> bool:
        return len(self._frames) >= MAX_UNREAD or self._bytes >= MAX_UNREAD_BYTES

    def _write(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._frames or self._closing)
                if not self._frames:
                    return
                frame = self._frames.popleft()
            try:
                self._stream.write(frame)
                self._stream.flush()
            except (OSError, ValueError):
                self._broken()
                return
            with self._changed:
                self._bytes -= len(frame)
                self._changed.notify_all()
