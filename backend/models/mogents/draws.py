"""Random numbers of the token samplers, in the order in which the released code draws them.

A batch has either one generator (the released way: what a clip gets depends on its batch) or one
per clip (then a clip gets what it would get alone).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor


class Draws(Protocol):
    """A source of noise for tokens ``[B, S]`` with ``V`` classes, S padded to the longest clip."""

    def exponential(self, tokens: Sequence[int], classes: int) -> Tensor:
        """``[B, S, V]``: ``argmax(p / noise)`` is one draw from p, as ``torch.multinomial`` does.

        Args:
            tokens: real tokens of each clip.
        """

    def uniform(self, tokens: Sequence[int], classes: int, *, positions_first: bool) -> Tensor:
        """``[B, S, V]`` in [0, 1).

        Args:
            positions_first: filled in the order (position, clip, class) instead of
                (clip, class, position): the storage order of the logits that it is added to.
        """

    def bins(self, probabilities: Tensor) -> Tensor:
        """One draw from each row of ``[B, bins]``."""


class BatchDraws:
    """One generator for the whole batch."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def exponential(self, tokens: Sequence[int], classes: int) -> Tensor:
        """See :class:`Draws`."""
        batch, longest = len(tokens), max(tokens)
        return _exponential(batch * longest, classes, self.generator).view(batch, longest, classes)

    def uniform(self, tokens: Sequence[int], classes: int, *, positions_first: bool) -> Tensor:
        """See :class:`Draws`."""
        return _uniform(len(tokens), max(tokens), classes, self.generator, positions_first)

    def bins(self, probabilities: Tensor) -> Tensor:
        """See :class:`Draws`."""
        rows, classes = probabilities.shape
        noise = _exponential(rows, classes, self.generator).to(probabilities)
        return (probabilities / noise).argmax(dim=-1)


class ClipDraws:
    """One generator per clip: a clip's tokens do not depend on its batch."""

    def __init__(self, generators: Sequence[torch.Generator]) -> None:
        self.generators = list(generators)

    def exponential(self, tokens: Sequence[int], classes: int) -> Tensor:
        """See :class:`Draws`."""
        out = torch.ones(len(tokens), max(tokens), classes)
        for row, count, source in zip(out, tokens, self.generators, strict=True):
            row[:count] = _exponential(count, classes, source)
        return out

    def uniform(self, tokens: Sequence[int], classes: int, *, positions_first: bool) -> Tensor:
        """See :class:`Draws`."""
        out = torch.full((len(tokens), max(tokens), classes), 0.5)
        for row, count, source in zip(out, tokens, self.generators, strict=True):
            row[:count] = _uniform(1, count, classes, source, positions_first)[0]
        return out

    def bins(self, probabilities: Tensor) -> Tensor:
        """See :class:`Draws`."""
        noise = [_exponential(1, probabilities.shape[1], source) for source in self.generators]
        return (probabilities / torch.cat(noise).to(probabilities)).argmax(dim=-1)


def _exponential(rows: int, classes: int, generator: torch.Generator) -> Tensor:
    return torch.empty(rows, classes).exponential_(1, generator=generator)


def _uniform(
    batch: int, length: int, classes: int, generator: torch.Generator, positions_first: bool
) -> Tensor:
    if positions_first:
        return torch.rand(length, batch, classes, generator=generator).transpose(0, 1)
    return torch.rand(batch, classes, length, generator=generator).transpose(1, 2)
