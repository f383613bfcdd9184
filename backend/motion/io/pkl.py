"""Pickles of named arrays, joblib's too: AIST++, WHAM, PHALP and others. Nothing is run."""

from __future__ import annotations

from pathlib import Path

from ..convert import Clip
from . import named, strangers
from .formats import Reading


def read_clip(path: Path, reading: Reading) -> Clip:
    """The clip in a ``.pkl`` file; see :func:`backend.motion.io.load.read_clip`."""
    return named.read(strangers.read_content(path), path, reading)


def count(path: Path) -> int:
    """How many motions (persons, tracks) a file holds."""
    return max(len(named.motions_of(strangers.read_content(path))), 1)
