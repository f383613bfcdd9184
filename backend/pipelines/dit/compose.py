"""Several windows of one model on one canvas: long clips and sequences of actions.

A canvas of any length is covered by windows that overlap by :data:`OVERLAP_FRAMES`. At every
denoising step each window is predicted on its own (all windows in one batch), and the predictions
are cross-faded into one prediction for the canvas, so that neighbours agree where they meet
(MultiDiffusion, Bar-Tal et al. 2023; DiffCollage, Zhang et al. 2023). Averaging works because the
representation has neither heading nor place, only speeds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ...diffusion.guidance import Denoiser
from ...errors import InvalidRequest

OVERLAP_FRAMES = 12
"""Frames that neighbouring windows share."""


@dataclass(frozen=True)
class Window:
    """``text`` acts on frames ``start .. start + length`` of a canvas."""

    text: str
    start: int
    length: int
    wish: Any = None
    """What the text asks for by name (:class:`.vocabulary.Wished`), where that was read."""

    @property
    def end(self) -> int:
        """The frame after the last."""
        return self.start + self.length


def plan_windows(
    parts: Sequence[str],
    frames: int,
    *,
    min_frames: int,
    max_frames: int,
    overlap: int = OVERLAP_FRAMES,
    shares: Sequence[int] | None = None,
    wishes: Sequence[object] | None = None,
    overlaps: Sequence[int] | None = None,
) -> list[Window]:
    """Cover a canvas of ``frames`` frames with windows that the model can make.

    The parts share the time equally, or as ``shares`` says (frames of each, together ``frames``);
    each reaches half an overlap into its neighbours. A part that is longer than ``max_frames``
    becomes several windows of the same text.

    Args:
        wishes: what each part asks for by name.
        overlaps: frames that each part shares with the next one, where they differ.

    Raises:
        InvalidRequest: the canvas is too short for so many parts.
    """
    count = len(parts)
    if count > 1 and frames < count * min_frames:
        raise InvalidRequest(
            f"The prompt tells {count} actions, and each needs {min_frames} frames "
            f"({frames} were asked for).",
            "Make the motion longer, or tell fewer actions.",
        )
    halves = [0, *(each // 2 for each in overlaps or [overlap] * (count - 1)), 0]
    edges = [round(index * frames / count) for index in range(count + 1)]
    if shares is not None:
        edges = [sum(shares[:index]) for index in range(count + 1)]
    windows = []
    for index, text in enumerate(parts):
        start = edges[index] - halves[index]
        end = edges[index + 1] + halves[index + 1]
        pieces = _cover(text, start, end - start, max_frames, overlap)
        if wishes is not None:
            pieces = [replace(piece, wish=wishes[index]) for piece in pieces]
        windows += pieces
    return windows


def shares_of(frames: int, shares: Sequence[float] | None) -> list[int] | None:
    """``frames`` divided by shares of sum 1."""
    if shares is None:
        return None
    edges = [round(frames * sum(shares[:index])) for index in range(len(shares))]
    return [b - a for a, b in zip(edges, [*edges[1:], frames], strict=True)]


def _cover(text: str, start: int, length: int, max_frames: int, overlap: int) -> list[Window]:
    """Windows of equal length up to ``max_frames`` that overlap by at least ``overlap``."""
    if length <= max_frames:
        return [Window(text, start, length)]
    count = math.ceil((length - overlap) / (max_frames - overlap))
    size = math.ceil((length + (count - 1) * overlap) / count)
    gap = (length - size) / (count - 1)
    return [Window(text, start + round(i * gap), size) for i in range(count)]


def window_weights(windows: Sequence[Window], frames: int) -> list[Tensor]:
    """Share of each window in each of its frames: linear ramps where windows meet, sum 1.

    Args:
        windows: in order of time.
        frames: of the canvas; every one must lie in some window.

    Returns:
        One ``[length]`` tensor per window.
    """
    total = torch.zeros(frames)
    ramps = []
    for index, window in enumerate(windows):
        ramp = torch.ones(window.length)
        if index:
            shared = windows[index - 1].end - window.start
            head = slice(0, max(shared, 0))
            ramp[head] = torch.minimum(ramp[head], _ramp(shared))
        if index + 1 < len(windows):
            shared = window.end - windows[index + 1].start
            tail = slice(window.length - max(shared, 0), window.length)
            ramp[tail] = torch.minimum(ramp[tail], _ramp(shared).flip(0))
        total[window.start : window.end] += ramp
        ramps.append(ramp)
    if not (total > 0).all():
        raise ValueError("the windows leave frames of the canvas uncovered")
    return [r / total[w.start : w.end] for r, w in zip(ramps, windows, strict=True)]


def _ramp(count: int) -> Tensor:
    return torch.arange(1, max(count, 0) + 1) / (count + 1)


class WindowedDenoiser:
    """A denoiser of canvases ``[B, T, D]`` made of one that knows single windows.

    Args:
        net: denoiser of windows ``[N, L, D]``, guidance included.
        windows: those of each canvas of the batch, in order of time.
        frames: length of each canvas; shorter ones are padded, and their padding stays zero.
        y: condition with one row per window, canvas after canvas.
    """

    def __init__(
        self,
        net: Denoiser,
        windows: Sequence[Sequence[Window]],
        frames: Sequence[int],
        y: dict[str, object],
    ) -> None:
        self._net = net
        self._y = y
        self._rows = [(b, w) for b, group in enumerate(windows) for w in group]
        self._weights = [
            weight
            for group, length in zip(windows, frames, strict=True)
            for weight in window_weights(group, length)
        ]
        self._longest = max(window.length for _, window in self._rows)

    def __call__(self, x: Tensor, timesteps: Tensor, y: dict[str, object]) -> Tensor:
        """Predict every window in one batch and cross-fade the predictions."""
        crops = x.new_zeros(len(self._rows), self._longest, x.shape[-1])
        for crop, (canvas, window) in zip(crops, self._rows, strict=True):
            crop[: window.length] = x[canvas, window.start : window.end]
        steps = timesteps[[canvas for canvas, _ in self._rows]]
        predicted = self._net(crops, steps, self._y)
        blended = torch.zeros_like(x)
        for row, (canvas, window) in enumerate(self._rows):
            weight = self._weights[row].to(x.device, x.dtype)[:, None]
            target = blended[canvas, window.start : window.end]
            target += weight * predicted[row, : window.length].to(x.dtype)
        return blended
