"""Fixtures shared by every test."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from backend.motion.representations import motion135
from backend.motion.rotations import axis_angle_to_matrix, rotation_about

REPO = Path(__file__).resolve().parents[1]
# what the person at this computer downloaded and linked is no part of a test
os.environ["KINETYPE_HOME"] = tempfile.mkdtemp(prefix="kinetype-home-")
atexit.register(shutil.rmtree, os.environ["KINETYPE_HOME"], ignore_errors=True)


@pytest.fixture(scope="session")
def kit() -> Path:
    """Folder of golden data that may not be published; tests that need it skip where it is absent.

    Set KINETYPE_KIT to its place; otherwise ``../shared/kit`` beside the repository is tried.
    """
    folder = Path(os.environ.get("KINETYPE_KIT", REPO.parent / "shared" / "kit"))
    if not folder.is_dir():
        pytest.skip("golden kit not present (set KINETYPE_KIT)")
    return folder


def _swinging_clip(frames: int = 48, seed: int = 0, turns: float = 0.4) -> np.ndarray:
    """A smooth made-up clip ``[frames, 135]`` float64: swinging limbs, travelling and turning."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames)[:, None, None] / 30.0
    amplitude = rng.uniform(0.05, 0.35, (22, 3))
    phase = rng.uniform(0.0, 2.0 * np.pi, (22, 3))
    rotations = axis_angle_to_matrix(amplitude * np.sin(2.0 * np.pi * time + phase))
    heading = 2.0 * np.pi * turns * np.linspace(0.0, 1.0, frames)
    rotations[:, 0] = rotation_about("y", heading) @ rotations[:, 0]
    root = np.stack([np.sin(heading), 0.93 + 0.02 * np.sin(9.0 * time[:, 0, 0]), heading], -1)
    return motion135.pack(root, rotations)


@pytest.fixture(scope="session")
def make_motion() -> Callable[..., np.ndarray]:
    """``make_motion(frames=48, seed=0, turns=0.4)`` -> a smooth made-up clip ``[frames, 135]``."""
    return _swinging_clip


@pytest.fixture
def clip() -> np.ndarray:
    """One made-up clip, ``[48, 135]`` float64 at 30 fps."""
    return _swinging_clip()
