"""Pickles of named arrays, joblib's too: AIST++, WHAM, PHALP and others. Nothing is run."""

from __future__ import annotations

from pathlib import Path

from ...errors import FormatError
from ..convert import Clip
from . import named, restricted_pickle
from .formats import Reading


def read_clip(path: Path, reading: Reading) -> Clip:
    """The clip in a ``.pkl`` file; see :func:`backend.motion.io.load.read_clip`."""
    return named.read(read_content(path), path, reading)


def count(path: Path) -> int:
    """How many motions (persons, tracks) a file holds."""
    return max(len(named.motions_of(read_content(path))), 1)


def read_content(path: Path, start: int = 0) -> object:
    """:func:`.restricted_pickle.read_content`, whose errors name the file."""
    try:
        return restricted_pickle.read_content(path, start)
    except FormatError as error:
        raise FormatError(f"{path}: {error.message}", error.hint) from error
    except OSError as error:
        raise FormatError(f"Cannot read {path}: {error.strerror}.", "Check the path.") from error
