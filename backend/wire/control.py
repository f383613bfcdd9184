"""Messages about the connection itself (not about one motion), and the description of a model."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InvalidRequest

HEARTBEAT_SECONDS = 2.0
"""How often the client sends a :class:`Ping`."""
SERVER_SILENCE_SECONDS = 60.0
"""A server that answers nothing for this long hangs (imports of large libraries take seconds)."""
CLIENT_SILENCE_SECONDS = 600.0
"""A client silent for this long is gone without closing the pipe (a dropped ssh connection)."""


@dataclass(frozen=True)
class ModelInfo:
    """What a person needs to know to choose a model; cheap to make, nothing is loaded.

    Attributes:
        name: what ``Request.model`` holds.
        representation: native representation ("smplrifke205", "hml263", ...).
        fps: native frame rate.
        min_seconds, max_seconds: lengths the model was made for.
        ready: all files are present, so a request needs no download.
        problem, fix: why it is not ready and what to do; empty when it is.
        path: the model directory on the backend's machine; empty when it has none yet.
        text_encoder: what reads the prompt, and whether it comes with the model.
        hub_id: "owner/name" of a published model that is downloaded; else empty.
    """

    name: str
    title: str
    description: str = ""
    licence: str = ""
    representation: str = ""
    fps: float = 0.0
    min_seconds: float = 0.0
    max_seconds: float = 0.0
    ready: bool = True
    problem: str = ""
    fix: str = ""
    path: str = ""
    text_encoder: str = ""
    hub_id: str = ""

    def check_seconds(self, seconds: float) -> None:
        """:class:`InvalidRequest` for a length that the model was not made for.

        A model that names no lengths leaves that to its pipeline.
        """
        if self.max_seconds <= 0.0 or self.min_seconds <= seconds <= self.max_seconds:
            return
        raise InvalidRequest(
            f"{self.title} cannot make {seconds:g} seconds.",
            f"Choose from {self.min_seconds:g} to {self.max_seconds:g} seconds.",
        )


@dataclass(frozen=True)
class Hello:
    """First message of a client. ``version`` is the version of its Kinetype package."""

    version: str
    client: str = ""


@dataclass(frozen=True)
class Ready:
    """The server's answer to :class:`Hello`: it takes requests from now on."""

    version: str
    pid: int = 0
    host: str = ""


@dataclass(frozen=True)
class Ping:
    """Heartbeat; the server answers with a :class:`Pong` of the same number, also while busy."""

    number: int


@dataclass(frozen=True)
class Pong:
    """Answer to a :class:`Ping`."""

    number: int


@dataclass(frozen=True)
class Cancel:
    """Stop the queued or running job ``id``; it then ends with a ``cancelled`` failure."""

    id: str


@dataclass(frozen=True)
class ListModels:
    """Ask for :class:`Models`."""

    id: str


@dataclass(frozen=True)
class Models:
    """The models the backend knows, ready or not."""

    id: str
    models: tuple[ModelInfo, ...]


@dataclass(frozen=True)
class Shutdown:
    """Ask the server to end; what is queued or running is dropped."""


@dataclass(frozen=True)
class Log:
    """A line for the person's log. ``level`` is "info", "warning" or "error"."""

    level: str
    text: str


class Silence:
    """Counts how long a peer has been silent, in ticks of the observer's own clock.

    Ticks, not wall time: when this process itself was asleep (a suspended laptop, a host
    application that kept the interpreter lock) the peer is not blamed for it.
    """

    def __init__(self, limit_seconds: float, tick_seconds: float) -> None:
        self._limit = max(2, round(limit_seconds / tick_seconds))
        self._ticks = 0

    def heard(self) -> None:
        """The peer said something."""
        self._ticks = 0

    def tick(self) -> bool:
        """One tick passed; True when the peer has been silent for the limit."""
        self._ticks += 1
        return self._ticks >= self._limit
