"""What the classifiers see of a motion: joints without heading or place, and how fast they move."""

from __future__ import annotations

import numpy as np

from ...motion.representations import motion135, smplrifke205

_BASE_BLOCKS = ("root_height", "root_velocity", "yaw_velocity", "joints")
_COLUMNS = np.concatenate(
    [np.arange(205)[smplrifke205.SPEC.columns(block)] for block in _BASE_BLOCKS]
)
SPEEDS = slice(1, 4)
"""Columns of the base that are per-frame differences: a faster copy has larger ones."""
JOINTS = slice(4, None)
BASE_DIM = len(_COLUMNS)
INPUT_DIM = BASE_DIM + len(range(BASE_DIM)[JOINTS])
FPS = smplrifke205.SPEC.fps
MAX_FRAMES = 196
MIN_FRAMES = 12


def base(features: np.ndarray) -> np.ndarray:
    """smplrifke205 ``[T, 205]`` -> ``[T, 73]``: height, root speeds, joints (m, no heading)."""
    return np.ascontiguousarray(features[:, _COLUMNS], dtype=np.float32)


def from_motion135(x: np.ndarray, fps: float = motion135.SPEC.fps) -> np.ndarray:
    """motion_135 ``[T, 135]`` at ``fps`` -> base ``[T', 73]`` at 20 fps, at most 196 frames."""
    return base(smplrifke205.from_motion135(x, fps))[:MAX_FRAMES]


def expand(x: np.ndarray) -> np.ndarray:
    """Base ``[T, 73]`` -> network input ``[T, 142]``: base and joint velocities (m/frame)."""
    step = np.diff(x[:, JOINTS], axis=0, prepend=x[:1, JOINTS])
    return np.concatenate([x, step], -1)
