"""Which models there are, by name, without importing any of them.

A model is a registry name, a model directory (:mod:`.kinds`), or a hub id ("owner/name").
Listing and checking cost a few small files; the class (and torch) is imported by
:func:`load_pipeline`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from ..errors import ArtifactError, ModelNotFound
from ..store.config_files import local_folder, refuse_file
from ..wire import limits
from ..wire.control import ModelInfo
from ..wire.messages import Motion, Progress, Request
from .kinds import CONFIG_FILE, COPY_AGAIN, KINDS, MARKERS, config_in, kind_in
from .published import PUBLISHED, cached_folder

__all__ = [
    "ModelInfo",
    "Pipeline",
    "bundled_folder",
    "check",
    "list_models",
    "load_pipeline",
    "model_info",
    "register",
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
ASSETS = Path(__file__).resolve().parent.parent / "assets"
_INSTALL_AGAIN = "Install Kinetype again."


@dataclass(frozen=True)
class _Entry:
    """A registered model: a loader, or a folder that ships with Kinetype."""

    info: ModelInfo
    loader: Loader | None = None
    uses_torch: bool = True


_REGISTRY: dict[str, _Entry] = {
    "starter": _Entry(
        ModelInfo(
            name="starter",
            title="Starter",
            description="Ships with Kinetype; works offline on a CPU.",
            path=str(ASSETS / "starter"),
            text_encoder="MiniLM (installed with Kinetype)",
        )
    ),
    **{info.name: _Entry(info) for info in PUBLISHED},
}


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
    return [_current(entry) for entry in _REGISTRY.values()]


def model_info(name: str) -> ModelInfo | None:
    """The entry of that name, or None for a directory or hub id."""
    entry = _REGISTRY.get(name)
    return None if entry is None else _current(entry)


def bundled_folder(name_or_path: str | Path) -> str | Path:
    """The folder of a registered model that has one; anything else as it is."""
    entry = _REGISTRY.get(str(name_or_path))
    return entry.info.path if entry is not None and entry.info.path else name_or_path


def uses_torch(name: str) -> bool:
    """Whether loading this model needs torch."""
    entry = _REGISTRY.get(name)
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
            f"Use {', '.join(_REGISTRY)}, a model directory, or a hub id (owner/name).",
        )


def load_pipeline(
    name_or_path: str | Path, *, device: str | None = None, local_files_only: bool = False
) -> Pipeline:
    """Load a model by registry name, directory or hub id.

    Raises:
        ModelNotFound: nothing of that name.
        ArtifactError: its files are missing or broken.
    """
    check(name_or_path)
    options: dict[str, Any] = {"device": device, "local_files_only": local_files_only}
    entry = _REGISTRY.get(str(name_or_path))
    if entry is not None and entry.loader is not None:
        return entry.loader(**options)
    place: str | Path = name_or_path
    if entry is not None:
        place = entry.info.hub_id or entry.info.path
    kind = kind_of(place, local_files_only=local_files_only)
    pipeline: Pipeline = pipeline_class(kind).from_pretrained(place, **options)
    return pipeline


def kind_of(name_or_path: str | Path, *, local_files_only: bool = False) -> str:
    """The kind of a model directory or hub id; of a hub model only the markers are fetched.

    Raises:
        ModelNotFound, ArtifactError: see :func:`load_pipeline`.
    """
    folder = local_folder(name_or_path)
    if folder is None:
        from ..store import model_folder

        folder = model_folder.resolve(
            name_or_path, (), optional=MARKERS, local_files_only=local_files_only
        )
    return kind_in(folder)


def pipeline_class(kind: str) -> Any:
    """The pipeline class of a kind, imported now."""
    module = importlib.import_module(KINDS[kind].module, __package__)
    return getattr(module, KINDS[kind].class_name)


def _current(entry: _Entry) -> ModelInfo:
    """What is true now of an entry: its files may have come or gone since it was registered."""
    info = entry.info
    if info.hub_id:
        folder = cached_folder(info.hub_id, MARKERS)
        return replace(
            info,
            ready=folder is not None,
            path=str(folder or ""),
            problem="" if folder else f"{info.hub_id} is not on this computer.",
            fix="" if folder else f"Run `kinetype models --download {info.name}` while online.",
        )
    if not info.path:
        return info
    folder = Path(info.path)
    missing = [name for name in MODEL_FILES if not (folder / name).is_file()]
    if missing:
        problem = f"The model {info.name!r} lacks {', '.join(missing)}."
        return replace(info, ready=False, problem=problem, fix=_INSTALL_AGAIN)
    try:
        kind_in(folder)
        return _described(info, config_in(folder))
    except ArtifactError as error:
        return replace(info, ready=False, problem=error.message, fix=error.hint)


def _described(info: ModelInfo, config: dict[str, Any]) -> ModelInfo:
    """The entry with what the model's own configuration says about it."""
    fps = config.get("fps", info.fps)
    shortest = config.get("min_frames", 0)
    try:
        return replace(
            info,
            description=str(config.get("description") or info.description),
            licence=str(config.get("licence") or info.licence),
            representation=str(config.get("representation") or info.representation),
            fps=float(fps),
            min_seconds=max(limits.MIN_SECONDS, shortest / fps) if fps else limits.MIN_SECONDS,
            max_seconds=limits.MAX_SECONDS,
        )
    except (TypeError, ValueError) as error:
        raise ArtifactError(
            f"{CONFIG_FILE} of {info.name!r} is malformed: {error}.", COPY_AGAIN
        ) from error


def _like_hub_id(name: str) -> bool:
    return name.count("/") == 1 and name[0].isalnum() and not name.endswith("/")
