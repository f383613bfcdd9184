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
        sample: which of several motions; the first when None, which is told.
    """

    source: str = "auto"
    fps: float | None = None
    up: str | None = None
    prefer: str = ""
    force: bool = False
    sample: int | None = None


Reader = Callable[[Path, Reading], "Clip"]


@dataclass(frozen=True)
class Format:
    """One row.

    Attributes:
        suffix: with its dot, lower case.
        holds: for people, in the documents.
        reader, writer: "module:function" of this package; empty where there is none.
        blender: written by a Blender process, from a motion.
        counter: "module:function" that says how many motions a file holds, where it may be many.
        units: whether its writer is told a unit of length.
    """

    suffix: str
    holds: str
    reader: str = ""
    writer: str = ""
    blender: bool = field(default=False)
    counter: str = ""
    units: bool = False

    def read(self, path: Path, reading: Reading) -> Clip:
        """Read a file; :class:`FormatError` where it is not what the suffix says."""
        return cast(Reader, _function(self.reader))(path, reading)

    def count(self, path: Path) -> int:
        """How many motions a file holds; :class:`FormatError` where it cannot be read."""
        return cast(Callable[[Path], int], _function(self.counter))(path) if self.counter else 1

    def write(self, path: Path, motion: Motion, *, unit: str = "m") -> None:
        """Write a motion, whole or not at all; files that have no unit are in metres."""
        function = cast(Callable[..., None], _function(self.writer))
        function(path, motion, **({"unit": unit} if self.units else {}))


FORMATS: tuple[Format, ...] = (
    Format(
        ".npz",
        "motion_135 with the AMASS keys; AMASS, BABEL, Kimodo and ROMP, and what else holds "
        "rotations of SMPL's joints, or joint positions, under known names",
        "npz:read_clip",
        "npz:write_motion",
        counter="npz:count",
    ),
    Format(
        ".bvh",
        "a skeleton with Euler angles: any humanoid is read; written with SMPL's joint names",
        "bvh_skeletons:read_clip",
        "bvh:write_motion",
        units=True,
    ),
    Format(
        ".npy",
        "one array: any representation by its width, or joint positions in the orders of SMPL, "
        "SMPL-H, SMPL-X, COCO-17, Human3.6M-17, OpenPose BODY_25 and MediaPipe-33; MDM's results",
        "npy:read_clip",
        "npy:write_motion",
        counter="npy:count",
    ),
    Format(
        ".pkl",
        "AIST++, WHAM, PHALP (4D-Humans) and other pickles, joblib's too, of SMPL's rotations or "
        "of joint positions",
        "pkl:read_clip",
        counter="pkl:count",
    ),
    Format(".pt", "GVHMR's results, and tensors of SMPL's rotations by name", "pt:read_clip"),
    Format(".blend", "a keyed armature with a mannequin body", blender=True),
    Format(".fbx", "the same armature and body with their animation", blender=True),
    Format(".glb", "the same as glTF in one file", blender=True),
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


def write(path: Path, motion: Motion, *, unit: str = "m") -> None:
    """Write a motion as its path's suffix says.

    Args:
        unit: one of :data:`.bvh.UNITS`, for files that have one.

    Raises:
        FormatError: nothing writes that suffix here. OutputError: the file cannot be written.
    """
    row = by_suffix(path)
    if row is None or not row.writer:
        raise FormatError(
            f"{path.name} has no suffix that is written here.", f"Use {', '.join(writable())}."
        )
    row.write(path, motion, unit=unit)


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
