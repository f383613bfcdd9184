"""Simple edits of motion_135 clips: heading, place, length, speed. Pure functions."""

from __future__ import annotations

import numpy as np

from ..errors import InvalidRequest
from .representations import motion135
from .resample import resample_at
from .rotations import rotation_about

_FLAT = [0, 2]  # the horizontal axes


def heading(x: np.ndarray) -> np.ndarray:
    """Where the pelvis faces in each frame ``[T]``: radians about +Y, 0 is +Z, +X is a quarter."""
    _, rotations = motion135.unpack(x)
    forward = rotations[:, 0, :, 2]
    return np.arctan2(forward[:, 0], forward[:, 2])


def align_heading(x: np.ndarray, angle: float = 0.0) -> np.ndarray:
    """Turn and move a clip: its first frame stands at x = z = 0 and faces ``angle`` (rad)."""
    root, rotations = motion135.unpack(x)
    turn = rotation_about("y", np.array(angle - heading(x[:1])[0], dtype=root.dtype))
    root[:, _FLAT] -= root[0, _FLAT]
    rotations[:, 0] = turn @ rotations[:, 0]
    return motion135.pack(root @ turn.T, rotations)


def in_place(x: np.ndarray) -> np.ndarray:
    """motion_135 ``[T, 135]`` whose pelvis stays above its first position.

    Height and rotations stay. :class:`FormatError` for another shape.
    """
    out = motion135.SPEC.check(x).copy()
    first = motion135.SPEC.columns("root_translation").start
    columns = [first + axis for axis in _FLAT]
    out[:, columns] = out[0, columns]
    return out


def trim(x: np.ndarray, start: float, stop: float, fps: float = 30.0) -> np.ndarray:
    """The frames from ``start`` up to ``stop`` seconds, at least one.

    Raises:
        InvalidRequest: the times are in the wrong order or outside the clip.
    """
    x = motion135.SPEC.check(x)
    first, last = round(start * fps), round(stop * fps)
    if not 0 <= first < last <= len(x):
        raise InvalidRequest(
            f"Cannot cut from {start:g} s to {stop:g} s.",
            f"Choose times between 0 and {len(x) / fps:g} s, the first before the second.",
        )
    return x[first:last].copy()


def change_speed(x: np.ndarray, factor: float) -> np.ndarray:
    """Play a clip ``factor`` times as fast at the same frame rate; first and last pose stay.

    Raises:
        InvalidRequest: the factor is not between 0.1 and 10.
    """
    x = motion135.SPEC.check(x)
    if not 0.1 <= factor <= 10.0:
        raise InvalidRequest(f"The speed factor is {factor:g}.", "Choose a value from 0.1 to 10.")
    frames = max(1, round((len(x) - 1) / factor) + 1)
    return resample_at(x, np.linspace(0.0, len(x) - 1.0, frames))
