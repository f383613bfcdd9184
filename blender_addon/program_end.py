"""How the programs that are started in a Blender without windows are brought to an end."""

from __future__ import annotations

import _thread
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

EXIT_CANCELLED = 130
"""What a shell reports for a program that Ctrl-C ended."""
PATIENCE_SECONDS = 60.0
"""For a frame to be finished once nobody waits for it any more."""


def follow_stdin() -> None:
    """End this process when its input ends: whoever started it is gone or has given up."""
    # not sys.stdin: a thread that waits in it stops the interpreter from ending
    while os.read(0, 4096):
        pass
    _thread.interrupt_main()
    time.sleep(PATIENCE_SECONDS)
    os._exit(EXIT_CANCELLED)


@contextmanager
def once() -> Iterator[None]:
    """Ctrl-C and SIGTERM raise KeyboardInterrupt, once: a second must not disturb the tidying."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    ended = False

    def end(*_: object) -> None:
        nonlocal ended
        if not ended:
            ended = True
            raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
