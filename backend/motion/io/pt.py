"""PyTorch files of tensors: GVHMR's results, and others with SMPL's rotations by name.

Only tensors and plain containers are read (:mod:`.torch_file`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...errors import FormatError, MissingDependency
from ..convert import Clip
from . import named
from .formats import Reading


def read_clip(path: Path, reading: Reading) -> Clip:
    """The clip in a ``.pt`` file; see :func:`backend.motion.io.load.read_clip`."""
    return named.read(_plain(_load(path)), path, reading)


def _load(path: Path) -> object:
    try:
        from . import torch_file
    except ImportError as error:
        raise MissingDependency(
            f"{path.name} needs PyTorch to be read.", "Read it where the backend is installed."
        ) from error
    try:
        return torch_file.load(path)
    except FormatError as error:
        raise FormatError(f"{path}: {error.message}", error.hint) from error


def _plain(value: object) -> object:
    """Tensors as arrays, in the containers that they lie in."""
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return _array(value)


def _array(value: object) -> np.ndarray | None:
    if isinstance(value, np.ndarray | np.number | int | float):
        return np.asarray(value)
    numpy = getattr(value, "numpy", None)
    if numpy is None:
        return None
    try:
        return np.asarray(value.detach().cpu().float().numpy())  # type: ignore[attr-defined]
    except (RuntimeError, TypeError):
        return None
