"""Smooth curves through what must be: how a displacement comes and goes without a pop."""

from __future__ import annotations

import numpy as np

_EASE = 0.05  # s: how fast a foot may be moved away from where it was
_MEMORY = 0.35  # s: how long a swinging foot may stay displaced
_WINDOW = 480  # frames that are solved together
_OVERLAP = 60
_TREND_TIME = 0.2  # s
_FADE = 0.12  # s of a contact's beginning and end


def faded(flags: np.ndarray, fps: float) -> np.ndarray:
    """Weights 0 to 1: 1 in a contact, rising before it and falling after it."""
    steps = max(1, round(_FADE * fps))
    kernel = np.hanning(2 * steps + 3)[1:-1]
    wide = np.pad(flags.astype(np.float64), steps, mode="edge")
    grown = np.lib.stride_tricks.sliding_window_view(wide, 2 * steps + 1).max(-1)
    blurred = np.convolve(np.pad(grown, steps, mode="edge"), kernel / kernel.sum(), "valid")
    return np.where(flags, 1.0, blurred)


def after(stands: np.ndarray, fps: float) -> np.ndarray:
    """``[T]`` 1 at the end of a contact, falling to 0 within the time that a foot remembers it."""
    steps = max(1, round(_TREND_TIME * fps))
    kernel = 1.0 - np.abs(np.arange(-steps, steps + 1)) / (steps + 1)
    kernel[steps + 1 :] = 0.0
    wide = np.pad(stands.astype(np.float64), steps)
    windows = np.lib.stride_tricks.sliding_window_view(wide, 2 * steps + 1)
    near = (windows * kernel).max(-1)
    return near * near * (3.0 - 2.0 * near)


def runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """First and one past the last frame of each stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def smooth(wanted: np.ndarray, pull: np.ndarray, fps: float, ease: float = _EASE) -> np.ndarray:
    """``[T, C]`` nearest to ``wanted`` where ``pull [T]`` says so, smooth, and small elsewhere.

    Minimises ``sum pull (c - wanted)^2 + sum (ease / memory)^2 c^2 + sum ease^4 (d2c/dt2)^2``.
    """
    frames = len(wanted)
    if not np.any(pull[:, None] * np.abs(wanted) > 0):
        return np.zeros_like(wanted)
    if frames <= _WINDOW + _OVERLAP:
        return _solved(wanted, pull, fps, ease)
    out, start = np.zeros_like(wanted), 0
    while start < frames:
        first, last = max(0, start - _OVERLAP), min(frames, start + _WINDOW + _OVERLAP)
        part = _solved(wanted[first:last], pull[first:last], fps, ease)
        ramp = np.clip((np.arange(first, last) - start + _OVERLAP / 2) / _OVERLAP, 0.0, 1.0)
        ramp = np.ones(last - first) if start == 0 else ramp * ramp * (3.0 - 2.0 * ramp)
        out[first:last] += ramp[:, None] * (part - out[first:last])
        start += _WINDOW
    return out


def _solved(wanted: np.ndarray, pull: np.ndarray, fps: float, ease: float) -> np.ndarray:
    frames = len(wanted)
    matrix = np.zeros((frames, frames))
    rows = np.arange(frames)
    rest = (ease / _MEMORY) ** 2
    matrix[rows, rows] = pull + rest * (pull == 0.0) + 1e-6
    if frames > 2:
        second = np.zeros((frames - 2, frames))
        middle = np.arange(frames - 2)
        for offset, value in enumerate((1.0, -2.0, 1.0)):
            second[middle, middle + offset] = value
        bend = (ease * fps) ** 4
        for near in range(3):  # the product of the banded matrix with itself, band by band
            band = (second[:, : frames - near] * second[:, near:]).sum(0)
            matrix[rows[: frames - near], rows[near:]] += bend * band
            if near:
                matrix[rows[near:], rows[: frames - near]] += bend * band
    return np.linalg.solve(matrix, pull[:, None] * wanted)
