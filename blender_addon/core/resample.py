"""A motion at another frame rate: positions linear, rotations slerp, true to time."""

from __future__ import annotations

import numpy as np

from . import quaternions


def frame_count(frames: int, source_fps: float, target_fps: float) -> int:
    """Samples at ``target_fps`` that cover ``frames`` samples at ``source_fps``, ends included.

    Rounding to the nearest frame keeps the last pose to within half a target frame. One source
    frame stays one.
    """
    return round((frames - 1) * target_fps / source_fps) + 1


def resample(
    rotations: np.ndarray, positions: np.ndarray, source_fps: float, target_fps: float
) -> tuple[np.ndarray, np.ndarray]:
    """Sample a motion at times ``k / target_fps``.

    Args:
        rotations: ``[T, J, 4]`` unit quaternions. positions: ``[T, 3]`` in any unit.
        source_fps, target_fps: any positive rates, whole or not (Blender's ``fps / fps_base``).

    Returns:
        ``[T', J, 4]`` and ``[T', 3]``. The motion is not stretched: a sample past the last source
        frame (by less than half a target frame) holds it.
    """
    count = frame_count(len(rotations), source_fps, target_fps)
    times = np.minimum(np.arange(count) * (source_fps / target_fps), len(rotations) - 1)
    # steps of 30 / 30 or 30 / 60 land on source frames up to rounding; take those unchanged
    whole = np.round(times)
    times = np.where(np.abs(times - whole) < 1e-9 * len(rotations), whole, times)
    before = np.floor(times).astype(np.intp)
    weight = times - before
    if not weight.any():
        return rotations[before], positions[before]
    after = np.minimum(before + 1, len(rotations) - 1)
    turned = quaternions.slerp(rotations[before], rotations[after], weight[:, None])
    w = weight[:, None]
    return turned, (1 - w) * positions[before] + w * positions[after]
