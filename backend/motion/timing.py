"""Other tempi for stretches of a motion: the body does the same, sooner or later."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import InvalidRequest
from .filters import gaussian_filter1d
from .representations import motion135
from .resample import resample_at

EASE_SECONDS = 0.15
"""Over how long one tempo goes over into the next (standard deviation)."""
SLOWEST, FASTEST = 0.3, 3.0


def time_grid(spans: Sequence[tuple[int, int]], fps: float) -> np.ndarray:
    """Source positions (frames) for stretches that are to take another time than they have.

    Args:
        spans: ``(frames it has, frames it is to take)`` of each stretch, in order.

    Returns:
        ``[sum of the frames to take]``, increasing, from 0 to the last source frame.

    Raises:
        InvalidRequest: a tempo that is not between 0.3 and 3.
    """
    for source, target in spans:
        if source < 1 or target < 1 or not SLOWEST <= source / target <= FASTEST:
            raise InvalidRequest(
                f"A stretch of {source} frames cannot take {target}.",
                f"Choose a tempo from {SLOWEST:g} to {FASTEST:g}.",
            )
    pace = np.concatenate([np.full(target, source / target) for source, target in spans])
    if len(pace) == 1:
        return np.zeros(1)
    pace = gaussian_filter1d(pace, EASE_SECONDS * fps, mode="nearest")
    grid = np.concatenate([[0.0], np.cumsum(0.5 * (pace[1:] + pace[:-1]))])
    return grid * ((sum(source for source, _ in spans) - 1) / grid[-1])


def retimed(x: np.ndarray, spans: Sequence[tuple[int, int]], fps: float = 30.0) -> np.ndarray:
    """motion_135 whose stretches take other times; steps keep their length.

    The root goes the same way, so a walk at 0.7 of the tempo travels at 0.7 of the speed.

    Args:
        x: ``[T, 135]``, T the sum of the frames that the stretches have. spans: see
            :func:`time_grid`.
    """
    x = motion135.SPEC.check(x)
    if sum(source for source, _ in spans) != len(x):
        raise InvalidRequest(
            f"The stretches have {sum(s for s, _ in spans)} frames, the motion {len(x)}.",
            "Give stretches that cover the motion.",
        )
    if all(source == target for source, target in spans):
        return x.copy()
    return resample_at(x, time_grid(spans, fps))
