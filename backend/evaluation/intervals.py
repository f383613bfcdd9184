"""How sure a number is: intervals over repeats, and the bootstrap for small samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Z95 = 1.96
"""Half width of a 95% interval in standard errors, as the published tables use it."""


@dataclass(frozen=True)
class Interval:
    """``mean`` and the bounds of the 95% interval."""

    mean: float
    low: float
    high: float

    def times(self, factor: float) -> Interval:
        """In another unit."""
        return Interval(*(factor * v for v in (self.mean, self.low, self.high)))

    def __str__(self) -> str:
        half = (self.high - self.low) / 2
        return f"{self.mean:.3f} ± {half:.3f}"


def confidence_interval(values: Sequence[float] | np.ndarray) -> Interval:
    """Mean of repeats with ``1.96 * std / sqrt(n)`` (population std), as published.

    It tells how far the mean would move if the repeats were drawn again, not how far the metric
    would move with other motions.
    """
    values = np.asarray(values, np.float64)
    half = Z95 * values.std() / np.sqrt(len(values))
    return Interval(float(values.mean()), float(values.mean() - half), float(values.mean() + half))


def around(value: float, redraws: Sequence[float] | np.ndarray) -> Interval:
    """``value`` with 1.96 standard deviations of its redraws to both sides.

    For estimates that redraws are biased against: their percentiles can leave the estimate out.
    """
    half = Z95 * float(np.std(redraws))
    return Interval(value, value - half, value + half)


def bootstrap(
    statistic: Callable[[np.ndarray], float],
    samples: int,
    *,
    repeats: int = 1000,
    rng: np.random.Generator | None = None,
) -> Interval:
    """95% percentile interval of ``statistic(indices)`` with indices drawn with replacement.

    Args:
        statistic: takes ``[samples]`` integer indices.

    Returns:
        The statistic on all samples, and the 2.5th and 97.5th percentile of the redraws. Distances
        between distributions grow when samples repeat: use :func:`around` for those.
    """
    rng = rng or np.random.default_rng(0)
    draws = [statistic(rng.integers(0, samples, samples)) for _ in range(repeats)]
    low, high = np.percentile(draws, (2.5, 97.5))
    return Interval(float(statistic(np.arange(samples))), float(low), float(high))
