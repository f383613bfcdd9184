"""The numbers of a BVH: text to channel values, and those to rotations and positions of joints.

Done a stretch of frames at a time, so that an hour of capture stays in the processor's cache.
"""

from __future__ import annotations

import numpy as np

_POSITIONS = {"Xposition": 0, "Yposition": 1, "Zposition": 2}
_ROTATIONS = {"Xrotation": "x", "Yrotation": "y", "Zrotation": "z"}
CHANNELS = {name.lower(): name for name in (*_POSITIONS, *_ROTATIONS)}
CHUNK = 512
"""Frames that are parsed at a time: their numbers stay in the processor's cache."""


def chunks(frames: int) -> range:
    """Where each stretch of :data:`CHUNK` frames begins."""
    return range(0, frames, CHUNK)


def numbers(rows: list[tuple[int, str]], width: int) -> np.ndarray:
    """``[rows, width]``; :class:`ValueError` where a row holds something else."""
    return np.array(" ".join(row for _, row in rows).split(), np.float64).reshape(len(rows), width)


def to_local(
    values: np.ndarray, channels: list[list[str]], offsets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Channel values ``[T, C]`` to rotations ``[T, J, 3, 3]`` and positions ``[T, J, 3]``.

    Joints with the same channel list are done together: a file has two or three such lists.
    """
    frames, joints = len(values), len(channels)
    starts = np.concatenate([[0], np.cumsum([len(c) for c in channels])[:-1]]).astype(int)
    rotations = np.empty((frames, joints, 3, 3))
    positions = np.empty((frames, joints, 3))
    positions[:] = offsets
    for names in sorted({tuple(c) for c in channels}):
        members = np.array([j for j, c in enumerate(channels) if tuple(c) == names])
        turned = [(k, _ROTATIONS[name]) for k, name in enumerate(names) if name in _ROTATIONS]
        for place, name in enumerate(names):
            if name in _POSITIONS:
                column = values[:, starts[members] + place]
                positions[:, members, _POSITIONS[name]] = column
        places = np.array([starts[members] + place for place, _ in turned])
        if not turned:
            rotations[:, members] = np.eye(3)
            continue
        for at in chunks(frames):
            part = slice(at, at + CHUNK)
            angles = np.deg2rad(values[part][:, places])
            rotations[part, members] = _composed([axis for _, axis in turned], angles)
    return rotations, positions


def _composed(axes: list[str], angles: np.ndarray) -> np.ndarray:
    """``[T, M, 3, 3]`` turns about ``axes`` one after the other, angles ``[T, axes, M]`` (rad).

    To turn about one more axis is to mix the two other columns of the matrix, which is several
    times faster than the product of the matrices.
    """
    frames, _, joints = angles.shape
    matrix = np.zeros((3, 3, frames, joints))  # [column, row]: mixing goes through memory in order
    matrix[[0, 1, 2], [0, 1, 2]] = 1.0
    for place, axis in enumerate(axes):
        first, second = ("xyz".index(axis) + 1) % 3, ("xyz".index(axis) + 2) % 3
        cosine, sine = np.cos(angles[:, place]), np.sin(angles[:, place])
        before = matrix[first].copy()
        matrix[first] = cosine * before + sine * matrix[second]
        matrix[second] = cosine * matrix[second] - sine * before
    return matrix.transpose(2, 3, 1, 0)
