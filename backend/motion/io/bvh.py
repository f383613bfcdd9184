"""BVH files: a reader for any hierarchy and channel order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import FormatError
from ..rotations import rotation_about


@dataclass(frozen=True)
class BvhClip:
    """A parsed BVH.

    Attributes:
        names: J joint names, parents before children; End Sites are left out.
        parents: J parent indices, -1 for roots.
        offsets: ``[J, 3]`` rest offsets in the file's unit.
        channels: per joint its channel names, as in the file.
        local_rotations: ``[T, J, 3, 3]`` float64, parent-relative.
        local_positions: ``[T, J, 3]`` parent-relative: position channels, else the offset.
        frame_time: seconds per frame.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: np.ndarray
    channels: tuple[tuple[str, ...], ...]
    local_rotations: np.ndarray
    local_positions: np.ndarray
    frame_time: float

    @property
    def fps(self) -> float:
        """Frames per second; a time within 0.1% of a whole rate is taken as that rate."""
        rate = 1.0 / self.frame_time
        return float(round(rate)) if abs(rate - round(rate)) < 1e-3 * rate else rate


_CHANNELS = {f"{axis}{kind}" for axis in "XYZ" for kind in ("position", "rotation")}


class _Hierarchy:
    """Collects joints while the HIERARCHY section is read line by line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names: list[str] = []
        self.parents: list[int] = []
        self.offsets: list[list[float]] = []
        self.channels: list[tuple[str, ...]] = []
        self._stack: list[int] = []
        self._pending = -1
        self._end_site = -2

    def fail(self, line: int, what: str) -> FormatError:
        return FormatError(f"{self.path}, line {line}: {what}.", "Is this a complete BVH file?")

    def line(self, number: int, words: list[str]) -> None:
        key = words[0]
        if key in ("ROOT", "JOINT") and len(words) >= 2:
            self._pending = len(self.names)
            self.names.append(" ".join(words[1:]))
            self.parents.append(self._stack[-1] if self._stack else -1)
            self.offsets.append([0.0, 0.0, 0.0])
            self.channels.append(())
        elif key == "End":
            self._pending = self._end_site
        elif key == "{":
            self._stack.append(self._pending)
        elif key == "}":
            if not self._stack:
                raise self.fail(number, "a closing bracket without an opening one")
            self._stack.pop()
        elif key == "OFFSET" and self._stack:
            if self._stack[-1] != self._end_site:
                self.offsets[self._stack[-1]] = self._floats(number, words[1:4], 3)
        elif key == "CHANNELS" and self._stack:
            named = tuple(words[2:])
            if len(words) < 2 or not words[1].isdigit() or int(words[1]) != len(named):
                raise self.fail(number, "the channel count does not match the channel names")
            if not set(named) <= _CHANNELS:
                raise self.fail(number, f"unknown channel in {' '.join(named)!r}")
            self.channels[self._stack[-1]] = named
        else:
            raise self.fail(number, f"unexpected {' '.join(words)[:40]!r}")

    def _floats(self, number: int, words: list[str], count: int) -> list[float]:
        try:
            values = [float(w) for w in words]
        except ValueError:
            values = []
        if len(values) != count:
            raise self.fail(number, f"expected {count} numbers")
        return values


def read(path: str | Path) -> BvhClip:
    """Read a BVH file.

    Raises:
        FormatError: the file is not a complete BVH (with the line number where it breaks).
        OSError: it cannot be opened.
    """
    path = Path(path)
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    tree = _Hierarchy(path)
    start = None
    for number, text in enumerate(lines, 1):
        words = text.split()
        if not words or words[0] == "HIERARCHY":
            continue
        if words[0] == "MOTION":
            start = number
            break
        tree.line(number, words)
    if start is None or not tree.names:
        raise FormatError(f"{path} has no HIERARCHY and MOTION section.", "Is this a BVH file?")
    frames, frame_time, first = _motion_header(path, lines, start)
    data = _motion_rows(path, lines[first:], frames, sum(len(c) for c in tree.channels), first)
    rotations, positions = _channels_to_transforms(tree, data)
    return BvhClip(
        tuple(tree.names),
        tuple(tree.parents),
        np.array(tree.offsets),
        tuple(tree.channels),
        rotations,
        positions,
        frame_time,
    )


def _motion_header(path: Path, lines: list[str], start: int) -> tuple[int, float, int]:
    found: dict[str, float] = {}
    position = start
    while position < len(lines) and len(found) < 2:
        key, _, value = lines[position].partition(":")
        position += 1
        if not key.strip():
            continue
        try:
            found[key.strip().lower()] = float(value)
        except ValueError:
            break
    frames, frame_time = found.get("frames", 0), found.get("frame time", 0)
    if frames < 1 or frame_time <= 0:
        raise FormatError(
            f"{path}, line {start}: no valid 'Frames:' and 'Frame Time:' after MOTION.", ""
        )
    return int(frames), frame_time, position


def _motion_rows(
    path: Path, lines: list[str], frames: int, width: int, first: int
) -> np.ndarray:
    rows = [line for line in lines if line.strip()]
    values = np.array(" ".join(rows[:frames]).split())
    try:
        numbers = values.astype(np.float64)
    except ValueError as error:
        raise FormatError(f"{path}: the motion data holds {error}.", "") from error
    if len(rows) < frames or numbers.size != frames * width:
        raise FormatError(
            f"{path}: {len(rows)} rows with {numbers.size} numbers after line {first}, "
            f"expected {frames} frames x {width} channels.",
            "The file is cut short or its header is wrong.",
        )
    if not np.isfinite(numbers).all():
        raise FormatError(f"{path}: the motion data holds NaN or infinite values.", "")
    return numbers.reshape(frames, width)


def _channels_to_transforms(
    tree: _Hierarchy, data: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    frames, joints = len(data), len(tree.names)
    rotations = np.tile(np.eye(3), (frames, joints, 1, 1))
    positions = np.tile(np.array(tree.offsets), (frames, 1, 1))
    column = 0
    for joint, names in enumerate(tree.channels):
        for name in names:
            axis, value = name[0].lower(), data[:, column]
            column += 1
            if name.endswith("position"):
                positions[:, joint, "xyz".index(axis)] = value
            else:
                turn = rotation_about(axis, np.radians(value))
                rotations[:, joint] = rotations[:, joint] @ turn
    return rotations, positions
