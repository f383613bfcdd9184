"""From the preferences to a session: the only place that knows the kinds of backend."""

from __future__ import annotations

from collections.abc import Callable

from . import environment
from .backend_access import KinetypeError
from .backend_settings import BackendSettings
from .client.command import default_command
from .client.inprocess import InProcessSession
from .client.process import ProcessSession
from .client.session import Session
from .fixes import EnvironmentMissing, EnvironmentMissingOffline


def open_session(settings: BackendSettings) -> Session:
    """A session for these settings; nothing is started yet.

    Without Blender's online access the backend is told not to use the network. An own command is
    the user's and says that itself.

    Raises:
        EnvironmentMissing: the managed environment is chosen but not installed.
    """
    return _OPENERS[settings.backend](settings)


def problem_with(settings: BackendSettings) -> KinetypeError | None:
    """Why no session can be opened; cheap enough for every redraw."""
    if settings.backend != "MANAGED" or environment.is_ready(settings.environment):
        return None
    state = f"{environment.describe(settings.environment)}."
    if settings.offline:
        return EnvironmentMissingOffline(
            state, "Allow online access and install it once, or choose another backend."
        )
    return EnvironmentMissing(
        state, "Install it once (it asks before it downloads), or choose another backend."
    )


def _managed(settings: BackendSettings) -> Session:
    problem = problem_with(settings)
    if problem is not None:
        raise problem
    command = default_command(
        environment.python_in(settings.environment),
        device=settings.device,
        offline=settings.offline,
        home=settings.home,
        proxy=settings.proxy,
    )
    return ProcessSession(*command, log_path=settings.log)


def _in_process(settings: BackendSettings) -> Session:
    return InProcessSession(
        device=settings.device,
        log_path=settings.log,
    )


def _own_command(settings: BackendSettings) -> Session:
    return ProcessSession(settings.command, log_path=settings.log)


_OPENERS: dict[str, Callable[[BackendSettings], Session]] = {
    "MANAGED": _managed,
    "IN_PROCESS": _in_process,
    "COMMAND": _own_command,
}
