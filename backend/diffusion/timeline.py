"""Several texts on one timeline, each with its own time and body parts.

STMC (Petrovich et al. 2024).
Each text is denoised over its own interval; a part of the body takes, at every time, the prediction
of one text. Where the text of a part changes, both predictions are kept for ``overlap`` frames and
an unconditional one is subtracted, which is the composition of scores of their equation 3.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InvalidRequest
from ..motion.body_parts import PART_JOINTS, ROOT_PART

FPS = 20.0
OVERLAP_SECONDS = 0.5
OVERLAP = int(FPS * OVERLAP_SECONDS)
"""Frames during which two neighbouring texts both count."""

_EXAMPLE = "walk in a circle # 0.0 # 6.0 # legs # spine"


@dataclass(frozen=True)
class Interval:
    """A text from frame ``start`` to before ``end`` on some parts of the body."""

    text: str
    start: int
    end: int
    parts: tuple[str, ...]


@dataclass(frozen=True)
class Segment:
    """Frames ``out`` of the timeline, taken from frames ``crop`` of the prediction ``index``."""

    out: tuple[int, int]
    crop: tuple[int, int]
    index: int


@dataclass(frozen=True)
class Timeline:
    """What to denoise and how to join it.

    Attributes:
        frames: length of the timeline.
        texts: one per prediction; the transitions at the end have the empty one.
        spans: frames of the timeline that each prediction covers.
        transitions: how many of the predictions are transitions.
        body_parts: per part, the segments that are added.
        between: per part, the segments of transitions that are subtracted.
    """

    frames: int
    texts: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    transitions: int
    body_parts: Mapping[str, tuple[Segment, ...]]
    between: Mapping[str, tuple[Segment, ...]]

    @property
    def lengths(self) -> tuple[int, ...]:
        """Frames of each prediction."""
        return tuple(end - start for start, end in self.spans)


def parse(lines: str, fps: float = FPS) -> list[Interval]:
    """A timeline written as ``text # start s # end s # part # part`` per line.

    Raises:
        InvalidRequest: a line that is not of that form, or an unknown part of the body.
    """
    intervals = []
    for line in filter(None, (line.strip() for line in lines.splitlines())):
        text, *fields = (field.strip() for field in line.split("#"))
        try:
            start, end = (int(fps * float(seconds)) for seconds in fields[:2])
        except (ValueError, OverflowError) as error:
            raise InvalidRequest(
                f"{line!r} is no line of a timeline.", f"Write {_EXAMPLE}."
            ) from error
        parts = tuple(p.strip() for field in fields[2:] for p in field.split(",") if p.strip())
        intervals.append(Interval(text, start, end, parts))
    return intervals


def plan(intervals: Sequence[Interval], overlap: int = OVERLAP) -> Timeline:
    """Which text moves which part when.

    Between two borders, the text that has the legs moves all parts (else the one with most parts),
    and the others take theirs from it, those with fewest parts last. Among equals the first named
    is the base and the last named wins a part; the official code draws lots there.

    Raises:
        InvalidRequest: no text, an interval without frames or parts, or a time without any text.
    """
    _check(intervals)
    frames, half = max(i.end for i in intervals), overlap // 2

    def wide(start: int, end: int) -> tuple[int, int]:
        return max(0, start - half), min(frames, end + half)

    runs = _runs(intervals, frames)
    spans = [wide(i.start, i.end) for i in intervals]
    borders = sorted({run[0] for part in runs.values() for run in part[1:]})
    crossing = {border: len(spans) + i for i, border in enumerate(borders)}
    spans += [wide(border, border) for border in borders]

    def segment(out: tuple[int, int], index: int) -> Segment:
        return Segment(out, (out[0] - spans[index][0], out[1] - spans[index][0]), index)

    return Timeline(
        frames,
        (*(i.text for i in intervals), *[""] * len(borders)),
        tuple(spans),
        len(borders),
        {p: tuple(segment(wide(*r[:2]), r[2]) for r in part) for p, part in runs.items()},
        {
            p: tuple(segment(wide(r[0], r[0]), crossing[r[0]]) for r in part[1:])
            for p, part in runs.items()
        },
    )


def _check(intervals: Sequence[Interval]) -> None:
    if not intervals:
        raise InvalidRequest("The timeline holds no text.", f"Write {_EXAMPLE}.")
    for interval in intervals:
        if not 0 <= interval.start < interval.end:
            raise InvalidRequest(
                f"{interval.text!r} goes from frame {interval.start} to {interval.end}.",
                "Let it begin at 0 or later and end after that.",
            )
        if not interval.parts or not set(interval.parts) <= set(PART_JOINTS):
            raise InvalidRequest(
                f"{interval.text!r} moves {', '.join(interval.parts) or 'nothing'}.",
                f"Name one or more of: {', '.join(PART_JOINTS)}.",
            )


def _runs(intervals: Sequence[Interval], frames: int) -> dict[str, list[tuple[int, int, int]]]:
    """Per part, ``(start, end, interval)`` without gaps; neighbours of one interval are one."""
    borders = sorted({0, *(b for i in intervals for b in (i.start, i.end))})
    runs: dict[str, list[tuple[int, int, int]]] = {part: [] for part in PART_JOINTS}
    for start, end in itertools.pairwise(borders):
        active = [n for n, i in enumerate(intervals) if i.start <= start and end <= i.end]
        if not active:
            raise InvalidRequest(
                f"No text says what happens from frame {start} to {end} of {frames}.",
                "Let one begin earlier or end later.",
            )
        for part, chosen in _assign(intervals, active).items():
            before = runs[part]
            if before and before[-1][2] == chosen and before[-1][1] == start:
                before[-1] = (before[-1][0], end, chosen)
            else:
                before.append((start, end, chosen))
    return runs


def _assign(intervals: Sequence[Interval], active: Sequence[int]) -> dict[str, int]:
    """The interval that moves each part while ``active`` ones are there."""

    def size(n: int) -> int:
        return len(set(intervals[n].parts))

    base = max(active, key=lambda n: (ROOT_PART in intervals[n].parts, size(n)))
    chosen = dict.fromkeys(PART_JOINTS, base)
    for n in sorted((n for n in active if n != base), key=size, reverse=True):
        chosen |= dict.fromkeys(intervals[n].parts, n)
    return chosen


def crops(x: Tensor, timelines: Sequence[Timeline]) -> tuple[Tensor, Tensor]:
    """What each prediction starts from: its span of the noisy timeline.

    Args:
        x: ``[B, T, D]`` one timeline per row.

    Returns:
        ``[N, L, D]`` all predictions of all timelines, zero past their ends, and ``[N, L]`` True
        where a frame is real.
    """
    longest = max(length for t in timelines for length in t.lengths)
    count = sum(len(t.spans) for t in timelines)
    out = x.new_zeros(count, longest, x.shape[-1])
    mask = torch.zeros(count, longest, dtype=torch.bool, device=x.device)
    spans = [(row, span) for row, t in enumerate(timelines) for span in t.spans]
    for n, (row, (start, end)) in enumerate(spans):
        out[n, : end - start] = x[row, start:end]
        mask[n, : end - start] = True
    return out, mask


def combine(
    predictions: Tensor,
    timelines: Sequence[Timeline],
    columns: Mapping[str, Sequence[int] | Tensor],
) -> Tensor:
    """Join predictions: texts are added, transitions subtracted, each on its part of the body.

    Args:
        predictions: ``[N, L, D]`` in the order of :func:`crops`.
        columns: of each part (``motion.body_parts.part_columns``).

    Returns:
        ``[B, T, D]`` with the length of the longest timeline; zero past the end of shorter ones.
    """
    frames = max(t.frames for t in timelines)
    out = predictions.new_zeros(len(timelines), frames, predictions.shape[-1])
    first = 0
    for row, timeline in enumerate(timelines):
        for sign, segments in ((1.0, timeline.body_parts), (-1.0, timeline.between)):
            for part, own in segments.items():
                at = torch.as_tensor(columns[part], device=out.device)
                for s in own:
                    piece = predictions[first + s.index, s.crop[0] : s.crop[1]]
                    out[row, s.out[0] : s.out[1], at] += sign * piece[:, at]
        first += len(timeline.spans)
    return out
