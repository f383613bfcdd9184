"""Configurations on disk: JSON objects, and the frozen dataclasses that are made from them."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from ..errors import ArtifactError, ModelNotFound
from ..motion.io.bounds import MAX_CONFIG_BYTES, check_number

CHECKSUMS_KEY = "sha256"
"""Key of a model's configuration: file name to sha256 of the files saved with it."""
COPY_HINT = "Copy or download the model again."
_CHECKPOINT_SUFFIXES = (".pt", ".pth", ".ckpt", ".tar")
_MODEL_SUFFIXES = (".json", ".safetensors", ".npy", *_CHECKPOINT_SUFFIXES)

Config = TypeVar("Config")


def local_folder(name_or_path: str | Path) -> Path | None:
    """The directory of that path (``~`` is a home), or None where there is none."""
    try:
        folder = Path(name_or_path).expanduser()
        return folder if folder.is_dir() else None
    except (OSError, RuntimeError, ValueError):
        # too long for a path, the home of nobody, characters that no path has
        return None


def refuse_file(name_or_path: str | Path) -> None:
    """:class:`ModelNotFound` where a model's file is named in place of its folder.

    A path of a model's file that is not there counts where its folder is: no hub id looks so.
    """
    path = Path(name_or_path)
    named = path.suffix.lower() in _MODEL_SUFFIXES and local_folder(path.parent) is not None
    try:
        is_file = path.expanduser().is_file()
    except (OSError, RuntimeError, ValueError):  # as above
        return
    if not is_file and not (named and len(path.parts) > 1):
        return
    hint = "Give a model folder, a hub id (owner/name), or a name of `kinetype models`."
    if path.suffix.lower() in _MODEL_SUFFIXES:
        hint = f"Give the folder of the model: {str(path.parent)!r}."
    if path.suffix.lower() in _CHECKPOINT_SUFFIXES:
        hint += " A released checkpoint is converted first: kinetype convert-checkpoint."
    message = f"{path} is a file, no model." if is_file else f"There is no {path}."
    raise ModelNotFound(message, hint)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object, or :class:`ArtifactError`."""
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise ValueError("it is far too large")
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} is missing.", COPY_HINT) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} cannot be read: {error}.", COPY_HINT) from error
    if not isinstance(values, dict):
        raise ArtifactError(f"{path} must hold a JSON object.", COPY_HINT)
    return values


def config_from_dict(cls: type[Config], values: Any, where: str) -> Config:
    """Build a (nested) frozen dataclass from JSON values.

    Args:
        where: file and section, for messages.

    Raises:
        ArtifactError: an unknown, missing or ill-typed entry, or one that the class refuses.
    """
    if not isinstance(values, Mapping):
        raise ArtifactError(f"{where} must be an object, not {values!r}.", COPY_HINT)
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise ArtifactError(
            f"{where} has unknown entries: {', '.join(unknown)}.",
            "The model was made by another version of Kinetype; update it.",
        )
    missing = [
        name
        for name, f in fields.items()
        if name not in values
        and f.default is dataclasses.MISSING
        and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ArtifactError(f"{where} lacks {', '.join(missing)}.", COPY_HINT)
    try:
        for name, value in values.items():
            check_number(name, value)
    except ValueError as error:
        raise ArtifactError(f"{where}: {error}.", COPY_HINT) from error
    hints = typing.get_type_hints(cls)
    ready = {
        name: _checked_value(hints[name], value, f"{where}: {name}")
        for name, value in values.items()
    }
    try:
        return cls(**ready)
    except (TypeError, ValueError) as error:
        raise ArtifactError(f"{where}: {error}.", COPY_HINT) from error


def _checked_value(hint: object, value: object, where: str) -> object:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return config_from_dict(hint, value, where)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in arguments:
            return None
        hint = next(a for a in arguments if a is not type(None))
        return _checked_value(hint, value, where)
    if origin is typing.Literal:
        fits = value in arguments
    elif origin is dict:
        fits = isinstance(value, dict)
    elif hint is float:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
    elif isinstance(hint, type):
        fits = isinstance(value, hint) and not (hint is int and isinstance(value, bool))
    else:
        fits = True
    if not fits:
        raise ArtifactError(f"{where} cannot be {value!r}.", COPY_HINT)
    return value
