"""The one table of motion file formats: suffix, what it holds, who reads and who writes it.

Commands, the add-on, messages and documents are made from it. A new format is one file with a
``read`` or ``write`` function and one row here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ...errors import FormatError

if TYPE_CHECKING:
    from ...wire.messages import Motion
    from ..steps import Clip


@dataclass(frozen=True)
class Reading:
    """How a file is to be read.

    Attributes:
        source: one of ``load.SOURCES``.
        fps: frame rate where the file does not say it, or says it wrongly.
        up: axis that is up ("y", "z", "-y", "x"); measured when None.
        prefer: the representation that an array of its width is taken for, with source "auto".
        force: read also what does not look like a body, with a warning.
    """

    source: str = "auto"
    fps: float | None = None
    up: str | None = None
    prefer: str = ""
    force: bool = False


Reader = Callable[[Path, Reading], "Clip"]
Writer = Callable[[Path, "Motion"], None]


@dataclass(frozen=True)
class Format:
    """One row.

    Attributes:
        suffix: with its dot, lower case.
        holds: for people, in the documents.
        reader, writer: "module:function" of this package; empty where there is none.
        blender: written by a Blender process, from a motion.
    """

    suffix: str
    holds: str
    reader: str = ""
    writer: str = ""
    blender: bool = field(default=False)

    def read(self, path: Path, reading: Reading) -> Clip:
        """Read a file; :class:`FormatError` where it is not what the suffix says."""
        return cast(Reader, _function(self.reader))(path, reading)

    def write(self, path: Path, motion: Motion) -> None:
        """Write a motion, whole or not at all."""
        cast(Writer, _function(self.writer))(path, motion)


FORMATS: tuple[Format, ...] = (
    Format(
        ".npz",
        "motion_135 with the AMASS keys; AMASS, BABEL and Kimodo exports, and what else holds "
        "rotations of SMPL's joints under known names",
        "npz:read_clip",
        "npz:write_motion",
    ),
    Format(
        ".bvh",
        "a skeleton with Euler angles: any humanoid is read; written with SMPL's joint names",
        "bvh_skeletons:read_clip",
        "bvh:write_motion",
    ),
    Format(
        ".npy",
        "one array: any representation by its width, or joint positions in the orders of SMPL, "
        "SMPL-H, SMPL-X, COCO-17, Human3.6M-17, OpenPose BODY_25 and MediaPipe-33",
        "npy:read_clip",
        "npy:write_motion",
    ),
    Format(".pkl", "AIST++ and other plain pickles of SMPL's rotations", "pkl:read_clip"),
    Format(".pt", "GVHMR's results, and tensors of SMPL's rotations by name", "pt:read_clip"),
    Format(".blend", "a keyed armature with a mannequin body", blender=True),
    Format(".mp4", "a rendered view", blender=True),
)


def by_suffix(path: Path) -> Format | None:
    """The row of a path's suffix."""
    return next((row for row in FORMATS if row.suffix == path.suffix.lower()), None)


def readable() -> tuple[str, ...]:
    """Suffixes that can be read."""
    return tuple(row.suffix for row in FORMATS if row.reader)


def writable() -> tuple[str, ...]:
    """Suffixes that are written here, without Blender."""
    return tuple(row.suffix for row in FORMATS if row.writer)


def of_blender() -> tuple[str, ...]:
    """Suffixes that a Blender process writes."""
    return tuple(row.suffix for row in FORMATS if row.blender)


def write(path: Path, motion: Motion) -> None:
    """Write a motion as its path's suffix says.

    Raises:
        FormatError: nothing writes that suffix here. OutputError: the file cannot be written.
    """
    row = by_suffix(path)
    if row is None or not row.writer:
        raise FormatError(
            f"{path.name} has no suffix that is written here.", f"Use {', '.join(writable())}."
        )
    row.write(path, motion)


def markdown() -> str:
    """The table for documents."""
    lines = ["| suffix | read | written | holds |", "|---|---|---|---|"]
    for row in FORMATS:
        written = "by Blender" if row.blender else "yes" if row.writer else ""
        read = "yes" if row.reader else ""
        lines.append(f"| `{row.suffix}` | {read} | {written} | {row.holds} |")
    return "\n".join(lines)


def _function(reference: str) -> object:
    module, name = reference.split(":")
    return getattr(importlib.import_module(f".{module}", __package__), name)
