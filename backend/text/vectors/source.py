"""What a pipeline needs of something that turns prompts into vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from ...errors import InvalidRequest


class VectorSource(Protocol):
    """Prompts to vectors."""

    name: str
    """What to call it in a motion's meta: "table", "map", ..."""
    width: int

    def encode(self, texts: Sequence[str]) -> Tensor:
        """``[B, width]`` float32 on the CPU.

        Raises:
            InvalidRequest: a prompt that it cannot answer.
        """


class FirstThatKnows:
    """Several sources in order: the next one is asked where one cannot answer."""

    def __init__(self, sources: Sequence[VectorSource]) -> None:
        self.sources = list(sources)
        self.width = self.sources[0].width
        self.name = self.sources[0].name

    def encode(self, texts: Sequence[str]) -> Tensor:
        """See :class:`VectorSource`; raises what the first one said where none can answer."""
        first: InvalidRequest | None = None
        for source in self.sources:
            try:
                vectors = source.encode(texts)
            except InvalidRequest as error:
                first = first or error
                continue
            self.name = source.name
            return vectors
        assert first is not None
        raise first
