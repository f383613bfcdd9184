"""From the preferences to a session: the only place that knows the kinds of backend."""

from __future__ import annotations

from collections.abc import Callable

from . import environment
from .client.command import default_command
from .client.inprocess import InProcessSession
from .client.process import ProcessSession
from .client.session import Session
from .fixes import EnvironmentMissing
from .preferences import BackendSettings


def open_session(settings: BackendSettings) -> Session:
    """A session for these settings; nothing is started yet.

    Without Blender's online access the backend is told not to use the network. An own command is
    the user's and says that itself.

    Raises:
        EnvironmentMissing: the managed environment is chosen but not installed.
    """
    return _OPENERS[settings.backend](settings)


def _managed(settings: BackendSettings) -> Session:
    if not environment.is_ready(settings.environment):
        raise EnvironmentMissing(
            f"{environment.describe(settings.environment)}.",
            "Install it once, or choose another backend in the preferences.",
        )
    command = default_command(
        environment.python_in(settings.environment),
        device=settings.device,
        offline=settings.offline,
    )
    return ProcessSession(*command, log_path=settings.log)


def _in_process(settings: BackendSettings) -> Session:
    return InProcessSession(
        device=settings.device,
        local_files_only=settings.offline,
        log_path=settings.log,
    )


def _own_command(settings: BackendSettings) -> Session:
    return ProcessSession(settings.command, log_path=settings.log)


_OPENERS: dict[str, Callable[[BackendSettings], Session]] = {
    "MANAGED": _managed,
    "IN_PROCESS": _in_process,
    "COMMAND": _own_command,
}
