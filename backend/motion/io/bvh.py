"""BVH (Biovision hierarchy): a reader for any skeleton and a writer for motion_135."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...errors import FormatError, OutputError
from ...wire.messages import Motion
from ...wire.skeleton import SOLE_HEIGHT
from ..representations import motion135
from ..resample import resample_motion135
from ..rotations import matrix_to_euler_zxy, matrix_to_euler_zyx
from ..skeleton import (
    CHILDREN,
    HAND_OFFSETS,
    JOINT_NAMES,
    NUM_JOINTS,
    PARENTS,
    forward_kinematics,
    rest_offsets,
)
from . import bounds
from .atomic import atomic_path
from .bvh_values import CHANNELS, CHUNK, chunks, numbers, to_local

_TIPS = {
    "head": (0.0, 0.18, 0.0),
    "left_foot": (0.0, 0.0, 0.07),
    "right_foot": (0.0, 0.0, 0.07),
    "left_wrist": HAND_OFFSETS[0],
    "right_wrist": HAND_OFFSETS[1],
}
"""End sites (m): where the last bone of each limb ends; they only give viewers a length to draw."""

_COMMA_TIME = re.compile(r"^\s*frame time:\s*\d*,\d+\s*$", re.IGNORECASE | re.MULTILINE)
_COMMA = re.compile(r"(?<=\d),(?=\d)")
_COUNT = re.compile(r"[0-9]{1,12}")
_JOINT_BYTES = 8 * (9 + 3)
"""A joint at a frame: its rotation and position."""
_SLOWEST = 0.25
"""Longest frame time of a file that wrote milliseconds (s)."""

_SAME_REST = 0.88
"""Cosine between bones of a rest pose and SMPL's (28 degrees) down to which it is SMPL's."""
_EULER = {"ZYX": matrix_to_euler_zyx, "ZXY": matrix_to_euler_zxy}
UNITS = {"m": 1.0, "cm": 100.0}
"""Units of a written file, per metre."""


@dataclass(frozen=True)
class BvhClip:
    """The content of a BVH file, in the units and axes of the file.

    Attributes:
        names: joint names in file order (J of them; end sites are not joints).
        parents: parent index per joint, -1 for a root.
        offsets: ``[J, 3]`` from the hierarchy.
        channels: channel names per joint in file order.
        local_rotations: ``[T, J, 3, 3]`` parent-relative.
        local_positions: ``[T, J, 3]`` parent-relative: position channels where a joint has them,
            its offset elsewhere.
        frame_time: seconds per frame.
        warnings: what was wrong with the file and read all the same.
        tips: joint to the ``[3]`` offset of its end site.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: np.ndarray
    channels: tuple[tuple[str, ...], ...]
    local_rotations: np.ndarray
    local_positions: np.ndarray
    frame_time: float
    warnings: tuple[str, ...] = ()
    tips: Mapping[int, np.ndarray] = field(default_factory=dict)

    @property
    def fps(self) -> float:
        """Frames per second; a rate within 0.1 % of a whole number is that number."""
        rate = 1.0 / self.frame_time
        return float(round(rate)) if abs(rate - round(rate)) < 1e-3 * rate else rate


@dataclass
class _Hierarchy:
    names: list[str] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    offsets: list[list[float]] = field(default_factory=list)
    channels: list[list[str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    tips: dict[int, np.ndarray] = field(default_factory=dict)


class _Lines:
    """The non-blank lines of a file with their numbers, and errors that name them."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.lines = [(n, s) for n, line in enumerate(text.splitlines(), 1) if (s := line.strip())]
        self.lines = [part for n, s in self.lines for part in _braces_apart(n, s)]
        self.at = 0

    def next(self, expected: str) -> list[str]:
        if self.at >= len(self.lines):
            last = self.lines[-1][0] if self.lines else 1
            raise self.error(f"the file ends where {expected} should follow", last)
        self.at += 1
        return self.lines[self.at - 1][1].split()

    def error(self, problem: str, line: int | None = None) -> FormatError:
        line = line if line is not None else self.lines[self.at - 1][0]
        return FormatError(
            f"{self.path} is not a readable BVH: line {line}: {problem}.",
            "Export the file again; it may be truncated or damaged.",
        )

    def floats(self, words: list[str], count: int, what: str) -> list[float]:
        try:
            values = [float(word) for word in words]
        except ValueError:
            raise self.error(f"{what} holds {' '.join(words)!r}, not numbers") from None
        if len(values) != count or not np.isfinite(values).all():
            raise self.error(f"{what} needs {count} finite numbers, not {' '.join(words)!r}")
        return values


def _braces_apart(number: int, line: str) -> list[tuple[int, str]]:
    """A line with its braces on lines of their own, as ``JOINT Hips {`` is meant."""
    if len(line) == 1 or not ("{" in line or "}" in line):
        return [(number, line)]
    parts = line.replace("{", "\n{\n").replace("}", "\n}\n").split("\n")
    return [(number, part.strip()) for part in parts if part.strip()]


def read(path: str | Path) -> BvhClip:
    """Read a BVH of any hierarchy, channel order and number of roots.

    Raises:
        FormatError: no such file, or malformed; the message names the line.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > bounds.MAX_BVH_BYTES:
            raise FormatError(
                f"{path} is larger than {bounds.MAX_BVH_BYTES // 2**30} GB.", "Cut it into parts."
            )
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise FormatError(f"Cannot read {path}: {error.strerror}.", "Check the path.") from error
    if "," in text and _COMMA_TIME.search(text):  # written where a comma stands before the decimals
        text = _COMMA.sub(".", text)
    lines = _Lines(path, text)
    hierarchy = _read_hierarchy(lines)
    width = sum(len(c) for c in hierarchy.channels)
    values, frame_time = _read_motion(lines, width, hierarchy.warnings)
    needed = len(values) * len(hierarchy.names) * _JOINT_BYTES
    if needed > bounds.BVH_FREE + bounds.BVH_TIMES * size:
        raise FormatError(
            f"{path} has {len(hierarchy.names)} joints in {len(values)} frames, most of them "
            "without channels.",
            "It is made to fill the memory; export it again.",
        )
    offsets = np.array(hierarchy.offsets)
    rotations, positions = to_local(values, hierarchy.channels, offsets)
    return BvhClip(
        names=tuple(hierarchy.names),
        parents=tuple(hierarchy.parents),
        offsets=offsets,
        channels=tuple(tuple(c) for c in hierarchy.channels),
        local_rotations=rotations,
        local_positions=positions,
        frame_time=frame_time,
        warnings=tuple(hierarchy.warnings),
        tips=hierarchy.tips,
    )


def world_of(clip: BvhClip, joints: Collection[int] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """World rotations ``[T, J, 3, 3]`` and positions ``[T, J, 3]`` (file units) of all joints.

    Args:
        joints: if given, only these and the joints above them are placed; half of a body's joints
            may be fingers. The others stay relative to their parents.
    """
    world, points = clip.local_rotations.copy(), clip.local_positions.copy()
    wanted = set(range(len(clip.names)) if joints is None else joints)
    for joint in reversed(range(len(clip.names))):
        if joint in wanted and clip.parents[joint] >= 0:
            wanted.add(clip.parents[joint])
    steps = [(j, parent) for j, parent in enumerate(clip.parents) if parent >= 0 and j in wanted]
    for at in chunks(len(world)):
        turns, places = world[at : at + CHUNK], points[at : at + CHUNK]
        for joint, parent in steps:
            step = (turns[:, parent] * places[:, joint, None]).sum(-1)
            places[:, joint] = places[:, parent] + step
            turns[:, joint] = turns[:, parent] @ turns[:, joint]
    return world, points


def _read_hierarchy(lines: _Lines) -> _Hierarchy:
    """Everything up to and including the line MOTION."""
    out = _Hierarchy()
    if lines.next("HIERARCHY")[0].upper() != "HIERARCHY":
        raise lines.error("the file does not start with HIERARCHY")
    open_joints: list[int] = []  # -1 stands for an end site
    current: int | None = None  # announced by ROOT, JOINT or End, its brace not yet open
    while True:
        words = lines.next("the hierarchy or MOTION")
        key = words[0].upper()
        if key == "{" and current is not None:
            open_joints.append(current)
            current = None
        elif current is not None:
            raise lines.error(f"expected {{ but found {words[0]!r}")
        elif key == "}" and open_joints:
            open_joints.pop()
        elif key in ("ROOT", "JOINT") and len(words) > 1 and (key == "ROOT") == (not open_joints):
            current = _add_joint(lines, out, words, open_joints)
        elif key == "END" and open_joints:
            current = -1
        elif key == "OFFSET" and open_joints:
            values = lines.floats(words[1:], 3, "OFFSET")
            if open_joints[-1] >= 0:
                out.offsets[open_joints[-1]] = values
            else:
                out.tips[open_joints[-2]] = np.array(values)
        elif key == "CHANNELS" and open_joints and open_joints[-1] >= 0:
            out.channels[open_joints[-1]] = _channel_names(lines, words)
        elif key == "MOTION" and not open_joints and out.names:
            return out
        else:
            raise lines.error(f"unexpected {' '.join(words)!r}")


def _add_joint(lines: _Lines, out: _Hierarchy, words: list[str], open_joints: list[int]) -> int:
    name = " ".join(words[1:])
    if name in out.names:
        number = 1 + sum(other == name or other.startswith(f"{name}.") for other in out.names)
        out.warnings.append(f"Two joints are named {name!r}; the later one is {name}.{number}.")
        name = f"{name}.{number}"
    parent = open_joints[-1] if open_joints else -1
    if len(out.names) >= bounds.MAX_JOINTS:
        raise lines.error(f"more than {bounds.MAX_JOINTS} joints")
    if open_joints and parent < 0:
        raise lines.error("a joint inside an end site")
    out.names.append(name)
    out.parents.append(parent)
    out.offsets.append([0.0, 0.0, 0.0])
    out.channels.append([])
    return len(out.names) - 1


def _channel_names(lines: _Lines, words: list[str]) -> list[str]:
    names = [CHANNELS.get(word.lower(), "") for word in words[2:]]
    if len(words) < 2 or words[1] != str(len(names)) or "" in names or len(set(names)) < len(names):
        raise lines.error(f"bad channel list {' '.join(words)!r}")
    return names


def _in_seconds(lines: _Lines, frame_time: float, warnings: list[str]) -> float:
    """A frame time that makes a frame rate; one that only makes it in milliseconds is taken so."""
    low, high = 1.0 / bounds.MAX_FPS, 1.0 / bounds.MIN_FPS
    if frame_time > high and low <= frame_time / 1000.0 <= _SLOWEST:
        warnings.append(f"The frame time {frame_time:g} was read as milliseconds.")
        return frame_time / 1000.0
    if not low <= frame_time <= high:
        raise lines.error(f"a frame time of {frame_time:g} seconds")
    return frame_time


def _read_motion(lines: _Lines, width: int, warnings: list[str]) -> tuple[np.ndarray, float]:
    """``[T, width]`` channel values and the frame time; whole frames are kept where some lack."""
    words = lines.next("'Frames:'")
    if words[0].lower() != "frames:" or len(words) != 2 or not _COUNT.fullmatch(words[1]):
        raise lines.error(f"expected 'Frames: <number>' but found {' '.join(words)!r}")
    frames = int(words[1])
    words = lines.next("'Frame Time:'")
    if [w.lower() for w in words[:2]] != ["frame", "time:"]:
        raise lines.error(f"expected 'Frame Time: <seconds>' but found {' '.join(words)!r}")
    frame_time = lines.floats(words[2:], 1, "Frame Time")[0]
    frame_time = _in_seconds(lines, frame_time, warnings)
    rows = lines.lines[lines.at :]
    if len(rows) == 0 or (frames < 1 and not rows):
        last = lines.lines[-1][0]
        raise lines.error(f"{frames} frames are announced, {len(rows)} are there", last)
    if len(rows) != frames:
        if len(rows[-1][1].split()) != width and len(rows) > 1:
            rows = rows[:-1]  # the file was cut in the middle of a frame
        rows = rows[:frames] if 0 < frames < len(rows) else rows
        warnings.append(f"{frames} frames are announced, {len(rows)} whole ones are read.")
        frames = len(rows)
    try:
        values = np.concatenate([numbers(rows[at : at + CHUNK], width) for at in chunks(frames)])
        if np.isfinite(values).all():
            return values, frame_time
    except ValueError:
        pass
    for _, row in rows:  # only to name the line that is wrong
        lines.at += 1
        lines.floats(row.split(), width, "the frame")
    raise lines.error("the motion data cannot be read")


# --------------------------------------------------------------------------- writing


def _depth_first(joint: int = 0) -> list[int]:
    return [joint, *(j for child in CHILDREN[joint] for j in _depth_first(child))]


_ORDER = _depth_first()


def _hierarchy_text(joint: int, offsets: np.ndarray, scale: float, order: str, depth: int) -> str:
    tab, name = "\t" * depth, JOINT_NAMES[joint]
    rotations = " ".join(f"{axis}rotation" for axis in order)
    channels = f"CHANNELS 3 {rotations}"
    if joint == 0:
        channels = f"CHANNELS 6 Xposition Yposition Zposition {rotations}"

    def offset(vector: np.ndarray) -> str:
        return "OFFSET " + " ".join(f"{v:.6f}" for v in np.asarray(vector) * scale)

    inner = f"{tab}\t{offset(offsets[joint])}\n{tab}\t{channels}\n"
    for child in CHILDREN[joint]:
        inner += _hierarchy_text(child, offsets, scale, order, depth + 1)
    if not CHILDREN[joint]:
        tip = offset(np.array(_TIPS[name]))
        inner += f"{tab}\tEnd Site\n{tab}\t{{\n{tab}\t\t{tip}\n{tab}\t}}\n"
    return f"{tab}{'JOINT' if depth else 'ROOT'} {name}\n{tab}{{\n{inner}{tab}}}\n"


def _standing() -> np.ndarray:
    """``[22, 3]`` rest offsets, the pelvis as high as it stands: programs put the floor there."""
    offsets = np.array(rest_offsets(), dtype=np.float64)
    rest = forward_kinematics(np.tile(np.eye(3), (1, NUM_JOINTS, 1, 1)), np.zeros((1, 3)))
    offsets[0] = [0.0, SOLE_HEIGHT - float(rest[..., 1].min()), 0.0]
    return offsets


def write_motion(path: str | Path, motion: Motion, *, unit: str = "m", order: str = "ZXY") -> None:
    """Write a motion as BVH with SMPL joint names, Y-up, its T-pose as the rest pose.

    The root's OFFSET is the height at which the T-pose stands; its position channels are, as
    everywhere, the place in the room, the offset included.

    Args:
        unit: ``"m"`` or ``"cm"``.
        order: Euler order of the rotation channels (intrinsic). ``"ZXY"`` keeps the turn about
            the vertical out of the middle, so that a body that turns round never meets gimbal
            lock; ``"ZYX"`` is for tools that expect it. Angles are unwrapped over time.

    Raises:
        OutputError: unknown unit or order, or the file cannot be written.
    """
    if unit not in UNITS or order not in _EULER:
        raise OutputError(
            f"BVH cannot be written with unit {unit!r} and rotation order {order!r}.",
            f"Units: {', '.join(UNITS)}. Orders: {', '.join(_EULER)}.",
        )
    scale = UNITS[unit]
    root, rotations = motion135.unpack(motion.data.astype(np.float64))
    angles = np.rad2deg(np.unwrap(_EULER[order](rotations), axis=0))[:, _ORDER]
    values = np.concatenate([root * scale, angles.reshape(len(root), -1)], axis=1)
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as out:
        out.write("HIERARCHY\n" + _hierarchy_text(0, _standing(), scale, order, 0))
        out.write(f"MOTION\nFrames: {len(values)}\nFrame Time: {1.0 / motion.fps:.8f}\n")
        np.savetxt(out, values, fmt="%.6f")


def read_motion(path: str | Path) -> Motion:
    """A BVH on the SMPL-22 skeleton (as :func:`write_motion` makes it) as a motion at 30 fps.

    The unit is found from the length of the legs. Other skeletons need
    :mod:`backend.motion.io.bvh_skeletons` or a retarget profile.

    Raises:
        FormatError: malformed, or its joints, parents or rest pose are not those of SMPL-22.
    """
    motion = motion_of(read(path), path)
    data = resample_motion135(motion.data, motion.fps, motion135.SPEC.fps)
    return Motion(data, motion135.SPEC.fps, motion.meta)


def _is_counted_twice(
    root: np.ndarray, offset: np.ndarray, rotations: np.ndarray, scale: float
) -> bool:
    """Whether a root's channel holds its offset, too: the feet are then off the floor by it."""
    joints = forward_kinematics(rotations, root * scale)
    low = float(np.quantile(joints[..., 1].min(axis=1), 0.02)) - SOLE_HEIGHT
    return abs(low - float(offset[1]) * scale) < abs(low)


def motion_of(clip: BvhClip, path: str | Path) -> Motion:
    """A clip on the SMPL-22 skeleton as motion_135 at its own rate; ``path`` is for messages.

    Files of MotionStreamer (root named "Pelvis") hold the pelvis plus its rest offset; the offset
    is taken off again, where the feet then come nearer to the floor.

    Raises:
        FormatError: its joints, parents or rest pose are not those of SMPL-22.
    """
    rest = rest_offsets()
    index = {name.lower(): j for j, name in enumerate(clip.names)}
    order = [index.get(name, -1) for name in JOINT_NAMES]
    hint = "Joints must have the 22 SMPL names and the SMPL T-pose; retarget other skeletons."
    if -1 in order:
        missing = [n for n, j in zip(JOINT_NAMES, order, strict=True) if j < 0]
        raise FormatError(f"{path} has no joint named {', '.join(missing[:4])}.", hint)
    parents = [clip.parents[j] for j in order]
    if any(parents[j] != order[PARENTS[j]] for j in range(1, NUM_JOINTS)):
        raise FormatError(f"{path} connects the SMPL joints in another way.", hint)
    if parents[0] >= 0:
        raise FormatError(f"{path} has joints above the pelvis.", hint)
    offsets = clip.offsets[order]
    lengths, own = (np.linalg.norm(v[1:], axis=-1) for v in (offsets, rest))
    aligned = (offsets[1:] * rest[1:]).sum(-1) / np.maximum(lengths * own, 1e-12)
    if aligned.min() < _SAME_REST:
        bone = JOINT_NAMES[1 + int(aligned.argmin())]
        raise FormatError(f"The rest pose of {path} differs from SMPL's at {bone}.", hint)
    legs = [joint - 1 for joint in (4, 5, 7, 8)]
    scale = own[legs].sum() / lengths[legs].sum()
    root, rotations = clip.local_positions[:, order[0]], clip.local_rotations[:, order]
    if clip.names[order[0]] == "Pelvis" and _is_counted_twice(root, offsets[0], rotations, scale):
        root = root - offsets[0]
    data = motion135.pack(root * scale, rotations)
    return Motion(data, clip.fps, {"source": Path(path).name, "source_fps": clip.fps})
