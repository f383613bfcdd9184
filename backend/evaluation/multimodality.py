"""MultiModality of a model: how much its motions for one caption differ.

The published protocol (Guo et al. 2022; MDM's "mm_short"): 100 captions of the test set, 30 motions
of each, and in every repeat 10 pairs of motions, the same pairs of sample numbers for all captions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InvalidRequest
from . import retrieval
from .intervals import Interval, confidence_interval

NAME = "MultiModality"
"""Its column in tables."""


@dataclass(frozen=True)
class Sizes:
    """How much is drawn; the published sizes by default.

    Attributes:
        captions: captions asked for; a set that has fewer gives all it has.
        samples: motions of each caption.
        pairs: pairs of them in each repeat, drawn twice without replacement.
    """

    captions: int = 100
    samples: int = 30
    pairs: int = 10

    def __post_init__(self) -> None:
        if self.captions < 1:
            raise InvalidRequest(
                f"{NAME} of {self.captions} captions is nothing.", "Give 1 or more."
            )
        if self.samples < 2:
            raise InvalidRequest(
                f"{NAME} compares motions of one caption; {self.samples} leaves nothing to "
                "compare.",
                "Make 2 or more of each caption.",
            )
        if not 1 <= self.pairs <= self.samples:
            raise InvalidRequest(
                f"{self.pairs} pairs cannot be drawn from {self.samples} motions of a caption.",
                f"Choose from 1 to {self.samples} pairs, or make more motions.",
            )


class Draw:
    """All that chance decides, from one seed: first the captions, then the pairs of each repeat.

    It has a generator of its own, so that the other columns of a table stay what they are without
    this one.
    """

    def __init__(self, sizes: Sizes, seed: int) -> None:
        self._sizes = sizes
        self._rng = np.random.default_rng(seed)

    def captions(self, texts: Sequence[str]) -> list[int]:
        """Places of the chosen texts, in their order; of equal texts the first can be chosen."""
        places = np.unique(np.asarray(list(texts)), return_index=True)[1]
        count = min(self._sizes.captions, len(places))
        return sorted(self._rng.choice(np.sort(places), count, replace=False).tolist())

    def value(self, embeddings: np.ndarray, repeats: int) -> Interval:
        """The metric with its interval over repeats.

        Args:
            embeddings: ``[captions, samples, D]``.

        Raises:
            FormatError: fewer samples than pairs, or values that are not finite.
        """
        found = [
            retrieval.multimodality(embeddings, self._sizes.pairs, self._rng)
            for _ in range(repeats)
        ]
        return confidence_interval(found)
