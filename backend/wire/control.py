"""Messages about the connection itself (not about one motion), and the description of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import InvalidRequest
from . import limits
from .directing import SAID

HEARTBEAT_SECONDS = 2.0
"""How often the client sends a :class:`Ping`."""
SERVER_SILENCE_SECONDS = 60.0
"""A server that answers nothing for this long hangs (imports of large libraries take seconds)."""
CLIENT_SILENCE_SECONDS = 600.0
"""A client silent for this long is gone without closing the pipe (a dropped ssh connection)."""


ABILITIES = {
    "generate": "make a motion from words",
    "edit": "edit a motion",
    "continue": "let a motion go on",
    "in_between": "make the middle of a motion anew",
    "describe": "describe a motion",
    "constrain": "reach given poses",
    "segments": "make one motion of several prompts in time",
    "estimate_length": "estimate how long a motion takes",
    "sample": "make motions of named actions",
}
"""What a model may be able to do, and how that is said ("the model cannot ...")."""
STATES = {
    "": "given by a program",
    "bundled": "comes with Kinetype",
    "absent": "not on this computer",
    "partial": "only partly downloaded",
    "downloaded": "downloaded by Kinetype",
    "found": "downloaded by another program",
    "linked": "a folder of yours",
    "converted": "converted by Kinetype",
}
"""Where a model's files are, and how that is said."""
REMOVABLE = ("partial", "downloaded", "linked", "converted")
"""States in which there is something of ours to remove."""
BYTE_STAGES = ("downloading", "checking", "loading model")
"""Stages of a progress whose steps are bytes."""
OPTIONS = ("guidance_scale", "steps", "sampler")
"""Fields of a request that a model may read or not."""


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
        state: a key of :data:`STATES`.
        path: the model directory on the backend's machine; empty when it has none yet.
        text_encoder: what reads the prompt, and whether it comes with the model.
        hub_id: "owner/name" of a published model that is downloaded; else empty.
        family: the card it belongs to; empty for a model that is registered by a program.
        abilities: keys of :data:`ABILITIES`.
        options: those of :data:`OPTIONS` that it reads.
        qualities: those of :data:`.limits.QUALITIES` that its family has beside "standard".
        constraints: types of constraints that it can be given (:data:`.directing.TYPES`).
        commercial_use: "yes" or "no"; empty where the licence has to be read.
        excluded_regions: where its licence grants nothing.
        size_bytes: of its files; about what a download takes where they are not here.
        encoder_bytes: of a text encoder that is fetched beside it.
        arrived_bytes: of a download that was not finished.
        memory_bytes: about what it needs while it works.
        speed: how long a motion takes, for people; empty where nobody measured.
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
    family: str = ""
    abilities: tuple[str, ...] = ("generate",)
    options: tuple[str, ...] = OPTIONS
    qualities: tuple[str, ...] = ()
    commercial_use: str = ""
    size_bytes: int = 0
    memory_bytes: int = 0
    state: str = ""
    excluded_regions: tuple[str, ...] = ()
    encoder_bytes: int = 0
    arrived_bytes: int = 0
    speed: str = ""
    constraints: tuple[str, ...] = ()

    def check_able(self, ability: str, known: Sequence[ModelInfo] = ()) -> None:
        """:class:`InvalidRequest` for what the model cannot do, with the known ones that can."""
        if ability in self.abilities:
            return
        able = [info.name for info in known if ability in info.abilities]
        use = f"Use {' or '.join(able)}, or another that can." if able else "Use another model."
        can = ", ".join(self.abilities).replace("_", " ")
        raise InvalidRequest(
            f"The model {self.name!r} cannot {ABILITIES[ability]}.",
            f"{use} This one can: {can}." if can else use,
        )

    def check_constraints(self, wanted: Sequence[str], known: Sequence[ModelInfo] = ()) -> None:
        """:class:`InvalidRequest` for types of constraints that the model cannot be given."""
        self.check_able("constrain", known)
        for each in wanted:
            if each not in self.constraints:
                able = [info.name for info in known if each in info.constraints]
                said = SAID.get(each, repr(each[:40]))
                raise InvalidRequest(
                    f"The model {self.name!r} cannot be told {said}.",
                    f"It can be told: {', '.join(self.constraints)}."
                    + (f" Use {' or '.join(able)} for this one." if able else ""),
                )

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

    def check_speed(self, seconds: float, speed: float) -> None:
        """:class:`InvalidRequest` where the model cannot make as much as a speed above 1 needs."""
        longest = self.max_seconds or limits.MAX_SECONDS
        if speed <= 1.0 or seconds * speed <= longest + 1e-6:
            return
        raise InvalidRequest(
            f"{seconds:g} seconds at {speed:g} times the speed need {seconds * speed:g} seconds of "
            f"motion; {self.title or self.name} makes up to {longest:g}.",
            f"Choose at most {longest / speed:g} seconds, or a lower speed.",
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
