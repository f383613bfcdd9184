"""Change of frame rate: positions linearly, rotations by slerp, on one of three time grids.

=============  ==============================================  ==================================
grid           sample times                                    used by
=============  ==============================================  ==================================
phase          k / target_fps: time stays true                 motion_135, HumanML3D <-> MS272
end-aligned    first and last sample on first and last frame   joints -> rotations bridge
centred        centres of target frames (x = (i+.5) r - .5)    smplrifke from 60 or 120 fps data
=============  ==============================================  ==================================

A grid is an array of source positions in frames, so that every kind of data can share it.
"""

from __future__ import annotations

import math

import numpy as np

from ..errors import FormatError
from .io.bounds import MAX_FPS, MAX_FRAMES, MIN_FPS
from .representations import motion135
from .rotations import matrix_to_quaternion, quaternion_to_matrix, slerp


def check_rate(rate: float) -> None:
    """:class:`FormatError` for what is no frame rate of a motion."""
    if not (math.isfinite(rate) and MIN_FPS <= rate <= MAX_FPS):
        raise FormatError(
            f"A motion has {MIN_FPS:g} to {MAX_FPS:g} frames per second, not {rate:g}.",
            "Give the frame rate: --source-fps on the command line, fps= in Python.",
        )


def check_frames(count: float) -> None:
    """:class:`FormatError` for more frames than a motion may have."""
    if count > MAX_FRAMES:
        raise FormatError(
            f"A motion of {count:.0f} frames is longer than the limit of {MAX_FRAMES}.",
            "Check its frame rate, or cut it into parts.",
        )


def _check(frames: int, source_fps: float, target_fps: float) -> None:
    check_rate(source_fps)
    check_rate(target_fps)
    check_frames(frames / source_fps * target_fps)


def phase_grid(
    frames: int, source_fps: float, target_fps: float, count: int | None = None
) -> np.ndarray:
    """Source positions ``[n]`` at the times k / target_fps, never beyond the last frame.

    Args:
        count: how many samples; by default as many as fit the duration, the last one within half
            a target frame of the last source frame.
    """
    _check(frames, source_fps, target_fps)
    if count is None:
        count = max(min(frames, 2), round((frames - 1) / source_fps * target_fps) + 1)
    return np.minimum(np.arange(count) / target_fps * source_fps, frames - 1.0)


def end_aligned_grid(frames: int, source_fps: float, target_fps: float) -> np.ndarray:
    """Source positions ``[n]`` from the first to the last frame; stretches time slightly.

    ``n = max(2, round(frames * target / source))`` with halves rounded to even.
    """
    _check(frames, source_fps, target_fps)
    return np.linspace(0.0, frames - 1.0, max(2, round(frames * target_fps / source_fps)))


def centred_grid(frames: int, source_fps: float, target_fps: float) -> np.ndarray:
    """Source positions ``[n]`` of the centres of ``floor(frames * target / source)`` frames."""
    _check(frames, source_fps, target_fps)
    count = int(frames * target_fps / source_fps)
    positions = (np.arange(count) + 0.5) * source_fps / target_fps - 0.5
    return np.clip(positions, 0.0, frames - 1.0)


def _neighbours(grid: np.ndarray, frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    low = np.clip(np.floor(grid).astype(int), 0, max(frames - 2, 0))
    return low, np.minimum(low + 1, frames - 1), grid - low


def linear(values: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Linear interpolation of ``[T, ...]`` at ``grid`` (source frames) -> ``[n, ...]``, float64."""
    values = np.asarray(values, dtype=np.float64)
    low, high, weight = _neighbours(grid, len(values))
    weight = weight.reshape((-1,) + (1,) * (values.ndim - 1))
    return values[low] * (1.0 - weight) + values[high] * weight


def spherical(matrices: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Slerp of rotation matrices ``[T, ..., 3, 3]`` at ``grid`` -> ``[n, ..., 3, 3]``, float64."""
    quaternions = matrix_to_quaternion(np.asarray(matrices, dtype=np.float64))
    low, high, weight = _neighbours(grid, len(quaternions))
    weight = weight.reshape((-1,) + (1,) * (quaternions.ndim - 2))
    return quaternion_to_matrix(slerp(quaternions[low], quaternions[high], weight))


def vector_slerp(vectors: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """STMC's interpolation of axis-angle vectors ``[T, ..., 3]`` at ``grid`` -> ``[n, ..., 3]``.

    The directions of the two vectors are slerped and their lengths come along; nearly parallel
    (``|cos| > 0.9995``) or zero vectors are interpolated linearly. This is not slerp of rotations;
    it exists to reproduce data that was made with it. Use :func:`spherical` for anything new.
    """
    vectors = np.asarray(vectors, dtype=np.float64)
    low, high, weight = _neighbours(grid, len(vectors))
    weight = weight.reshape((-1,) + (1,) * (vectors.ndim - 1))
    a, b = vectors[low], vectors[high]
    lengths = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    zero = lengths < 1e-12
    cosine = (a * b).sum(-1) / np.where(zero, 1.0, lengths)
    straight = (zero | (np.abs(cosine) > 0.9995))[..., None]
    angle = np.where(straight, 1.0, np.arccos(np.clip(cosine, -1.0, 1.0))[..., None])
    arc = (np.sin((1.0 - weight) * angle) * a + np.sin(weight * angle) * b) / np.sin(angle)
    return np.where(straight, (1.0 - weight) * a + weight * b, arc)


def resample_at(x: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """motion_135 ``[T, 135]`` at source positions ``grid [n]`` (frames) -> ``[n, 135]``."""
    root, rotations = motion135.unpack(x)
    out = motion135.pack(linear(root, grid), spherical(rotations, grid))
    return out.astype(root.dtype)


def resample_motion135(
    x: np.ndarray, source_fps: float, target_fps: float, frames: int | None = None
) -> np.ndarray:
    """motion_135 at another frame rate, time-true.

    Args:
        x: ``[T, 135]`` at ``source_fps``.
        frames: exact number of output frames; beyond the end of the clip the last pose is held.
            By default the duration decides.

    Returns:
        ``[T', 135]`` of the same dtype; frame k shows the source at k / target_fps seconds. The
        input itself (a copy) when neither rate nor length changes.

    Raises:
        FormatError: wrong shape, values that are not finite, a rate or length that no motion has.
    """
    x = motion135.SPEC.check(x)
    grid = phase_grid(len(x), source_fps, target_fps, frames)
    if source_fps == target_fps and len(grid) == len(x):
        return x.copy()
    return resample_at(x, grid)
