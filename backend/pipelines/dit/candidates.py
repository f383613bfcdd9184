"""Several drafts of one clip, and the first that shows what was asked for.

Sampling is cheap beside what a wrong motion costs, so a model with a judge draws a few candidates
of every canvas in one batch. The first whose scenes all look as asked is taken, in the order of the
seeds, so that the seeds of a person stay as different as they are; where none does, the best.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...text.prompts.reading import PartReading
from .judge import Judge, shows
from .script import Script

ENOUGH = 0.5
"""A scene that shows its action at least this probably is taken as it is."""
STRIDE = 7_919_017
"""Between the seeds of two candidates: far beyond the samples of a request."""


@dataclass(frozen=True)
class Seen:
    """How probably a scene of a clip shows each label, beside the part that was asked for."""

    part: PartReading
    likely: Mapping[str, float]

    @property
    def share(self) -> float | None:
        """How probably it shows what was asked for; None where nothing can be said."""
        return shows(self.part.label, self.likely) if self.part.label else None


def seeds_of(seed: int, samples: int, candidates: int) -> list[int]:
    """Seeds of the candidates of each sample, together; the first of sample i is ``seed + i``."""
    return [(seed + i + j * STRIDE) % 2**32 for i in range(samples) for j in range(candidates)]


def looked_at(clip: np.ndarray, script: Script, layer: int, judge: Judge) -> list[Seen]:
    """What each scene of a canvas ``[T, 205]`` shows; on a layer only scenes with something there.

    Scenes that repeat an action are judged by their first time.
    """
    return [
        Seen(
            part, judge.probabilities(clip[start : start + max(1, round(scene.made / scene.times))])
        )
        for part, scene, start in script.parts(layer)
    ]


def chosen(seen: Sequence[Sequence[Seen]]) -> int:
    """The candidate to take: the first that is good enough, else the one with the best scenes."""
    best, best_score = 0, -np.inf
    for number, scenes in enumerate(seen):
        shares = [s.share for s in scenes if s.share is not None]
        if all(share >= ENOUGH for share in shares):
            return number
        score = float(np.mean(np.log(np.maximum(shares, 1e-6))))
        if score > best_score:
            best, best_score = number, score
    return best
