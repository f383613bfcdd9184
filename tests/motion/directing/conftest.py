"""Recordings, and what is measured of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.evaluation.physical import support_sliding
from backend.motion.io import npz
from backend.motion.representations import motion135

CLIPS = Path(__file__).parent / "clips"
WALK, TURN, STAND = "cmu_05_01_000_walk", "cmu_09_12_018_walk_turn", "cmu_13_07_032_drink"


def clip(name: str) -> np.ndarray:
    """motion_135 of a recording at 30 fps, float32."""
    return npz.read_motion(CLIPS / f"{name}.npz").data


def joints_of(x: np.ndarray) -> np.ndarray:
    return motion135.joints(x.astype(np.float64))


def sliding(x: np.ndarray) -> float:
    """Speed of the planted foot, cm/s."""
    return support_sliding(joints_of(x), 30.0)


def bend(x: np.ndarray) -> np.ndarray:
    """Largest joint acceleration of each inner frame, m/s^2."""
    return np.linalg.norm(np.diff(joints_of(x), n=2, axis=0), axis=-1).max(1) * 900.0


@pytest.fixture
def walk() -> np.ndarray:
    return clip(WALK)
