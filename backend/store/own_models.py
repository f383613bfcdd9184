"""What of the models on this computer is ours: downloads we made, folders we know, conversions.

One small file and one folder, in the folder that :func:`use_home` or the variable ``KINETYPE_HOME``
names, else where this system keeps the data of programs. Only what is recorded is ever removed.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from ..errors import ArtifactError, OutputError
from ..motion.io.atomic import atomic_path
from . import hub_cache
from .config_files import read_json
from .folder_lock import folder_lock
from .new_folder import saved_here

HOME_VARIABLE = "KINETYPE_HOME"
FILE = "models.json"
FOLDER = "models"
"""Where conversions lie, one folder a model."""
_home: list[Path] = []


@dataclass(frozen=True)
class Record:
    """The small file.

    Attributes:
        downloaded: folders in the hub's cache that we filled.
        begun: those whose download has not ended.
        linked: name in the list of models and its folder.
    """

    downloaded: tuple[str, ...] = ()
    begun: tuple[str, ...] = ()
    linked: dict[str, str] = field(default_factory=dict)


def use_home(folder: Path) -> None:
    """Keep everything in this folder, whatever the environment says; nothing is made yet."""
    _home[:] = [folder]


def home() -> Path:
    """The folder of everything that is ours; it need not be there."""
    if _home:
        return _home[0]
    if os.environ.get(HOME_VARIABLE):
        return Path(os.environ[HOME_VARIABLE]).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "Kinetype"
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/Kinetype"
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "kinetype"


def record() -> Record:
    """What the small file says; nothing where there is none, or where it is damaged."""
    try:
        values = read_json(home() / FILE)
    except ArtifactError:
        return Record()
    linked = values.get("linked")
    return Record(
        _texts(values.get("downloaded")),
        _texts(values.get("begun")),
        {k: v for k, v in linked.items() if isinstance(v, str)} if isinstance(linked, dict) else {},
    )


def _texts(values: object) -> tuple[str, ...]:
    return tuple(v for v in values if isinstance(v, str)) if isinstance(values, list) else ()


def _change(change: Callable[[Record], Record]) -> None:
    """Write the small file anew, whole or not at all; two programs take turns."""
    with folder_lock(home(), "change of the list of models"):
        values = asdict(change(record()))
        with atomic_path(home() / FILE) as temporary:
            temporary.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


def is_downloaded(hub_id: str) -> bool:
    """Whether we fetched this model, whole."""
    return str(hub_cache.repository(hub_id)) in record().downloaded


def is_begun(hub_id: str) -> bool:
    """Whether we fetched a part of this model and did not end."""
    return str(hub_cache.repository(hub_id)) in record().begun


def begin(hub_id: str) -> None:
    """A download begins; what another program put into the cache stays that program's."""
    ours = is_downloaded(hub_id) or is_begun(hub_id)
    if ours or not hub_cache.repository(hub_id).exists():
        _move(hub_id, "begun")


def finish(hub_id: str) -> None:
    """A download that :func:`begin` recorded is whole."""
    if is_begun(hub_id):
        _move(hub_id, "downloaded")


def _move(hub_id: str, where: str | None) -> None:
    """Record a model in one of the two lists, or in none."""
    place = str(hub_cache.repository(hub_id))

    def moved(known: Record) -> Record:
        lists = {"downloaded": known.downloaded, "begun": known.begun}
        for name, places in lists.items():
            others = tuple(p for p in places if p != place)
            lists[name] = (*others, place) if name == where else others
        return replace(known, downloaded=lists["downloaded"], begun=lists["begun"])

    _change(moved)


def link(name: str, folder: Path) -> None:
    """Know a folder by a name."""
    _change(lambda r: replace(r, linked={**r.linked, name: str(folder)}))


def unlink(name: str) -> None:
    """Forget a folder; it stays."""
    _change(lambda r: replace(r, linked={k: v for k, v in r.linked.items() if k != name}))


def converted() -> dict[str, Path]:
    """Our own conversions by name."""
    with suppress(OSError):
        folders = sorted(p for p in (home() / FOLDER).iterdir() if p.name[:1] != ".")
        return {path.name: path for path in folders if path.is_dir()}
    return {}


def new_place(name: str) -> Path:
    """A free folder for a conversion, named as near to ``name`` as that can be."""
    plain = "".join(c if c.isalnum() or c in "-_." else "-" for c in name).strip("-.") or "model"
    taken, number, found = {p.lower() for p in converted()}, 1, plain
    while found.lower() in taken:
        number += 1
        found = f"{plain}-{number}"
    return home() / FOLDER / found


def remove_converted(name: str) -> None:
    """Delete a conversion of ours.

    Raises:
        OutputError: it is none, or cannot be deleted.
    """
    folder = converted().get(name)
    if folder is None or folder.is_symlink() or not saved_here(folder):
        raise OutputError(f"{name!r} is no conversion of Kinetype's.", "Delete it yourself.")
    _delete(folder)


def remove_download(hub_id: str) -> None:
    """Delete what we fetched of a hub model, whole or not.

    Raises:
        OutputError: another program fetched it, or it cannot be deleted.
    """
    if not is_downloaded(hub_id) and not is_begun(hub_id):
        raise OutputError(
            f"{hub_id} was not downloaded by Kinetype, so it is left alone.",
            f"Delete {hub_cache.repository(hub_id)} yourself if nothing else needs it.",
        )
    folder = hub_cache.repository(hub_id)
    for place in (folder, folder.parent / ".locks" / folder.name):
        if place.exists():
            _delete(place)
    _move(hub_id, None)


def _delete(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise OutputError(
            f"{folder} could not be deleted: {error.strerror or error}.",
            "Stop the backend and other programs that use the model, then try again.",
        ) from error
