"""Several prompts in a row, and one part of a clip made anew: each a sample around known frames.

A segment after the first begins inside what exists: its first frames are kept as constraints, the
features are cross-faded over them, and the rest of the overlap is replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ...errors import InvalidRequest
from ...motion.representations import kimodo as features_of
from ...motion.representations.kimodo_skeletons import KimodoSkeleton
from .constraints import FULL_BODY, Observed, PoseConstraint, nothing, observed

HELD = 5
"""Frames that a new segment is told to begin with, and over which it is faded in."""
OVERLAP = 0.10
"""Share of the segment before that a new one sees too."""

SampleSegment = Callable[[int, Observed, float], np.ndarray]
"""``(segment, known, first heading rad) -> features [len(known), dim]``, un-normalised."""


@dataclass(frozen=True)
class Segment:
    """How one segment continues a clip: it replaces the last ``overlap`` frames of it."""

    frames: int
    overlap: int = 0

    @property
    def made(self) -> int:
        """Frames to sample."""
        return self.frames + self.overlap


def plan(lengths: Sequence[int], before: int = 0) -> list[Segment]:
    """Segments of the given new frames; ``before`` frames exist already.

    Raises:
        InvalidRequest: a segment too short to be continued.
    """
    out = []
    for length in lengths:
        overlap = 0 if not before else HELD + int(OVERLAP * before)
        if before and overlap > before:
            raise InvalidRequest(
                f"A part of {before} frames is too short to go on from.",
                f"Give every part at least {HELD + 1} frames.",
            )
        out.append(Segment(length, overlap))
        before = length
    return out


def shares(frames: int, parts: int) -> list[int]:
    """``frames`` in ``parts`` nearly equal whole numbers."""
    edges = [round(frames * i / parts) for i in range(parts + 1)]
    return [end - start for start, end in pairwise(edges)]


def sample_sequence(
    sample: SampleSegment,
    segments: Sequence[Segment],
    skeleton: KimodoSkeleton,
    *,
    known: Observed | None = None,
    heading: float = 0.0,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """Features ``[T, dim]`` of all segments, one after the other.

    Args:
        known: constraints of the whole result, in its own time and place.
        heading: of the first frame, rad.
        start: features that the first segment continues.
    """
    clip = start
    for number, segment in enumerate(segments):
        done = 0 if clip is None else len(clip)
        first = done - segment.overlap
        asked = (known or nothing(done, skeleton)).window(first, first + segment.made)
        if clip is None or not segment.overlap:
            clip = sample(number, asked, heading)
            continue
        kept = clip[first:]
        decoded = features_of.decode(kept[:HELD], skeleton)
        place = decoded.smooth_root[0, [0, 2]]
        around = _poses(decoded, np.arange(HELD), segment.made, skeleton)
        own = around.over(asked).moved(-place[0], -place[1])
        turned = float(features_of.heading_of(decoded.joints[0], skeleton))
        made = sample(number, own, turned)
        made[:, [0, 2]] += place.astype(made.dtype)
        old = np.linspace(1.0, 0.0, HELD, dtype=made.dtype)[:, None]
        made[:HELD] = old * kept[:HELD] + (1.0 - old) * made[:HELD]
        clip = np.concatenate([clip[:first], made])
    assert clip is not None
    return clip


def remake(
    sample: SampleSegment,
    clip: np.ndarray,
    part: tuple[int, int],
    skeleton: KimodoSkeleton,
    *,
    known: Observed | None = None,
) -> np.ndarray:
    """A clip with the frames of ``part`` made anew; every other frame is bit for bit as it was.

    The network sees up to :data:`HELD` frames on both sides as poses to keep. What is left of a
    difference at a border fades out inside the part.

    Args:
        clip: ``[T, dim]`` un-normalised features.
        part: half-open range of frames.
        known: further constraints of the whole clip.
    """
    begin, end = part
    if not 0 <= begin < end <= len(clip):
        raise InvalidRequest(
            f"The frames {begin} to {end} do not lie in the motion of {len(clip)} frames.",
            "Give a range inside it, the end above the start.",
        )
    left, right = min(HELD, begin), min(HELD, len(clip) - end)
    first, last = begin - left, end + right
    decoded = features_of.decode(clip[first:last], skeleton)
    rows = np.array([*range(left), *range(last - first - right, last - first)], dtype=int)
    own = (known or nothing(len(clip), skeleton)).window(first, last)
    if len(rows):
        own = _poses(decoded, rows, last - first, skeleton).over(own)
    place = decoded.smooth_root[0, [0, 2]]
    turned = float(features_of.heading_of(decoded.joints[0], skeleton))
    made = sample(0, own.moved(-place[0], -place[1]), turned)
    made[:, [0, 2]] += place.astype(made.dtype)
    out = clip.copy()
    inside = made[left : left + end - begin].copy()
    fade = np.clip(1.0 - np.arange(1, len(inside) + 1) / (2 * HELD + 1), 0.0, 1.0)[:, None]
    if left:
        inside += fade.astype(made.dtype) * (clip[begin - 1] - made[left - 1])
    if right:
        inside += fade[::-1].astype(made.dtype) * (clip[end] - made[left + end - begin])
    out[begin:end] = inside
    return out


def _poses(
    decoded: features_of.KimodoMotion,
    rows: np.ndarray,
    frames: int,
    skeleton: KimodoSkeleton,
) -> Observed:
    """The decoded frames ``rows`` as full poses at the same frames of a clip of ``frames``."""
    pose = PoseConstraint(
        FULL_BODY,
        rows,
        decoded.world[rows],
        decoded.root[rows],
        decoded.smooth_root[rows][:, [0, 2]],
    )
    return observed([pose], frames, skeleton)
