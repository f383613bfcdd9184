"""Model files: from a directory or hub id to verified tensors, and back to disk.

A model folder holds ``config.json``, ``model.safetensors`` and ``stats.safetensors`` (``mean`` and
``std`` ``[D]`` of the representation). Nothing here unpickles. Every failure is a
:class:`~backend.errors.KinetypeError` that names the file and says what to do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import ArtifactError
from ..motion.io.atomic import atomic_path
from . import hub
from .config_files import CHECKSUMS_KEY, COPY_HINT
from .config_files import config_from_dict as config_from_dict
from .config_files import local_folder as local_folder
from .config_files import read_json as read_json
from .hub import inside as inside
from .statistics import STATS as STATS
from .statistics import Stats as Stats
from .statistics import load_stats as load_stats
from .statistics import save_stats
from .weights import check_fit as check_fit
from .weights import load_network as load_network
from .weights import load_tensors as load_tensors
from .weights import load_weights as load_weights
from .weights import save_tensors as save_tensors

CONFIG = "config.json"
WEIGHTS = "model.safetensors"

_digests: dict[tuple[str, int, int, int], str] = {}


def resolve(
    name_or_path: str | Path,
    files: Sequence[str] = (CONFIG, WEIGHTS, STATS),
    *,
    optional: Sequence[str] = (),
    revision: str | None = None,
    local_files_only: bool = False,
) -> Path:
    """The local folder of a model: :func:`.hub.resolve`, with the files of a model of our own."""
    return hub.resolve(
        name_or_path,
        files,
        optional=optional,
        revision=revision,
        local_files_only=local_files_only,
    )


def verify_checksums(
    folder: Path, config: Mapping[str, Any], *, where: str = CONFIG, skip: Sequence[str] = ()
) -> None:
    """Compare files with the sha256 that ``config.json`` records; files without one pass.

    Args:
        where: name of the configuration file, for messages.
        skip: files to leave alone; one that is used later is better checked then.

    Raises:
        ArtifactError: a file was changed or damaged after it was saved.
    """
    for name, expected in dict(config.get(CHECKSUMS_KEY) or {}).items():
        path = inside(folder, name)
        if name not in skip and (not path.is_file() or sha256_of(path) != expected):
            raise ArtifactError(f"{path} is not the file that {where} was saved with.", COPY_HINT)


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a file, computed once for as long as the file stays as it is."""
    real = path.resolve()
    found = real.stat()
    key = (str(real), found.st_ino, found.st_size, found.st_mtime_ns)
    if key not in _digests:
        with real.open("rb") as stream:
            _digests[key] = hashlib.file_digest(stream, "sha256").hexdigest()
    return _digests[key]


# ---------------------------------------------------------------- saving


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write JSON whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(
            json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )


def save_model(
    folder: Path,
    config: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    stats: Stats | None = None,
    *,
    half: bool = False,
    name: str = CONFIG,
    beside: Sequence[str] = (),
) -> Path:
    """Write a model into a folder: weights, statistics, and at last the configuration.

    A folder of a person's choice is made with :func:`.new_folder.new_folder`.

    Args:
        config: plain JSON values.
        weights: state dict.
        half: store the weights as float16 (they are loaded as float32 again).
        name: of the configuration's file.
        beside: further files of the model, which are there already.
    """
    save_tensors(folder / WEIGHTS, weights, dtype=torch.float16 if half else torch.float32)
    files = [WEIGHTS, *beside]
    if stats is not None:
        save_stats(folder, stats)
        files.append(STATS)
    record(folder, config, files, name=name)
    return folder


def record(
    folder: Path,
    config: Mapping[str, Any],
    files: Iterable[str] | None = None,
    *,
    name: str = CONFIG,
) -> None:
    """Write the configuration of a model, last of all, with the sha256 of its other files.

    Args:
        files: their names; whatever is in the folder when None.
    """
    if files is None:
        found = (path for path in folder.rglob("*") if path.is_file())
        files = sorted(path.relative_to(folder).as_posix() for path in found)
    checksums = {file: sha256_of(folder / file) for file in files if file != name}
    write_json(folder / name, {**config, CHECKSUMS_KEY: checksums})
