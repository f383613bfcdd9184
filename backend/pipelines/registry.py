"""Which models there are, by name, without importing any of them.

A model is a registry name, a directory with a ``config.json``, or a hub id ("owner/name").
Listing costs a few ``stat`` calls; the class (and torch) is imported by :func:`load_pipeline`.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from ..errors import ArtifactError, KinetypeError, ModelNotFound
from ..wire.control import ModelInfo
from ..wire.messages import Motion, Progress, Request

__all__ = [
    "ModelInfo",
    "Pipeline",
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

CONFIG_FILE = "config.json"
PIPELINE_KEY = "pipeline"
"""Key of ``config.json`` that names the pipeline class."""
PIPELINES: dict[str, tuple[str, str]] = {
    "dit": (".dit", "DiTPipeline"),
}
"""Value of ``PIPELINE_KEY`` -> module and class, imported on use."""

_ASSETS = Path(__file__).resolve().parent.parent / "assets"


@dataclass(frozen=True)
class _Entry:
    info: ModelInfo
    loader: Loader | None = None
    kind: str = ""
    files: tuple[str, ...] = ()
    uses_torch: bool = True


_REGISTRY: dict[str, _Entry] = {}


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
    _REGISTRY[name] = _Entry(shown, loader, uses_torch=uses_torch)


def list_models() -> list[ModelInfo]:
    """Every registered model, with what is missing where one is not ready."""
    return [_checked(entry) for entry in _REGISTRY.values()]


def model_info(name: str) -> ModelInfo | None:
    """The entry of that name, or None for a directory or hub id."""
    entry = _REGISTRY.get(name)
    return None if entry is None else _checked(entry)


def uses_torch(name: str) -> bool:
    """Whether loading this model needs torch."""
    entry = _REGISTRY.get(name)
    return entry is None or entry.uses_torch


def load_pipeline(
    name_or_path: str | Path, *, device: str | None = None, local_files_only: bool = False
) -> Pipeline:
    """Load a model by registry name, directory or hub id.

    Raises:
        ModelNotFound: nothing of that name.
        ArtifactError: its files are missing or broken.
    """
    entry = _REGISTRY.get(str(name_or_path))
    options: dict[str, Any] = {"device": device, "local_files_only": local_files_only}
    if entry is None:
        kind = _kind_of(name_or_path, local_files_only)
        return _pipeline_class(kind).from_pretrained(name_or_path, **options)
    info = _checked(entry)
    if not info.ready:
        raise ArtifactError(info.problem, info.fix)
    if entry.loader is not None:
        return entry.loader(**options)
    return _pipeline_class(entry.kind).from_pretrained(info.path, **options)


def _pipeline_class(kind: str) -> Any:
    if kind not in PIPELINES:
        raise ArtifactError(
            f"Unknown pipeline {kind!r} in {CONFIG_FILE}.",
            f"This version knows: {', '.join(sorted(PIPELINES))}. Update Kinetype.",
        )
    module, name = PIPELINES[kind]
    return getattr(importlib.import_module(module, __package__), name)


def _checked(entry: _Entry) -> ModelInfo:
    missing = [name for name in entry.files if not (Path(entry.info.path) / name).is_file()]
    if not missing:
        return entry.info
    return replace(
        entry.info,
        ready=False,
        problem=f"The model {entry.info.name!r} lacks {', '.join(missing)}.",
        fix=f"Install Kinetype again, or train the model into {entry.info.path}.",
    )


def _kind_of(name_or_path: str | Path, local_files_only: bool) -> str:
    config = _find_config(name_or_path, local_files_only)
    try:
        values = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"{config} cannot be read: {error}.", "Copy the model again."
        ) from error
    kind = values.get(PIPELINE_KEY) if isinstance(values, dict) else None
    if not isinstance(kind, str):
        raise ArtifactError(
            f"{config} does not name its pipeline.", f"It needs a {PIPELINE_KEY!r} entry."
        )
    return kind


def _find_config(name_or_path: str | Path, local_files_only: bool) -> Path:
    path = Path(name_or_path).expanduser()
    if path.is_dir():
        config = path / CONFIG_FILE
        if not config.is_file():
            raise ArtifactError(f"{path} has no {CONFIG_FILE}.", "Choose a model directory.")
        return config
    name = str(name_or_path)
    if name.count("/") != 1 or name.startswith(("/", ".", "~")):
        raise _not_found(name)
    return _hub_config(name, local_files_only)


def _hub_config(name: str, local_files_only: bool) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        found = hf_hub_download(name, CONFIG_FILE, local_files_only=local_files_only)
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise _not_found(name) from error
    return Path(found)


def _not_found(name: str) -> KinetypeError:
    known = ", ".join(sorted(_REGISTRY))
    return ModelNotFound(
        f"There is no model {name!r}.", f"Use one of: {known}, or a model directory."
    )


_REGISTRY["starter"] = _Entry(
    ModelInfo(
        name="starter",
        title="Starter",
        description="Small model that ships with Kinetype: walks, runs and everyday actions in "
        "several styles, on a CPU, offline.",
        licence="CC-BY-NC-4.0",
        representation="smplrifke205",
        fps=20.0,
        min_seconds=1.0,
        max_seconds=10.0,
        path=str(_ASSETS / "starter"),
    ),
    kind="dit",
    files=(CONFIG_FILE, "model.safetensors", "stats.safetensors"),
)
