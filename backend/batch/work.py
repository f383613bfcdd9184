"""Work cut into chunks: what every engine hands to its workers, and what comes back.

A chunk is fixed by the plan, never by who does it: it is the unit of work, of a retry and of a
resumed run, so that files have the same bits however many workers made them and however often a
run was stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from ..errors import InvalidRequest

DONE, KEPT, FAILED = "done", "kept", "failed"


class Named(Protocol):
    """One thing to do; its name is unique in a run and that of its files."""

    @property
    def name(self) -> str: ...


ItemT = TypeVar("ItemT", bound=Named)
TakenT = TypeVar("TakenT", bound=Named, contravariant=True)


@dataclass(frozen=True)
class Outcome:
    """What became of one item.

    Attributes:
        name: of the item.
        status: done, kept (an earlier run had made it with the same settings) or failed.
        key: digest of all that the files depend on.
        files: names of its files, relative to the run folder.
        seconds: of computing, start-up not counted.
        warnings: texts for a person.
        message, hint: of the error, when failed.
        quarantined: it ended its worker every time and was given up.
        record: what a kind of work has to say besides, in plain values.
    """

    name: str
    status: str
    key: str = ""
    files: tuple[str, ...] = ()
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    message: str = ""
    hint: str = ""
    quarantined: bool = False
    record: dict[str, object] | None = None


class Work(Protocol[TakenT]):
    """What a worker does; made of plain values, since it travels to other processes and machines.

    ``run`` catches what goes wrong with an item and says so in its outcome; an exception that
    leaves it makes the whole chunk suspicious (see :mod:`.drive`).
    """

    def load(self) -> None:
        """Once per worker, before the first chunk: models, and whatever else takes long."""

    def run(self, items: Sequence[TakenT]) -> list[Outcome]:
        """Do a chunk; one outcome per item, in order."""


@dataclass(frozen=True)
class Chunk(Generic[ItemT]):
    """Items that one worker does in one go."""

    index: int
    items: tuple[ItemT, ...]


def cut(items: Sequence[ItemT], size: int) -> Iterator[Chunk[ItemT]]:
    """``items`` in their order as chunks of ``size``, the last one shorter.

    Raises:
        InvalidRequest: a size below 1.
    """
    if size < 1:
        raise InvalidRequest(f"A chunk of {size} items cannot be.", "Use 1 or more.")
    for index, start in enumerate(range(0, len(items), size)):
        yield Chunk(index, tuple(items[start : start + size]))
