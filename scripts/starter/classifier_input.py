"""What the classifiers see of a motion: joints without heading or place, and how fast they move."""

from __future__ import annotations

import numpy as np

from backend.motion.representations import motion135, smplrifke205

_BASE_BLOCKS = ("root_height", "root_velocity", "yaw_velocity", "joints")
_COLUMNS = np.concatenate(
    [np.arange(205)[smplrifke205.SPEC.columns(block)] for block in _BASE_BLOCKS]
)
_SPEEDS = slice(1, 4)
"""Columns of the base that are per-frame differences: a faster copy has larger ones."""
_JOINTS = slice(4, None)
BASE_DIM = len(_COLUMNS)
INPUT_DIM = BASE_DIM + len(range(BASE_DIM)[_JOINTS])
FPS = smplrifke205.SPEC.fps
MAX_FRAMES = 196
MIN_FRAMES = 12


def base(features: np.ndarray) -> np.ndarray:
    """smplrifke205 ``[T, 205]`` -> ``[T, 73]``: height, root speeds, joints (m, no heading)."""
    return np.ascontiguousarray(features[:, _COLUMNS], dtype=np.float32)


def from_motion135(x: np.ndarray, fps: float = motion135.SPEC.fps) -> np.ndarray:
    """motion_135 ``[T, 135]`` at ``fps`` -> base ``[T', 73]`` at 20 fps, at most 196 frames."""
    return base(smplrifke205.from_motion135(x, fps))[:MAX_FRAMES]


def warp(x: np.ndarray, speed: float) -> np.ndarray:
    """The same base played ``speed`` times as fast."""
    count = max(MIN_FRAMES, round(len(x) / speed))
    place = np.linspace(0, len(x) - 1, count)
    low = np.minimum(place.astype(int), len(x) - 2)
    weight = (place - low).astype(np.float32)[:, None]
    out = x[low] * (1 - weight) + x[low + 1] * weight
    out[:, _SPEEDS] *= np.float32(len(x) / count)
    return out


def jitter(x: np.ndarray, rng: np.random.Generator, size: float) -> np.ndarray:
    """Joints shaken by ``size`` metres (white) and drifting by twice that (slow)."""
    joints = x[:, _JOINTS]
    white = rng.standard_normal(joints.shape, dtype=np.float32)
    knots = rng.standard_normal((len(x) // 10 + 2, joints.shape[1]), dtype=np.float32)
    place = np.linspace(0, len(knots) - 1.001, len(x))
    low = place.astype(int)
    weight = (place - low).astype(np.float32)[:, None]
    slow = knots[low] * (1 - weight) + knots[low + 1] * weight
    out = x.copy()
    out[:, _JOINTS] += np.float32(size) * (white + 2 * slow)
    return out


def frozen(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One frame of ``x`` held for the whole length, without travel."""
    out = np.repeat(x[rng.integers(len(x))][None], len(x), 0)
    out[:, _SPEEDS] = 0
    return out


def expand(x: np.ndarray) -> np.ndarray:
    """Base ``[T, 73]`` -> network input ``[T, 142]``: base and joint velocities (m/frame)."""
    step = np.diff(x[:, _JOINTS], axis=0, prepend=x[:1, _JOINTS])
    return np.concatenate([x, step], -1)
