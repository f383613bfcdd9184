"""A model's own look at what it made: which action does the motion show?

A classifier of motions (:mod:`backend.models.motion_classifier`), trained on the real clips of the
model's data, lies in the model's folder. It chooses among candidates of one clip and tells when
none of them shows what was asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

import numpy as np

from ...models.motion_classifier import MIN_FRAMES, MotionClassifier, base, load, predict, save
from ...text.prompts.traits import traits

JUDGE = "judge"
JUDGE_FILES = (f"{JUDGE}.safetensors", f"{JUDGE}.json")


class Judge:
    """Says how probably a clip shows each of its labels."""

    def __init__(self, net: MotionClassifier) -> None:
        self._net = net

    @property
    def labels(self) -> tuple[str, ...]:
        """What it can tell apart."""
        return self._net.labels

    def probabilities(self, features: np.ndarray) -> dict[str, float]:
        """Label to probability of a clip.

        Args:
            features: smplrifke205 ``[T, 205]`` at 20 fps; shorter ones than 12 frames show nothing.
        """
        if len(features) < MIN_FRAMES:
            return {}
        found = predict(self._net, [base(features)])
        shares = zip(found.labels, found.probabilities[0].tolist(), strict=True)
        return dict(shares)

    def save(self, folder: Path) -> None:
        """Write it into a model folder."""
        save(self._net, folder / JUDGE, half=True)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read it from a model folder; :class:`ArtifactError` where it is damaged."""
        return cls(load(folder / JUDGE))


def shows(label: str, likely: Mapping[str, float]) -> float | None:
    """How probably a clip shows a label or one that looks alike; None where nothing can be said.

    Args:
        likely: label to probability.
    """
    if label not in likely:
        return None
    alike: Iterable[str] = {label, *traits().near.get(label, ())}
    return sum(likely.get(name, 0.0) for name in alike)
