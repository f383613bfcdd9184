"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path

from ...errors import OutputError


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give the block a temporary name beside ``path`` and rename it into place at the end.

    The temporary name keeps the suffix, because some writers choose their format by it. Missing
    parent folders are made. If the block raises, the temporary file is removed and whatever was at
    ``path`` before stays as it was.

    Raises:
        OutputError: the folder or file cannot be written, or the block wrote nothing.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.stem[:80]}.{uuid.uuid4().hex[:12]}{target.suffix}")
    try:
        if target.is_dir():
            raise IsADirectoryError(f"{target} is a folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if not temporary.exists():
            raise FileNotFoundError("nothing was written")
        temporary.replace(target)
    except OSError as error:
        raise OutputError(
            f"Cannot write {target}: {error.strerror or error}.",
            "Check that the folder exists, is writable and has space left, or choose another.",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
