"""Model folders that appear whole or not at all."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import OutputError


@contextmanager
def new_folder(path: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give the block a temporary folder beside ``path`` and rename it into place at the end.

    If the block raises, the temporary folder is removed and whatever was at ``path`` stays.

    Args:
        overwrite: replace a folder that is there already; an empty one always may be.

    Raises:
        OutputError: something is there already, or the place cannot be written.
    """
    target = Path(path).expanduser().absolute()
    _check_free(target, overwrite)
    unique = uuid.uuid4().hex[:12]
    temporary = target.with_name(f".{target.name[:80]}.{unique}")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        old = target.with_name(f".{target.name[:80]}.{unique}.old")
        if target.exists():
            target.rename(old)
        try:
            temporary.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise OutputError(
            f"Cannot write {target}: {error.strerror or error}.",
            "Check that the place is writable and has space left, or choose another.",
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check_free(target: Path, overwrite: bool) -> None:
    if target.exists() and not target.is_dir():
        raise OutputError(f"{target} is a file.", "Give the name of a folder.")
    if target.is_dir() and any(target.iterdir()) and not overwrite:
        raise OutputError(
            f"{target} is there already and not empty.", "Choose another, or add --overwrite."
        )
