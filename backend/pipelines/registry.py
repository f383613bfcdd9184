"""Which models there are, by name, without importing any of them.

A model is a registry name, a model directory (:mod:`.kinds`), or a hub id ("owner/name").
Listing and checking cost a few small files; the class (and torch) is imported by
:func:`load_pipeline`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from ..errors import ArtifactError, ModelAbsent, ModelNotFound
from ..store import own_models
from ..store.config_files import COPY_HINT, local_folder, read_json, refuse_file
from ..store.hub_cache import arrived_bytes, cached_folder
from ..wire import limits
from ..wire.control import STATES, ModelInfo
from ..wire.messages import Motion, Progress, Request
from ..wire.model_words import download_text, licence_text, state_text
from .family import CONFIG_FILE, Family, bundled_folder, families, family_of
from .kinds import kind_in, markers

__all__ = [
    "ModelInfo",
    "Pipeline",
    "bundled_folder",
    "check",
    "find_info",
    "list_models",
    "load_pipeline",
    "model_info",
    "register",
    "released",
    "uses_torch",
]


class Pipeline(Protocol):
    """What the engine needs of a pipeline."""

    def generate(
        self, request: Request, on_step: Callable[[Progress], None] | None = None
    ) -> list[Motion]:
        """One motion per sample; ``on_step`` may raise ``Cancelled``."""


Loader = Callable[..., Pipeline]
"""``loader(*, device, local_files_only) -> Pipeline``."""

MODEL_FILES = (CONFIG_FILE, "model.safetensors", "stats.safetensors")
"""Files of a model of our own."""
_INSTALL_AGAIN = "Install Kinetype again."


@dataclass(frozen=True)
class _Entry:
    """A registered model: a loader, or a folder that ships with Kinetype."""

    info: ModelInfo
    loader: Loader | None = None
    uses_torch: bool = True


_REGISTRY: dict[str, _Entry] = {}
"""Models that programs register; they come before those of the cards."""


def _entries() -> dict[str, _Entry]:
    """All models that have a name; the default one first."""
    offered = {
        info.name: _Entry(replace(info, family=family.name))
        for family in families().values()
        for info in family.models
        # another bundled model that this installation came without is not missed
        if info.hub_id or info.name == limits.DEFAULT_MODEL or Path(info.path).is_dir()
    }
    first = {name: offered.pop(name) for name in [limits.DEFAULT_MODEL] if name in offered}
    own = {
        name: _Entry(ModelInfo(name, "", path=str(folder), state=state))
        for state, folders in (
            ("linked", own_models.record().linked),
            ("converted", own_models.converted()),
        )
        for name, folder in folders.items()
        if name not in offered and name not in first
    }
    return {**first, **offered, **own, **_REGISTRY}


def register(
    name: str, loader: Loader, info: ModelInfo | None = None, *, uses_torch: bool = True
) -> None:
    """Add a model, or replace the one of that name.

    Args:
        name: what ``Request.model`` holds.
        loader: called as ``loader(device=..., local_files_only=...)``; returns the pipeline.
        info: what :func:`list_models` shows; a bare entry with the name when None.
        uses_torch: False for a model that runs elsewhere; ``device`` is then passed as given.
    """
    shown = ModelInfo(name, name) if info is None else replace(info, name=name)
    _REGISTRY[name] = _Entry(shown, loader, uses_torch)


def list_models() -> list[ModelInfo]:
    """Every registered model, with what is wrong where one is not ready."""
    return [_current(entry) for entry in _entries().values()]


def model_info(name: str) -> ModelInfo | None:
    """The entry of that name, or None for a directory or hub id."""
    entry = _entries().get(name)
    return None if entry is None else _current(entry)


def uses_torch(name: str) -> bool:
    """Whether loading this model needs torch."""
    entry = _entries().get(name)
    return entry is None or entry.uses_torch


def check(name_or_path: str | Path) -> None:
    """Find out in a moment what would make :func:`load_pipeline` fail after importing torch.

    A hub id passes: only loading it tells.

    Raises:
        ModelNotFound: neither a registered name, nor a directory, nor like a hub id.
        ArtifactError: files are missing or its configuration cannot be read.
    """
    info = model_info(str(name_or_path))
    if info is not None:
        if not info.ready and not info.hub_id:
            raise ArtifactError(info.problem, info.fix)
    elif (folder := local_folder(name_or_path)) is not None:
        kind_in(folder)
    else:
        refuse_file(name_or_path)
        if _like_hub_id(str(name_or_path)):
            return
        raise ModelNotFound(
            f"There is no model {str(name_or_path)!r}.",
            f"Use {', '.join(_entries())}, a model directory, or a hub id (owner/name).",
        )


def load_pipeline(
    name_or_path: str | Path,
    *,
    device: str | None = None,
    local_files_only: bool = False,
    as_released: bool = False,
) -> Any:
    """Load a model by registry name, directory or hub id.

    Args:
        as_released: also a release that is used as it is (:func:`released`).

    Raises:
        ModelNotFound: nothing of that name.
        ArtifactError: its files are missing or broken.
    """
    release = released(name_or_path) if as_released else None
    if release is not None:
        return release.load(release.release)(name_or_path, device=device)
    check(name_or_path)
    options: dict[str, Any] = {"device": device, "local_files_only": local_files_only}
    entry = _entries().get(str(name_or_path))
    if entry is not None and entry.loader is not None:
        return entry.loader(**options)
    place: str | Path = name_or_path
    if entry is not None:
        place = entry.info.hub_id or entry.info.path
    kind = kind_of(place, local_files_only=local_files_only)
    return pipeline_class(kind).from_pretrained(place, **options)


def released(name_or_path: str | Path) -> Family | None:
    """The family of a release of its authors that is used as it is, or None."""
    try:
        path = Path(name_or_path).expanduser()
        found = (f for f in families().values() if f.released is not None and f.released(path))
        return next(found, None)
    except (OSError, RuntimeError, ValueError):  # no path at all
        return None


def find_info(
    name_or_path: str | Path, *, local_files_only: bool = False, as_released: bool = False
) -> ModelInfo:
    """What can be known of any model before it is loaded; of a hub model, markers are fetched.

    Args:
        as_released: also of a release that is used as it is (:func:`released`).

    Raises:
        ModelNotFound, ArtifactError: see :func:`load_pipeline`.
    """
    release = released(name_or_path) if as_released else None
    if release is not None:
        path = str(Path(name_or_path).expanduser())
        about = replace(release.model, name=str(name_or_path), path=path, family=release.name)
        return replace(
            about, abilities=("sample",), constraints=(), options=("steps", "sampler"), size_bytes=0
        )
    check(name_or_path)
    entry = _entries().get(str(name_or_path))
    if entry is not None and entry.loader is not None:
        return entry.info
    info = None if entry is None else _current(entry)
    if info is not None and info.path and info.ready:
        return info
    if info is not None and not info.hub_id:
        raise ArtifactError(info.problem, info.fix)
    if local_files_only:
        _refuse_absent(info, str(name_or_path))
    place = name_or_path if info is None else info.hub_id
    folder = _marked(place, local_files_only)
    return _of_folder(replace(info or ModelInfo("", ""), name=str(name_or_path)), folder)


def _refuse_absent(info: ModelInfo | None, name: str) -> None:
    """:class:`ModelAbsent` for a published model that is not here whole, with what it takes."""
    repo = name.partition("@")[0]
    if info is None:
        known = (_current(entry) for entry in _entries().values() if entry.info.hub_id == repo)
        info = next(known, None)
        if info is None and own_models.is_begun(repo):
            info = ModelInfo(name, name, state="partial", ready=False, hub_id=repo)
    if info is None or info.ready:
        return
    raise ModelAbsent(
        f"{info.title} is {state_text(info)}. It is {download_text(info)}, from "
        f"huggingface.co/{info.hub_id}. Licence: {licence_text(info).rstrip('.')}.",
        "Download it first: nothing is fetched unasked.",
        name,
    )


def state_words(info: ModelInfo) -> str:
    """Where a model's files are, to go after its name."""
    text = STATES.get(info.state, "")
    return text if info.state == "bundled" else f"is {text}"


def model_hash(info: ModelInfo) -> str:
    """Hash of a model's files (see ``store.fingerprint``); empty where they are not known."""
    from ..store.fingerprint import fingerprint

    folder = Path(info.path) if info.path else cached_folder(info.hub_id or info.name, markers())
    return "" if folder is None or not folder.exists() else fingerprint(folder)


def kind_of(name_or_path: str | Path, *, local_files_only: bool = False) -> str:
    """The kind of a model directory or hub id; of a hub model only the markers are fetched.

    Raises:
        ModelNotFound, ArtifactError: see :func:`load_pipeline`.
    """
    return kind_in(_marked(name_or_path, local_files_only))


def _marked(name_or_path: str | Path, local_files_only: bool) -> Path:
    """The folder of a model, with at least the file that tells its kind."""
    folder = local_folder(name_or_path)
    if folder is None:
        from ..store import model_folder

        folder = model_folder.resolve(
            name_or_path, (), optional=markers(), local_files_only=local_files_only
        )
    return folder


def pipeline_class(kind: str) -> Any:
    """The pipeline class of a kind, imported now."""
    family = family_of(kind)
    return family.load(family.pipeline)


def _current(entry: _Entry) -> ModelInfo:
    """What is true now of an entry: its files may have come or gone since it was registered."""
    info = entry.info
    if info.hub_id:
        return _published(info)
    if not info.path:
        return info
    folder = Path(info.path)
    if info.state in ("linked", "converted"):
        if not folder.is_dir():
            gone = replace(info, title=info.name, ready=False, problem=f"{folder} is gone.")
            return replace(gone, fix="Put it back, or remove it from the list.")
    else:
        info = replace(info, state="bundled")
        missing = [name for name in MODEL_FILES if not (folder / name).is_file()]
        if missing:
            problem = f"The model {info.name!r} lacks {', '.join(missing)}."
            return replace(info, ready=False, problem=problem, fix=_INSTALL_AGAIN)
    try:
        return _of_folder(info, folder)
    except ArtifactError as error:
        title = info.title or info.name
        return replace(info, title=title, ready=False, problem=error.message, fix=error.hint)


def _published(info: ModelInfo) -> ModelInfo:
    """Whether a model of the hub is here: fetched by us, by another program, in part or not."""
    begun = own_models.is_begun(info.hub_id)
    folder = cached_folder(info.hub_id, markers())
    if folder is not None and not begun:
        state = "downloaded" if own_models.is_downloaded(info.hub_id) else "found"
        return _of_folder(replace(info, path=str(folder), state=state), folder)
    arrived = arrived_bytes(info.hub_id)
    state = "partial" if arrived and begun else "absent"
    info = replace(info, ready=False, state=state, arrived_bytes=arrived)
    return replace(info, problem=f"{info.title} is {state_text(info)}.", fix="Download it.")


def _of_folder(info: ModelInfo, folder: Path) -> ModelInfo:
    """The entry with what the model's family and its own files say about it."""
    family = family_of(kind_in(folder))
    about, path = family.model, folder / family.marker
    values = read_json(path) if path.suffix == ".json" and path.is_file() else {}
    fps = values.get("fps", info.fps or about.fps)
    try:
        info = replace(
            info,
            title=info.title or str(values.get("name") or folder.name),
            description=str(values.get("description") or info.description),
            licence=str(values.get("licence") or info.licence or about.licence),
            representation=str(
                values.get("representation") or info.representation or about.representation
            ),
            text_encoder=info.text_encoder or about.text_encoder,
            fps=float(fps),
            path=str(folder),
            family=family.name,
            abilities=about.abilities,
            options=about.options,
            constraints=about.constraints,
            qualities=about.qualities,
            commercial_use=info.commercial_use or str(values.get("commercial_use") or ""),
            excluded_regions=info.excluded_regions or about.excluded_regions,
            speed=info.speed or about.speed,
            size_bytes=sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()),
            memory_bytes=about.memory_bytes,
        )
        if "min_frames" in values:
            shortest = max(limits.MIN_SECONDS, values["min_frames"] / fps)
            info = replace(info, min_seconds=shortest, max_seconds=limits.MAX_SECONDS)
        return info if family.described is None else family.described(info, values)
    except (TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
        raise ArtifactError(
            f"{path.name} of {info.name!r} is malformed: {error}.", COPY_HINT
        ) from error


def _like_hub_id(name: str) -> bool:
    return name.count("/") == 1 and name[0].isalnum() and not name.endswith("/")
