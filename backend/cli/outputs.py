"""Which files a command writes: checked before the work starts, written whole after it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InvalidRequest, KinetypeError, OutputError
from ..motion.io import formats
from ..wire.messages import Motion

MOTION_SUFFIXES = formats.writable()
BLENDER_SUFFIXES = formats.of_blender()
SUFFIXES = (*MOTION_SUFFIXES, *BLENDER_SUFFIXES)


@dataclass(frozen=True)
class SampleOutputs:
    """The files of one sample, plain motion files first."""

    motion_files: tuple[Path, ...]
    blender_files: tuple[Path, ...]


def plan(paths: Iterable[Path], samples: int, *, overwrite: bool = True) -> list[SampleOutputs]:
    """Name and check the files of every sample; nothing is created.

    With several samples each gets its number before the suffix: walk_00.npz, walk_01.npz.

    Raises:
        InvalidRequest: an unknown suffix, or the same file twice.
        OutputError: a file that could not be written (no such place, a folder, read-only).
    """
    wanted = [path.expanduser() for path in paths]
    for path in wanted:
        if path.suffix.lower() not in SUFFIXES:
            raise InvalidRequest(
                f"The output {str(path)!r} has no suffix that Kinetype writes.",
                f"End it in one of: {', '.join(SUFFIXES)}.",
            )
    places = [path.parent.resolve() / path.name for path in wanted]
    repeated = [
        str(path) for path, place in zip(wanted, places, strict=True) if places.count(place) > 1
    ]
    if repeated:
        raise InvalidRequest(
            f"The output {repeated[0]!r} is given twice.", "Give every output its own name."
        )
    planned = []
    for index in range(samples):
        named = [_numbered(path, index) if samples > 1 else path for path in wanted]
        for path in named:
            check_writable(path, overwrite=overwrite)
        planned.append(
            SampleOutputs(
                tuple(path for path in named if path.suffix.lower() in MOTION_SUFFIXES),
                tuple(path for path in named if path.suffix.lower() in BLENDER_SUFFIXES),
            )
        )
    return planned


def _numbered(path: Path, index: int) -> Path:
    return path.with_name(f"{path.stem}_{index:02d}{path.suffix}")


def check_writable(path: Path, *, overwrite: bool = True) -> None:
    """Raise :class:`OutputError` where writing ``path`` would fail; leaves nothing behind."""
    try:
        is_folder, there = path.is_dir(), path.exists()
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        raise OutputError(
            f"Cannot write {path}: {error.strerror or error}.", "Choose another name or folder."
        ) from error
    if is_folder:
        raise OutputError(f"{path} is a folder.", "Give a file name.")
    if there and not overwrite:
        raise OutputError(
            f"{path} exists already.", "Choose another name, or leave out --no-overwrite."
        )
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    try:
        # Permission bits alone do not tell: a mount may be read-only, a quota used up.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(
            f"Cannot write {path}: {error.strerror or error}.",
            f"Check that {folder} is a folder you may write to, or choose another.",
        ) from error


def write_motion(path: Path, motion: Motion, *, unit: str = "m") -> None:
    """Write one motion as its suffix says; see :func:`backend.motion.io.formats.write`."""
    formats.write(path, motion, unit=unit)


def raise_first(errors: Sequence[KinetypeError]) -> None:
    """Raise the first error, if any, saying how many more there were."""
    if not errors:
        return
    first = errors[0]
    if len(errors) > 1:
        first.message += f" ({len(errors) - 1} more outputs failed.)"
    raise first
