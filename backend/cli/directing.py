"""What commands say of constraints: the files they come from, and what became of them."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InvalidRequest
from . import console

if TYPE_CHECKING:
    from ..wire.directing import Segment
    from ..wire.messages import Motion

MAX_BYTES = 4_000_000
"""What a request can carry over the wire."""
_PATH_HINT = (
    "Write one point a line: seconds, x, z and, if wanted, the heading in degrees; with a line of"
    " names (seconds,x,z,heading) or without."
)
_COLUMNS = ("seconds", "x", "z", "heading")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of commands whose motions can be told what to reach."""
    parser.add_argument(
        "--constraints",
        type=Path,
        metavar="FILE",
        help="JSON list of poses, hands, feet and paths to reach (starter, mdm, kimodo)",
    )
    parser.add_argument(
        "--path",
        type=Path,
        metavar="FILE",
        help="points of a path: .csv of seconds,x,z[,heading in degrees], or .json of the same",
    )
    parser.add_argument(
        "--no-correct",
        action="store_true",
        help="measure constraints only; do not bring the finished motion to them",
    )


def read(options: argparse.Namespace, fps: float) -> tuple[Mapping[str, Any], ...]:
    """The constraints of the options; what they say is checked with the request.

    Args:
        fps: of the motion, for times in seconds.
    """
    found: list[Mapping[str, Any]] = []
    if options.constraints is not None:
        values = _json(options.constraints, "Give a JSON list of {type, frame_indices, ...}.")
        if not isinstance(values, list):
            raise InvalidRequest(
                f"{options.constraints} holds no list.", "Give a list of {type, ...}."
            )
        found += values
    if options.path is not None:
        found.append(_path(options.path, fps))
    return tuple(found)


def read_segments(path: Path | None) -> tuple[Segment, ...]:
    """Prompts in time from a JSON list of ``{prompt, start, length, transition}``."""
    if path is None:
        return ()
    from ..wire.directing import segment_of

    values = _json(path, "Give a JSON list of {prompt, start, length}.")
    if not isinstance(values, list):
        raise InvalidRequest(f"{path} holds no list.", "Give a list of {prompt, start, length}.")
    return tuple(map(segment_of, values))


def _json(path: Path, hint: str) -> object:
    try:
        _check_size(path, hint)
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"{path} cannot be read: {error}.", hint) from error


def _check_size(path: Path, hint: str) -> None:
    if path.stat().st_size > MAX_BYTES:
        raise InvalidRequest(f"{path} is too large for a file of constraints.", hint)


def _path(path: Path, fps: float) -> dict[str, object]:
    """Points in seconds and metres as a constraint in frames."""
    if path.suffix.lower() == ".json":
        rows = _json(path, _PATH_HINT)
    else:
        try:
            _check_size(path, _PATH_HINT)
            with path.open(encoding="utf-8-sig", newline="") as file:
                rows = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
        except (OSError, ValueError, csv.Error) as error:
            raise InvalidRequest(f"{path} cannot be read: {error}.", _PATH_HINT) from error
        if rows and _numbers(rows[0]) is None:
            names = [cell.strip().lower() for cell in rows[0]]
            if not set(_COLUMNS[:3]) <= set(names):
                raise InvalidRequest(f"{path} has the columns {', '.join(names)}.", _PATH_HINT)
            order = [names.index(name) for name in _COLUMNS if name in names]
            rows = [[row[i] for i in order if i < len(row)] for row in rows[1:]]
    points = [_numbers(row) for row in rows] if isinstance(rows, list) else []
    widths = {len(point) for point in points if point is not None}
    if None in points or len(points) < 1 or widths not in ({3}, {4}):
        raise InvalidRequest(f"{path} holds no points of a path.", _PATH_HINT)
    import math

    sure = [point for point in points if point is not None]
    told: dict[str, object] = {
        "type": "root2d",
        "frame_indices": [round(point[0] * fps) for point in sure],
        "smooth_root_2d": [point[1:3] for point in sure],
    }
    if widths == {4}:
        told["global_root_heading"] = [math.radians(point[3]) for point in sure]
    return told


def _numbers(row: object) -> list[float] | None:
    """A point as numbers; an object by the names of the columns."""
    if isinstance(row, Mapping):
        row = [row[name] for name in _COLUMNS if name in row]
    if not isinstance(row, Sequence) or isinstance(row, str):
        return None
    try:
        return [float(cell) for cell in row]
    except (TypeError, ValueError):
        return None


def tell(motions: Sequence[Motion]) -> None:
    """Print of each constraint what was asked and what was met."""
    for number, motion in enumerate(motions):
        for index, told in enumerate(motion.meta.get("constraints", ()), start=1):
            which = f"sample {number}, " if len(motions) > 1 else ""
            frames = told["frames"]
            span = f"frame {frames[0]}" if len(frames) == 1 else f"frames {frames[0]}-{frames[-1]}"
            turned = ""
            if told["degrees"] is not None:
                turned = f", {told['degrees_before']:.1f}° -> {told['degrees']:.1f}°"
            console.note(
                f"{which}constraint {index} ({told['type']}, {span}): "
                f"{told['cm_before']:.1f} cm -> {told['cm']:.1f} cm{turned}"
                f" {'met' if told['met'] else 'MISSED'}"
            )
