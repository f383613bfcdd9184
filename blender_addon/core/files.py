"""Outputs that appear whole or not at all (standard library only)."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path

from ..backend_access import OutputError

_STEM_LENGTH = 48
"""Characters of the name: at most 192 bytes, which leaves room below the usual limit of 255."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path`` that takes its place when the block succeeds.

    Blender's own writers get the temporary name; a crash or a full disk leaves the old file as it
    was. The suffix is kept, because Blender chooses formats by it, but in small letters, because
    Blender writes ``x.mp4`` where ``x.MP4`` was asked for.

    Raises:
        OutputError: the folder or file cannot be written.
    """
    name = f".{path.stem[:_STEM_LENGTH]}.{uuid.uuid4().hex[:12]}{path.suffix.lower()}"
    temporary = path.with_name(name)
    try:
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()  # finds out now whether the folder is writable, not after the work
        temporary.unlink()
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):  # a read-only folder holds nothing of ours
            temporary.unlink(missing_ok=True)


def output_error(path: Path, error: OSError) -> OutputError:
    """The :class:`OutputError` of a failed write."""
    return OutputError(
        f"Cannot write {path}: {error.strerror or error}.",
        "Choose a folder that you can write to and that has free space.",
    )
