"""What motion uses of scipy. It is imported by the first call: most generations need none of it,
and its import takes longer than their arithmetic.
"""

from __future__ import annotations

import numpy as np


def gaussian_filter1d(
    x: np.ndarray, sigma: float, *, axis: int = -1, mode: str = "reflect"
) -> np.ndarray:
    """As ``scipy.ndimage.gaussian_filter1d``, up to rounding also where there is no scipy."""
    try:
        from scipy import ndimage
    except ModuleNotFoundError:
        return _gaussian(np.asarray(x, np.float64), sigma, axis, mode)
    return np.asarray(ndimage.gaussian_filter1d(x, sigma, axis=axis, mode=mode))


def _gaussian(x: np.ndarray, sigma: float, axis: int, mode: str) -> np.ndarray:
    """The filter itself: four standard deviations to each side."""
    radius = int(4.0 * sigma + 0.5)
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / max(sigma, 1e-12)) ** 2)
    taps /= taps.sum()
    # scipy's "reflect" repeats the edge, NumPy calls that symmetric
    pad = {"reflect": "symmetric", "mirror": "reflect", "nearest": "edge"}[mode]
    moved = np.moveaxis(x, axis, 0)
    wide = np.pad(moved, [(radius, radius)] + [(0, 0)] * (moved.ndim - 1), mode=pad)  # type: ignore[call-overload]
    out = np.zeros_like(moved)
    for number, tap in enumerate(taps):
        out += tap * wide[number : number + len(moved)]
    return np.moveaxis(out, 0, axis)


def maximum_filter1d(x: np.ndarray, size: int, *, mode: str = "reflect") -> np.ndarray:
    """As ``scipy.ndimage.maximum_filter1d``."""
    from scipy import ndimage

    return np.asarray(ndimage.maximum_filter1d(x, size, mode=mode))


def solveh_banded(bands: np.ndarray, right: np.ndarray) -> np.ndarray:
    """As ``scipy.linalg.solveh_banded``."""
    from scipy.linalg import solveh_banded as solve

    return np.asarray(solve(bands, right))


def find_peaks(x: np.ndarray, *, prominence: float, distance: float) -> np.ndarray:
    """Indices as ``scipy.signal.find_peaks`` gives them."""
    from scipy import signal

    return np.asarray(signal.find_peaks(x, prominence=prominence, distance=distance)[0])


def banded_difference(weights: np.ndarray, frames: int) -> np.ndarray:
    """``D^T diag(weights) D`` of the first difference D, in upper banded form ``[3, frames]``."""
    band = np.zeros((3, frames))
    band[2, :-1] += weights
    band[2, 1:] += weights
    band[1, 1:] = -weights
    return band


def banded_second_difference(weights: np.ndarray, frames: int) -> np.ndarray:
    """``D^T diag(weights) D`` of the second difference D, in upper banded form ``[3, frames]``."""
    band = np.zeros((3, frames))
    for offset, value in enumerate((1.0, -2.0, 1.0)):
        band[2, offset : frames - 2 + offset] += weights * value**2
    band[1, 1:-1] += -2.0 * weights
    band[1, 2:] += -2.0 * weights
    band[0, 2:] = weights
    return band
