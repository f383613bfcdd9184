"""Work on the scene in turns: what needs no Blender data is yielded, and may run on a thread.

A function in turns is a generator: it yields what is to be computed, a call without arguments, and
gets its result back. Between two turns Blender goes on, so a turn leaves the scene whole, and
whoever lets turns go on makes sure that the data that the function holds is still there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from typing import Any, TypeVar

Made = TypeVar("Made")
Work = Callable[[], Any]
Turns = Generator[Work, Any, Made]
"""Yields work, takes its result, returns what was made."""


def at_once(turns: Turns[Made]) -> Made:
    """All turns, and the work between them, here and now; raises what they raise."""
    try:
        work = next(turns)
        while True:
            try:
                made = work()
            except Exception as error:
                work = turns.throw(error)
            else:
                work = turns.send(made)
    except StopIteration as end:
        return end.value


class Apart(threading.Thread):
    """A piece of work on a thread of its own.

    Attributes:
        made, error: what came of it, once the thread has ended.
    """

    def __init__(self, work: Work) -> None:
        super().__init__(name="kinetype-keys", daemon=True)
        self._work = work
        self.made: Any = None
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        """Called by the thread."""
        try:
            self.made = self._work()
        except Exception as error:  # raised again where the turns go on
            self.error = error
