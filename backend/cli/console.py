"""What commands say to people: errors, warnings and progress, all on stderr.

stdout carries results only (written paths, tables, JSON), so that scripts can read it.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..wire.control import BYTE_STAGES

if TYPE_CHECKING:
    from ..wire.messages import Progress

LOG_SECONDS = 10.0
"""Between two states of a bar where stderr is a file: enough to see that it moves."""

_RED, _YELLOW, _CYAN, _PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[36m", "\x1b[0m"


def _say(label: str, colour: str, text: str) -> None:
    if sys.stderr.isatty() and "NO_COLOR" not in os.environ:
        label = f"{colour}{label}{_PLAIN}"
    print(f"{label} {text}", file=sys.stderr, flush=True)


def error(message: str, hint: str = "") -> None:
    """What went wrong and, on a line of its own, what to do about it."""
    _say("error:", _RED, message)
    if hint:
        _say("hint:", _CYAN, hint)


def warning(message: str) -> None:
    """Something the person should know about the result."""
    _say("warning:", _YELLOW, message)


def note(message: str) -> None:
    """A plain line."""
    print(message, file=sys.stderr, flush=True)


def detail(text: str) -> None:
    """Technical text under an error (``--debug``)."""
    if text:
        note(text.rstrip())


@contextmanager
def training_bar(*, quiet: bool = False) -> Iterator[Callable[[int, float, str], None]]:
    """A bar over the budget of a training; the block gets ``move(step, share 0..1, loss)``."""
    from tqdm import tqdm

    form = "{desc} {percentage:5.1f}%|{bar:24}| {elapsed}<{remaining}"
    with tqdm(total=1000, disable=quiet, bar_format=form) as bar:

        def move(step: int, share: float, loss: str) -> None:
            bar.n = round(1000 * share)
            bar.set_description_str(f"step {step} {loss}", refresh=step % 20 == 0)

        yield move


class ProgressBars:
    """Shows :class:`Progress` reports as one bar per stage: pass :meth:`update` as callback.

    A stage without a known length shows a running clock, so that nothing looks frozen.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._bar: Any = None
        self._stage: str | None = None
        self._stop_clock = threading.Event()
        self._clock: threading.Thread | None = None

    def update(self, progress: Progress) -> None:
        """Move the bar of the report's stage; a new stage finishes the bar before it."""
        self.show(progress.stage, progress.step, progress.total)

    def show(self, stage: str, step: int, total: int) -> None:
        """As :meth:`update`, from plain values."""
        if self._quiet:
            return
        changed = stage != self._stage or step < self._bar.n
        if changed or (total or None) != self._bar.total:
            self._start(stage, total)
        self._bar.update(step - self._bar.n)

    def update_stage(self, stage: str) -> None:
        """Begin a stage that reports no steps."""
        if not self._quiet:
            self._start(stage, 0)

    def _start(self, stage: str, total: int) -> None:
        from tqdm import tqdm

        self.close()
        self._stage = stage
        counted = "{desc} {percentage:3.0f}%|{bar:24}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}]"
        in_bytes = stage in BYTE_STAGES
        self._bar = tqdm(
            total=total or None,
            desc=f"{stage:<16}",
            unit="B" if in_bytes else "it",
            unit_scale=in_bytes,
            file=sys.stderr,
            mininterval=0.1 if sys.stderr.isatty() else LOG_SECONDS,
            bar_format=counted if total else "{desc} [{elapsed}]",
        )
        if not total and sys.stderr.isatty():
            self._stop_clock = threading.Event()
            self._clock = threading.Thread(
                target=_run_clock, args=(self._bar, self._stop_clock), daemon=True
            )
            self._clock.start()

    def close(self) -> None:
        """Finish the last bar."""
        if self._clock is not None:
            self._stop_clock.set()
            self._clock.join()
            self._clock = None
        if self._bar is not None:
            self._bar.close()
            self._bar = None
            self._stage = None

    def __enter__(self) -> ProgressBars:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _run_clock(bar: Any, stop: threading.Event) -> None:
    while not stop.wait(0.5):
        bar.refresh()
