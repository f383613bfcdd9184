"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

from ...errors import OutputError

_STEM, _UNIQUE = 48, 12
"""Characters of the name (at most 192 bytes: file systems allow 255) and of what makes it unique"""


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give the block a temporary name beside ``path`` and rename it into place at the end.

    The temporary name keeps the suffix, because some writers choose their format by it, in small
    letters, because Blender writes ``x.mp4`` where ``x.MP4`` was asked for. Missing parent folders
    are made, and whether the folder can be written to is found out before the work is done. If the
    block raises, the temporary file is removed and whatever was at ``path`` before stays as it was.

    Raises:
        OutputError: the folder or file cannot be written, or the block wrote nothing.
    """
    target = Path(path)
    unique = uuid.uuid4().hex[:_UNIQUE]
    temporary = target.with_name(f".{target.stem[:_STEM]}.{unique}{target.suffix.lower()}")
    try:
        if target.is_dir():
            raise IsADirectoryError(f"{target} is a folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
        temporary.unlink()
        yield temporary
        if not temporary.exists():
            raise FileNotFoundError("nothing was written")
        temporary.replace(target)
    except OSError as error:
        raise output_error(target, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def output_error(path: Path, error: OSError) -> OutputError:
    """The :class:`OutputError` of a failed write."""
    return OutputError(
        f"Cannot write {path}: {error.strerror or error}.",
        "Check that the folder exists, is writable and has space left, or choose another.",
    )


def remove_leftovers(folder: str | Path, names: set[str]) -> None:
    """Remove the temporary files that killed processes left in ``folder`` for the files ``names``.

    Files that another process is writing at this moment would be lost with them, so call it only
    for names that are this process' own.

    Raises:
        OutputError: a leftover cannot be removed.
    """
    stems = {(Path(n).stem[:_STEM], Path(n).suffix) for n in names}
    try:
        for path in Path(folder).glob(".*"):
            match = _LEFTOVER.fullmatch(path.name)
            if match and (match["stem"], path.suffix) in stems:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"Cannot tidy {folder}: {error.strerror}.", "Check its rights."
        ) from error


# once for a file, twice for a file that was itself written to a temporary name
_LEFTOVER = re.compile(r"\.{1,2}(?P<stem>.+?)(\.[0-9a-f]{12}){1,2}\.[^.]+")
