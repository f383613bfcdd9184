"""The one installation of the managed environment that may be under way."""

from __future__ import annotations

from .backend_access import Cancelled
from .install_plan import Plan
from .installation import Installation
from .jobs import Notice, board

STOP_SECONDS = 5.0

current: Installation | None = None


def start(plan: Plan) -> Installation:
    """Begin an installation in the background."""
    global current
    current = Installation(plan)
    current.start()
    return current


def running() -> bool:
    """Whether one is under way."""
    return current is not None and not current.finished


def drain() -> bool:
    """Take over the end of an installation; True when something changed."""
    global current
    if current is None:
        return False
    if not current.finished:
        return True
    done, current = current, None
    if done.error is None:
        board.dismiss()
        board.message = "The backend is installed."
        board.forget_session()
    elif isinstance(done.error, Cancelled):
        board.message = done.error.message
    else:
        board.error = Notice.of(done.error)
    return True


def shut_down() -> None:
    """Stop an installation and wait for its thread a moment."""
    global current
    if current is not None:
        current.cancel()
        current.join(STOP_SECONDS)
        current = None
