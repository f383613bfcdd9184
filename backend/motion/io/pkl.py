"""Pickles of plain arrays: AIST++ and others with SMPL's rotations by name. Nothing is run."""

from __future__ import annotations

from pathlib import Path

from ..convert import Clip
from . import smpl_params, strangers
from .formats import Reading
from .npy import refuse_pointer

AIST_FPS = 60.0
"""AIST++ motions hold no rate; its annotations are made at 60 fps (Li et al., 2021)."""


def read_clip(path: Path, reading: Reading) -> Clip:
    """The clip in a ``.pkl`` file; see :func:`backend.motion.io.load.read_clip`."""
    refuse_pointer(path)
    arrays = strangers.read_arrays(path)
    found = smpl_params.read(arrays, str(path), up=reading.up)
    own = AIST_FPS if "smpl_poses" in arrays and "smpl_scaling" in arrays else None
    return smpl_params.clip_of(found, str(path), reading.fps, own)
