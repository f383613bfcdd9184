"""What a request may ask besides words: prompts in time, poses, hands, feet and a path to reach.

A constraint is a plain JSON object ``{type, frame_indices, ...}``. ``frame_ranges`` (half-open
pairs) may stand in place of ``frame_indices``; a single row of values then serves all its frames.
Frames count from 0 at the rate of the motion that comes back. ``strength`` (0 to 1) is how far the
correction goes. What the values mean is told by
:mod:`backend.motion.directing`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidRequest
from . import limits

POSE, PATH = "fullbody", "root2d"
PINS = ("left-hand", "right-hand", "left-foot", "right-foot")
TYPES = (POSE, *PINS, PATH)
"""Constraints that Kinetype knows of every model; Kimodo knows ``end-effector`` besides."""
SAID = {
    POSE: "whole poses",
    **{pin: f"a pinned {pin.replace('-', ' ')}" for pin in PINS},
    PATH: "a path",
    "end-effector": "several pinned joints",
}
ROWS = (
    "motion135",
    "positions",
    "local_joints_rot",
    "root_positions",
    "smooth_root_2d",
    "global_root_heading",
)
"""Fields with a row for each frame."""
_HINT = "Give objects {type, frame_indices, ...}; docs/editing.md has the form."


@dataclass(frozen=True)
class Segment:
    """A prompt with its time in a motion of several.

    Attributes:
        start, length: seconds; a gap before the next one is filled by this one.
        transition: seconds in which it takes over from the one before, centred on its start.
    """

    prompt: str
    start: float
    length: float
    transition: float = limits.DEFAULT_TRANSITION

    @property
    def end(self) -> float:
        """Seconds from the start of the motion."""
        return self.start + self.length


def check_segments(segments: Sequence[Segment]) -> None:
    """:class:`InvalidRequest` for prompts in time that cannot be made one motion."""
    if len(segments) > limits.MAX_SEGMENTS:
        raise InvalidRequest(
            f"There are {len(segments)} prompts in time.",
            f"Give at most {limits.MAX_SEGMENTS}.",
        )
    end = 0.0
    for number, segment in enumerate(segments, start=1):
        where = f"Prompt {number} of the list"
        _check_segment(segment, where)
        if number == 1 and segment.start != 0.0:
            raise InvalidRequest(f"{where} starts at {segment.start:g} s.", "Start it at 0.")
        if segment.start < end - 1e-6:
            raise InvalidRequest(
                f"{where} starts at {segment.start:g} s, before the one before it ends "
                f"({end:g} s).",
                "Start it later, or make the one before it shorter.",
            )
        end = segment.end
    if end > limits.MAX_SECONDS:
        raise InvalidRequest(
            f"The prompts end after {end:g} seconds.", f"End by {limits.MAX_SECONDS:g} seconds."
        )


def _check_segment(segment: object, where: str) -> None:
    if not isinstance(segment, Segment) or not isinstance(segment.prompt, str):
        raise InvalidRequest(f"{where} is no prompt with its time.", "Give prompt, start, length.")
    if not any(character.isalnum() for character in segment.prompt):
        raise InvalidRequest(f"{where} has no words.", "Describe a motion, or leave it out.")
    for name in ("start", "length", "transition"):
        value = getattr(segment, name)
        if not _is_number(value) or not 0.0 <= value <= limits.MAX_SECONDS:
            raise InvalidRequest(
                f"The {name} of {where[0].lower()}{where[1:]} is {str(value)[:20]}.",
                f"Give seconds from 0 to {limits.MAX_SECONDS:g}.",
            )
    if segment.length < limits.MIN_SECONDS:
        raise InvalidRequest(
            f"{where} has {segment.length:g} seconds.", f"Give at least {limits.MIN_SECONDS:g}."
        )


def segment_of(values: object) -> Segment:
    """A segment of JSON values; :class:`InvalidRequest` for others."""
    known = {"prompt", "start", "length", "transition"}
    if not isinstance(values, Mapping) or not {"prompt", "start", "length"} <= set(values) <= known:
        raise InvalidRequest(
            "A prompt in time is malformed.", "Give {prompt, start, length, transition}."
        )
    return Segment(**values)


def check_constraints(constraints: object) -> None:
    """:class:`InvalidRequest` unless these are objects with a type and frames."""
    if not isinstance(constraints, tuple) or len(constraints) > limits.MAX_CONSTRAINTS:
        raise InvalidRequest(
            "The constraints are no list, or too many.",
            f"Give at most {limits.MAX_CONSTRAINTS} objects {{type, frame_indices, ...}}.",
        )
    for number, each in enumerate(constraints):
        if not isinstance(each, Mapping) or not isinstance(each.get("type"), str):
            raise InvalidRequest(f"Constraint {number} has no type.", _HINT)
        frames_of(each, f"Constraint {number}")
        strength = each.get("strength", 1.0)
        if not _is_number(strength) or not 0.0 <= strength <= 1.0:
            raise InvalidRequest(
                f"Constraint {number} has the strength {str(strength)[:20]}.", "Give 0 to 1."
            )


def frames_of(constraint: Mapping[str, Any], where: str) -> list[int]:
    """The frames that a constraint names, in its order."""
    ranges = constraint.get("frame_ranges")
    if ("frame_indices" in constraint) == (ranges is not None):
        raise InvalidRequest(f"{where} needs frame_indices or frame_ranges.", _HINT)
    if ranges is None:
        found = constraint["frame_indices"]
    else:
        if not isinstance(ranges, Sequence) or not all(_is_range(each) for each in ranges):
            raise InvalidRequest(f"{where}: frame_ranges are no pairs of frames.", _HINT)
        found = [frame for start, end in ranges for frame in range(int(start), int(end))]
    whole = isinstance(found, Sequence) and all(
        _is_number(frame) and frame == int(frame) and frame >= 0 for frame in found
    )
    if not whole or not 0 < len(found) <= limits.MAX_CONSTRAINT_FRAMES:
        raise InvalidRequest(
            f"{where}: its frames are no whole numbers from 0, or not between 1 and "
            f"{limits.MAX_CONSTRAINT_FRAMES} of them.",
            _HINT,
        )
    return [int(frame) for frame in found]


def expanded(constraint: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A constraint with ``frame_indices`` and a row of each field for each of them."""
    frames = frames_of(constraint, where)
    out = {name: value for name, value in constraint.items() if name != "frame_ranges"}
    if "frame_ranges" in constraint:
        for name in ROWS:
            if isinstance(out.get(name), Sequence) and len(out[name]) == 1:
                out[name] = list(out[name]) * len(frames)
    return {**out, "frame_indices": frames}


def _is_number(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return math.isfinite(value)


def _is_range(value: object) -> bool:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
        return False
    longest = limits.MAX_CONSTRAINT_FRAMES
    return all(_is_number(end) for end in value) and 0 <= value[1] - value[0] <= longest
