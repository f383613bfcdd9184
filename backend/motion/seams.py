"""Joining made motion to recorded motion: place, heading and speed agree where they meet.

Kept frames are never touched. The made motion beside them is moved: first the whole gap, rigidly
and, where both of its ends are held, by a ramp over its length; then, near each end, by the offset
that is left in pose and in speed, which dies away over a fraction of a second ("inertialization",
Bollo, GDC 2018, with a cubic instead of a quintic).
"""

from __future__ import annotations

import numpy as np

from .rotations import axis_angle_to_matrix, matrix_to_axis_angle, rotation_about, transpose

BLEND_SECONDS = 0.3
"""How long the offset at a seam takes to die away."""

_FLAT = [0, 2]


def gaps(kept: np.ndarray) -> list[tuple[int, int]]:
    """Half-open ``(first, last)`` of every stretch of False in ``kept [T]``."""
    edges = np.flatnonzero(np.diff(np.concatenate([[1], kept.astype(np.int8), [1]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def kept_stretches(kept: np.ndarray) -> list[tuple[int, int]]:
    """Half-open ``(first, last)`` of every stretch of True in ``kept [T]``."""
    return gaps(~kept)


def place(
    made: tuple[np.ndarray, np.ndarray],
    given: tuple[np.ndarray, np.ndarray],
    gap: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:
    """Put made motion where the given one is at the ends of a gap.

    Args:
        made: root ``[T, 3]`` and parent-relative rotations ``[T, 22, 3, 3]`` in any place and
            heading; heights are right already.
        given: the same of the recording.
        gap: half-open frames; an end at the border of the clip is free. With both free, the first
            frames are put together.

    Returns:
        Copies of ``made``, moved in x and z and turned about y.
    """
    (root, rotations), (target, target_rotations) = made, given
    frames = len(root)
    left, right = gap[0] - 1, gap[1]
    anchor = left if left >= 0 else right if right < frames else 0
    turn = _yaw(target_rotations[anchor, 0] @ rotations[anchor, 0].T)
    root, rotations = _turned(root, rotations, np.full(frames, turn), anchor)
    root[:, _FLAT] += target[anchor, _FLAT] - root[anchor, _FLAT]
    if left < 0 or right >= frames:
        return root, rotations
    ramp = np.clip((np.arange(frames) - left) / (right - left), 0.0, 1.0)
    ramp = ramp**2 * (3.0 - 2.0 * ramp)
    rest = _yaw(target_rotations[right, 0] @ rotations[right, 0].T)
    rotations[:, 0] = rotation_about("y", ramp * rest) @ rotations[:, 0]
    root[:, _FLAT] += ramp[:, None] * (target[right, _FLAT] - root[right, _FLAT])
    return root, rotations


def facing_like(rotation: np.ndarray, target: np.ndarray) -> np.ndarray:
    """``rotation [T, 3, 3]`` turned about y, frame by frame, to be nearest to ``target``."""
    between = target @ transpose(rotation)
    angle = np.arctan2(between[:, 0, 2] - between[:, 2, 0], between[:, 0, 0] + between[:, 2, 2])
    return rotation_about("y", angle) @ rotation


def _yaw(rotation: np.ndarray) -> float:
    """Angle about y of the turn about y that is nearest to ``rotation [3, 3]``."""
    return float(np.arctan2(rotation[0, 2] - rotation[2, 0], rotation[0, 0] + rotation[2, 2]))


def _turned(
    root: np.ndarray, rotations: np.ndarray, angle: np.ndarray, pivot: int
) -> tuple[np.ndarray, np.ndarray]:
    turn = rotation_about("y", angle)
    centre = root[pivot] * [1.0, 0.0, 1.0]
    moved = (turn @ (root - centre)[..., None])[..., 0] + centre
    out = rotations.copy()
    out[:, 0] = turn @ rotations[:, 0]
    return moved, out


def join(
    made: tuple[np.ndarray, np.ndarray],
    given: tuple[np.ndarray, np.ndarray],
    gap: tuple[int, int],
    kept: np.ndarray,
    blend_frames: float,
) -> tuple[np.ndarray, np.ndarray]:
    """The frames of a gap, continuous in pose and speed with the recording at its held ends.

    Args:
        made: root ``[T, 3]`` and rotations ``[T, 22, 3, 3]`` of the whole clip, in place; its
            frames beyond the gap tell how it would have gone on.
        given: the recording.
        gap: half-open frames.
        kept: ``[T]`` bool, the frames of the recording that hold.
        blend_frames: length of the blend in frames; a shorter gap shortens it.

    Returns:
        Root ``[n, 3]`` and rotations ``[n, 22, 3, 3]`` of the n frames of the gap.
    """
    first, last = gap
    frames = len(made[0])
    inside = np.arange(first, last)
    shift = np.zeros((len(inside), 3))
    turn = np.zeros((len(inside), made[1].shape[1], 3))
    length = max(1.0, min(blend_frames, float(last - first + 1)))
    for border, step in ((first - 1, 1), (last, -1)):
        if not 0 <= border < frames:
            continue
        steps = np.abs(inside - border)
        before = border - step
        if not (0 <= before < frames and kept[before]):
            before = border  # a single pose has no speed
        offset = given[0][border] - made[0][border]
        growth = offset - (given[0][before] - made[0][before])
        shift += _decayed(offset, growth, steps, length)
        between = transpose(made[1][[border, before]]) @ given[1][[border, before]]
        # from the product of rotations, not from the difference of vectors: no jumps at half turns
        growth = matrix_to_axis_angle(transpose(between[1]) @ between[0])
        turn += _decayed(matrix_to_axis_angle(between[0]), growth, steps, length)
    return made[0][inside] + shift, made[1][inside] @ axis_angle_to_matrix(turn)


def _decayed(
    offset: np.ndarray, growth: np.ndarray, steps: np.ndarray, length: float
) -> np.ndarray:
    """Cubic ``[n, ...]`` from ``offset`` and ``growth`` per frame at 0 to rest at ``length``."""
    u = np.clip(steps / length, 0.0, 1.0).reshape(-1, *([1] * offset.ndim))
    return (2 * u**3 - 3 * u**2 + 1) * offset + (u**3 - 2 * u**2 + u) * length * growth
