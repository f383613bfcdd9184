"""Model folders that appear whole or not at all."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import OutputError


@contextmanager
def new_folder(
    path: str | Path,
    *,
    markers: Iterable[str],
    overwrite: bool = False,
    sources: Iterable[Path | None] = (),
) -> Iterator[Path]:
    """Give the block a temporary folder beside ``path`` and rename it into place at the end.

    If the block raises, the temporary folder is removed and whatever was at ``path`` stays.

    Args:
        markers: names of files of which a model folder holds one (``pipelines.kinds.MARKERS``).
        overwrite: replace the model folder that is there already, with all that is in it; an empty
            folder always may be. Folders that hold no model are never replaced.
        sources: files and folders that the new one is made from (None for none).

    Raises:
        OutputError: something is there already, a source is inside it, or the place cannot be
            written.
    """
    if not str(path):
        raise OutputError("The folder to write has no name.", "Give the name of a new folder.")
    target = Path(path).expanduser().absolute()
    try:
        _check_free(target, markers, overwrite, [s for s in sources if s is not None])
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        raise OutputError(
            f"Cannot write {target}: {error.strerror or error}.", "Choose another name or folder."
        ) from error
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


def _check_free(target: Path, markers: Iterable[str], overwrite: bool, sources: list[Path]) -> None:
    if target.exists() and not target.is_dir():
        raise OutputError(f"{target} is a file.", "Give the name of a folder.")
    if not target.is_dir() or not any(target.iterdir()):
        return
    inside = [s for s in sources if s.expanduser().resolve().is_relative_to(target.resolve())]
    if inside:
        raise OutputError(
            f"{inside[0]} is inside {target}, which would be replaced.", "Choose another folder."
        )
    if not any((target / marker).is_file() for marker in markers):
        raise OutputError(
            f"{target} is there already, not empty and no model: it is never replaced.",
            "Choose the name of a new folder.",
        )
    if not overwrite:
        raise OutputError(
            f"{target} is there already and not empty.", "Choose another, or add --overwrite."
        )
