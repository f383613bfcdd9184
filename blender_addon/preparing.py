"""What must be read from the scene before a request can be sent: in parts, so that nothing freezes.

The pump lets it go on; a second one waits for the first.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import bpy

from .asking import asked_now
from .backend_access import KinetypeError
from .jobs import board

SLICE_SECONDS = 0.02
"""How long a call of the pump may work on it, but for the frame that it has begun."""


@dataclass
class Preparation:
    """Steps that yield (done, all) and return what ``then`` takes."""

    title: str
    steps: Generator[tuple[int, int], None, Any]
    then: Callable[[Any], None]
    done: int = 0
    total: int = 0

    @property
    def fraction(self) -> float:
        """0 to 1."""
        return self.done / self.total if self.total else 0.0

    @property
    def text(self) -> str:
        """For the progress bar."""
        return f"{self.title} {self.done}/{self.total}" if self.total else self.title

    def work(self) -> bool:
        """A slice of it; whether it came to its end.

        Raises:
            KinetypeError: of the steps or of ``then``.
        """
        until = time.perf_counter() + SLICE_SECONDS
        try:
            while True:
                self.done, self.total = next(self.steps)
                if time.perf_counter() > until:
                    return False
        except StopIteration as end:
            self.then(end.value)
            return True


_waiting: deque[Preparation] = deque()


def current() -> Preparation | None:
    """The one that goes on now."""
    return _waiting[0] if _waiting else None


def start(
    title: str,
    steps: Generator[tuple[int, int], None, Any],
    then: Callable[[Any], None],
) -> None:
    """Begin at once, and let the pump do what takes longer than a slice.

    Raises:
        KinetypeError: of the first slice; of later ones it is shown in the panel.
    """
    made = Preparation(title, steps, then)
    if _waiting or not made.work():
        _waiting.append(made)


def advance() -> bool:
    """Let the first one go on; True when something changed."""
    if not _waiting:
        return False
    now = _waiting[0]
    try:
        ended = now.work()
    except KinetypeError as error:
        board.report(error, asked_now(bpy.context))
        ended = True
    if ended and now in _waiting:
        _waiting.remove(now)
    return True


def cancel() -> None:
    """Drop all of them."""
    while _waiting:
        _waiting.popleft().steps.close()
