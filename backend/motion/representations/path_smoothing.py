"""Kimodo's smooth root path: the flattest path within 6 cm of the pelvis, found coarse to fine.

It is only needed to encode a motion. Multigrid ADMM on second differences; the constants and the
order of operations are those of the features that the published models were trained on.
"""

from __future__ import annotations

import numpy as np

MARGIN = 0.06
"""How far (metres) the smooth path may lie from the pelvis."""
_ITERATIONS = 500
_RELAXATION = 1.8


def smooth_path(path: np.ndarray) -> np.ndarray:
    """The smooth path of ``path`` ``[T, 2]`` (ground x, z of the pelvis, metres), float64.

    The last pass of the released code averages each sample with the next one, so that the result
    leads by half a frame; the models learned it so, and it is kept.
    """
    target = np.asarray(path, dtype=np.float64)
    frames = len(target)
    if frames < 3:
        return target.copy()
    out = np.tile(target.mean(axis=0), (frames, 1))
    stride = 2 ** max(int(np.floor(np.log2(frames))) - 4, 1)
    while stride >= 1:
        places = np.arange(0, frames, stride)
        out[places] = _flatten(target[places], out[places])
        _fill(out, places, stride // 2)
        stride //= 2
    return out


def _fill(out: np.ndarray, places: np.ndarray, half: int) -> None:
    """Samples half a stride after ``places`` become the mean of their neighbours, in place."""
    last = places[-1]
    if last + half < len(out) and len(places) > 1:
        out[last + half] = out[last] + (out[last] - out[places[-2]]) / 2
    elif last + half < len(out):
        out[last + half] = out[last]
    left, right = places[:-1], places[1:]
    out[left + half] = (out[left] + out[right]) / 2


def _flatten(target: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The solution on one grid, ``[n, 2]``."""
    count = len(target)
    second = np.zeros((count, count))
    inner = np.arange(1, count - 1)
    second[inner, inner - 1] = second[inner, inner + 1] = -1.0
    second[inner, inner] = 2.0
    normal = second.T @ second
    rho = 0.25 * np.sqrt(normal.diagonal().max())
    if rho == 0.0:
        return target.copy()
    inverse = np.linalg.inv(normal + rho * np.eye(count)) * rho
    x, u = start.copy(), np.zeros_like(target)
    for _ in range(_ITERATIONS):
        z = x + u - target
        length = np.linalg.norm(z, axis=-1, keepdims=True)
        z = target + z * np.minimum(1.0, MARGIN / np.maximum(length, 1e-12))
        u += _RELAXATION * (x - z)
        x = inverse @ (z - u)
    return x
