"""Model folders that appear whole or not at all."""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import ArtifactError, OutputError
from .config_files import CHECKSUMS_KEY, read_json

_KEPT = {"state*.pt": "a training run", "log.jsonl": "a training run", ".git": "a repository"}
"""What makes a folder more than a model, whatever else is in it."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


@contextmanager
def new_folder(
    path: str | Path, *, overwrite: bool = False, sources: Iterable[Path | None] = ()
) -> Iterator[Path]:
    """Give the block a temporary folder beside ``path`` and rename it into place at the end.

    If the block raises, the temporary folder is removed and whatever was at ``path`` stays.

    Args:
        overwrite: replace the model folder that is there already, with all that is in it
            (:func:`saved_here`); an empty folder always may be. Other folders are never replaced.
        sources: files and folders that the new one is made from (None for none).

    Raises:
        OutputError: something is there already, a source is inside it, or the place cannot be
            written.
    """
    sources = tuple(sources)
    target = check_free(path, overwrite=overwrite, sources=sources)
    unique = uuid.uuid4().hex[:12]
    temporary = target.with_name(f".{target.name[:80]}.{unique}")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        # the block may have worked for an hour, and another process have put its own there
        check_free(target, overwrite=overwrite, sources=sources)
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


def check_free(
    path: str | Path, *, overwrite: bool = False, sources: Iterable[Path | None] = ()
) -> Path:
    """The folder of :func:`new_folder` as an absolute path, links followed.

    A command that works for long asks before it starts.

    Raises:
        OutputError: as :func:`new_folder`.
    """
    if not str(path):
        raise OutputError("The folder to write has no name.", "Give the name of a new folder.")
    try:
        target = Path(path).expanduser().resolve()
        _refuse_taken(target, overwrite, [s for s in sources if s is not None])
    except (OSError, RuntimeError) as error:  # a name too long, no right to look, nobody's home
        reason = getattr(error, "strerror", None) or error
        raise OutputError(
            f"Cannot write {path}: {reason}.", "Choose another name or folder."
        ) from error
    return target


def saved_here(folder: Path) -> bool:
    """Whether a folder is a model that Kinetype saved.

    Every saver ends with a JSON file that records the sha256 of the files beside it
    (:func:`.model_folder.record`); other programs' folders have ``config.json`` and
    ``model.safetensors`` too, but no such record.
    """
    for path in folder.glob("*.json"):
        try:
            recorded = read_json(path).get(CHECKSUMS_KEY)
        except ArtifactError:
            continue
        if isinstance(recorded, dict) and recorded:
            digests = all(isinstance(v, str) and _SHA256.fullmatch(v) for v in recorded.values())
            if digests and all((folder / name).is_file() for name in recorded):
                return True
    return False


def _refuse_taken(target: Path, overwrite: bool, sources: list[Path]) -> None:
    if target.exists() and not target.is_dir():
        raise OutputError(f"{target} is a file.", "Give the name of a folder.")
    if not target.is_dir() or not any(target.iterdir()):
        return
    inside = [s for s in sources if s.expanduser().resolve().is_relative_to(target.resolve())]
    if inside:
        raise OutputError(
            f"{inside[0]} is inside {target}, which would be replaced.", "Choose another folder."
        )
    kept = next((what for name, what in _KEPT.items() if any(target.glob(name))), None)
    if kept is not None or not saved_here(target):
        what = f"holds {kept}" if kept else "no model that Kinetype saved"
        raise OutputError(
            f"{target} is there already, not empty and {what}: it is never replaced.",
            "Choose the name of a new folder.",
        )
    if not overwrite:
        raise OutputError(
            f"{target} is there already and not empty.",
            "Choose another, or replace it: --overwrite (overwrite=True).",
        )
