"""What a motion file is, in numbers and words."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ..position_error import joint_positions
from . import body_checks, formats
from .load import read_clip


@dataclass(frozen=True)
class Inspection:
    """How a file was read.

    Attributes:
        file, bytes: its path and size.
        representation: what its data is.
        frames, fps, seconds: its length.
        height: metres from the lowest to the highest joint of the tallest frame.
        travel: metres between the first and the last place of the pelvis on the floor.
        head_down, upside_down, floor, speed, bone_change, ik_error_mm, trunk_degrees: see
            :class:`backend.motion.io.body_checks.BodyChecks`.
        motions: how many the file holds.
        warnings: what was assumed, changed or doubted.
        joints: ``[T, 22, 3]`` metres, Y-up.
    """

    file: str
    bytes: int
    representation: str
    frames: int
    fps: float
    seconds: float
    height: float
    travel: float
    head_down: float
    upside_down: float
    floor: float
    speed: float
    bone_change: float
    ik_error_mm: float
    trunk_degrees: float
    motions: int
    warnings: tuple[str, ...]
    joints: np.ndarray


def inspect(
    path: Path,
    source: str = "auto",
    *,
    fps: float | None = None,
    up: str | None = None,
    force: bool = False,
    sample: int | None = None,
) -> Inspection:
    """Read a file and measure it; arguments and errors of :func:`.load.read_clip`."""
    clip = read_clip(path, source, fps=fps, up=up, force=force, sample=sample)
    joints = joint_positions(clip.data, clip.representation)
    measured = {**asdict(body_checks.measure(joints, clip.fps)), **clip.checks}
    moved = (joints[-1, 0] - joints[0, 0])[[0, 2]]
    return Inspection(
        file=str(path),
        bytes=path.stat().st_size,
        representation=clip.representation,
        frames=len(joints),
        fps=float(clip.fps),
        seconds=round(len(joints) / clip.fps, 3),
        height=round(float(np.ptp(joints[..., 1], axis=1).max()), 3),
        travel=round(float(np.linalg.norm(moved)), 3),
        motions=_count(path),
        warnings=clip.warnings,
        joints=joints,
        **{name: round(value, 3) for name, value in measured.items()},
    )


def _count(path: Path) -> int:
    row = formats.by_suffix(path)
    return row.count(path) if row else 1


def text(seen: Inspection) -> str:
    """Some lines for a terminal."""
    lines = [
        f"{seen.file}: {seen.representation}, {seen.frames} frames at {seen.fps:g} fps "
        f"({seen.seconds:g} s), {seen.bytes:,} bytes",
        f"  {seen.height:.2f} m tall, moves {seen.travel:.2f} m, feet {100 * seen.floor:+.1f} cm "
        f"from the floor, fastest joint {seen.speed:.1f} m/s",
    ]
    return "\n".join([*lines, *(f"  note: {warning}" for warning in seen.warnings)])
