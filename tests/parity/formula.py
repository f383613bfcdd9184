"""Formula arrays of the golden data: deterministic inputs that are not stored."""

from __future__ import annotations

import zlib

import numpy as np


def _unit(key: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    state = np.random.RandomState(zlib.crc32(f"{seed}:{key}".encode()) & 0xFFFFFFFF)
    return 2 * state.random_sample(shape) - 1


def formula_array(key: str, shape: tuple[int, ...], seed: int, scale: float = 1.0) -> np.ndarray:
    """Uniform with unit variance times ``scale``, float32."""
    return (_unit(key, shape, seed) * np.sqrt(3) * scale).astype(np.float32)


def formula_weight(key: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """A weight of that name: fan-in scaled matrix, gain about 1, or small bias; float32."""
    u = _unit(key, shape, seed)
    if len(shape) >= 2 and not key.endswith("hidden"):
        return (u * np.sqrt(3 / np.prod(shape[1:]))).astype(np.float32)
    if key.endswith("weight"):
        return (1 + 0.1 * u).astype(np.float32)
    return (0.1 * u).astype(np.float32)
