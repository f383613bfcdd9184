"""PyTorch files of tensors: GVHMR's results, and others with SMPL's rotations by name.

Only tensors and plain containers are read (:mod:`.torch_file`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...errors import FormatError, MissingDependency
from ..convert import Clip
from . import smpl_params
from .formats import Reading
from .npy import refuse_pointer

PLACES = ("smpl_params_global", "smpl_params", "smpl_params_incam", "params")
"""Where programs keep the body; one in world space goes before one in a camera's."""
GVHMR_FPS = 30.0
_HINT = "Expected tensors by name: global_orient, body_pose and transl, or poses and trans."


def read_clip(path: Path, reading: Reading) -> Clip:
    """The clip in a ``.pt`` file; see :func:`backend.motion.io.load.read_clip`."""
    refuse_pointer(path)
    content = _load(path)
    if not isinstance(content, Mapping):
        raise FormatError(f"{path} holds no tensors by name.", _HINT)
    place = next((p for p in PLACES if isinstance(content.get(p), Mapping)), None)
    inner = content[place] if place else content
    arrays = {
        str(name): array for name, value in inner.items() if (array := _array(value)) is not None
    }
    found = smpl_params.read(arrays, str(path), up=reading.up)
    own = GVHMR_FPS if place == PLACES[0] else None
    return smpl_params.clip_of(found, str(path), reading.fps, own)


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


def _array(value: object) -> np.ndarray | None:
    if isinstance(value, np.ndarray):
        return value
    numpy = getattr(value, "numpy", None)
    if numpy is None:
        return None
    try:
        return np.asarray(value.detach().cpu().float().numpy())  # type: ignore[attr-defined]
    except (RuntimeError, TypeError):
        return None
