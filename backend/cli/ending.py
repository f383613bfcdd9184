"""Commands that are told to end: a scheduler's SIGTERM does what Ctrl-C does."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class Terminated(KeyboardInterrupt):
    """SIGTERM came. Unlike Ctrl-C, it reaches this process only, not those that it started."""


@contextlib.contextmanager
def tidily() -> Iterator[None]:
    """Within this block SIGTERM raises :class:`Terminated`, so that what was begun is removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


def _end(number: int, frame: FrameType | None) -> None:
    raise Terminated
