"""Where a motion goes: so many metres, or along a bend. The steps stay as they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .edits import heading
from .representations import motion135
from .rotations import rotation_about

_FLAT = [0, 2]
LONGEST_STRETCH = 1.35
"""Steps may be made longer or shorter by this before feet slide visibly."""


def travelled(x: np.ndarray) -> float:
    """Metres from the first to the last place of the pelvis, along the ground."""
    root = motion135.unpack(motion135.SPEC.check(x))[0][:, _FLAT]
    return float(np.linalg.norm(root[-1] - root[0]))


def frames_for(x: np.ndarray, metres: float) -> int:
    """After how many frames a motion is ``metres`` from where it began; all where it never is."""
    root = motion135.unpack(motion135.SPEC.check(x))[0][:, _FLAT]
    far = np.flatnonzero(np.linalg.norm(root - root[0], axis=1) >= metres)
    return int(far[0]) + 1 if len(far) else len(x)


def stretched(x: np.ndarray, metres: float) -> np.ndarray:
    """motion_135 that ends ``metres`` from where it began; its way is scaled along the ground.

    The scale is held within :data:`LONGEST_STRETCH`, so the result may fall short of it.
    """
    out = motion135.SPEC.check(x).copy()
    way = travelled(x)
    if way < 0.05:
        return out
    factor = float(np.clip(metres / way, 1 / LONGEST_STRETCH, LONGEST_STRETCH))
    first = motion135.SPEC.columns("root_translation").start
    for axis in _FLAT:
        out[:, first + axis] = out[0, first + axis] + factor * (
            out[:, first + axis] - out[0, first + axis]
        )
    return out


def kept_in_place(x: np.ndarray, start: int, stop: int) -> np.ndarray:
    """motion_135 that does not travel along the ground within frames ``start .. stop``."""
    out = motion135.SPEC.check(x).copy()
    first = motion135.SPEC.columns("root_translation").start
    for axis in _FLAT:
        steps = np.diff(out[:, first + axis], prepend=out[:1, first + axis])
        steps[max(start, 1) : stop] = 0.0
        out[:, first + axis] = out[0, first + axis] + np.cumsum(steps)
    return out


def laid_on_each_other(pieces: Sequence[np.ndarray]) -> np.ndarray:
    """Pieces of one motion whose ways were changed: each goes on from place and heading before it.

    The last frame of a piece and the first of the next are one frame interval apart, as they were;
    the interval itself is taken to be without travel.
    """
    whole = pieces[0].astype(np.float64)
    for piece in pieces[1:]:
        root, rotations = motion135.unpack(piece.astype(np.float64))
        turn = float(heading(whole[-1:])[0] - heading(piece[:1].astype(np.float64))[0])
        matrix = rotation_about("y", np.array(turn))
        root = root @ matrix.T
        step = motion135.unpack(whole[-1:])[0][0] - root[0]
        step[1] = 0.0
        rotations[:, 0] = matrix @ rotations[:, 0]
        whole = np.concatenate([whole, motion135.pack(root + step, rotations)])
    return whole.astype(pieces[0].dtype)


def bent(x: np.ndarray, turn: float) -> np.ndarray:
    """motion_135 that turns by ``turn`` rad (left positive) on its way, evenly with the distance.

    Each little step along the ground is turned by its share, and the body with it, so speed and
    length of the steps stay. A motion that does not travel turns evenly with time.
    """
    root, rotations = motion135.unpack(motion135.SPEC.check(x).astype(np.float64))
    steps = np.diff(root, axis=0)
    way = np.linalg.norm(steps[:, _FLAT], axis=1)
    far = way if way.sum() > 0.3 else np.ones(len(way))
    share = np.concatenate([[0.0], np.cumsum(far)]) / max(far.sum(), 1e-9)
    matrices = rotation_about("y", turn * share)
    middle = rotation_about("y", turn * 0.5 * (share[1:] + share[:-1]))
    path = np.cumsum(np.einsum("tij,tj->ti", middle, steps), axis=0)
    root[1:] = root[0] + path
    rotations[:, 0] = matrices @ rotations[:, 0]
    return motion135.pack(root, rotations).astype(x.dtype)


def turned(x: np.ndarray) -> float:
    """Change of heading from the first to the last frame, rad, left positive, whole turns kept."""
    angles = np.unwrap(heading(motion135.SPEC.check(x).astype(np.float64)))
    return float(angles[-1] - angles[0])
