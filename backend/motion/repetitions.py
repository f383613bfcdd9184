"""How often a motion repeats a movement, and motions that repeat it another number of times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .edits import heading
from .filters import find_peaks, gaussian_filter1d
from .representations import motion135
from .rotations import matrix_to_quaternion, quaternion_to_matrix, rotation_about, slerp
from .skeleton import joint_index

SMOOTHING_SECONDS = 0.07
PROMINENCE = 0.4
"""A swing counts when it is this share of the largest one."""
LEAST_SECONDS = 0.25
"""Two repetitions are at least this far apart."""
BLEND_SECONDS = 0.2
WATCHED = ("left_wrist", "right_wrist", "left_ankle", "right_ankle", "head")
"""The ends of the body, whose way relative to the pelvis tells one repetition from the next."""


def course(x: np.ndarray, fps: float = 30.0, watched: Sequence[str] = WATCHED) -> np.ndarray:
    """``[T]`` metres: how the end of the body that moves most goes to and fro.

    The positions of each watched joint relative to the pelvis, in its heading, are projected on
    the direction in which they vary most; the joint that varies most is taken, with the pelvis'
    height as one more candidate.
    """
    joints = motion135.joints(motion135.SPEC.check(x).astype(np.float64))
    turn = rotation_about("y", -heading(x.astype(np.float64)))
    best, spread = np.zeros(len(x)), -1.0
    for name in watched:
        way = np.einsum("tij,tj->ti", turn, joints[:, joint_index(name)] - joints[:, 0])
        way = way - way.mean(axis=0)
        axis = np.linalg.svd(way, full_matrices=False)[2][0]
        line = way @ axis
        if line.std() > spread:
            best, spread = line, float(line.std())
    height = joints[:, 0, 1] - joints[:, 0, 1].mean()
    if height.std() > spread:
        best = height
    ends = np.concatenate([best[:3], best[-3:]]).mean()
    sign = -1.0 if ends > 0.5 * (best.max() + best.min()) else 1.0  # away from where it rests
    return gaussian_filter1d(sign * best, SMOOTHING_SECONDS * fps, mode="nearest")


def peaks(x: np.ndarray, fps: float = 30.0, watched: Sequence[str] = WATCHED) -> np.ndarray:
    """Frames of the extremes of a repeated movement, one for each repetition; none when still."""
    line = course(x, fps, watched)
    extent = float(line.max() - line.min())
    if extent < 0.02:
        return np.zeros(0, int)
    low = np.concatenate([[line.min()], line, [line.min()]])  # so that ends can be extremes
    found = find_peaks(low, prominence=PROMINENCE * extent, distance=LEAST_SECONDS * fps)
    return found - 1


def count(x: np.ndarray, fps: float = 30.0, watched: Sequence[str] = WATCHED) -> int:
    """How many times a motion does its movement."""
    return len(peaks(x, fps, watched))


def with_count(
    x: np.ndarray, times: int, fps: float = 30.0, watched: Sequence[str] = WATCHED
) -> np.ndarray:
    """motion_135 that does its movement ``times`` times; it becomes longer or shorter by that.

    Whole repetitions are cut out between two like extremes, or played again; the pieces are laid
    on each other in place and heading and cross-faded. A motion that repeats nothing comes back
    as it is.
    """
    x = motion135.SPEC.check(x)
    found = peaks(x, fps, watched)
    if times < 1 or len(found) == 0 or len(found) == times:
        return x.copy()
    if len(found) > times:
        return joined([x[: found[times - 1] + 1], x[found[-1] :]], fps)
    if len(found) == 1:
        return joined([x] * times, fps)
    first, last = int(found[0]), int(found[-1])
    cycle, again = x[first : last + 1], times - len(found)
    gaps = len(found) - 1
    pieces = [x[: last + 1]]
    while again > 0:
        take = min(again, gaps)
        pieces.append(cycle[: found[take] - first + 1])
        again -= take
    return joined([*pieces, x[last:]], fps)


def joined(pieces: Sequence[np.ndarray], fps: float = 30.0) -> np.ndarray:
    """Pieces of motion_135 one after the other: each begins where and as the one before it ends.

    The first frame of a piece is laid on the last of what is there (place and heading); what still
    differs in the pose fades out over :data:`BLEND_SECONDS`.
    """
    whole = np.asarray(pieces[0], np.float64)
    for piece in pieces[1:]:
        if len(piece) < 2:
            continue
        moved = _laid_on(np.asarray(piece, np.float64), whole[-1:])
        width = min(max(2, round(BLEND_SECONDS * fps)), len(moved))
        weight = np.ones(len(moved))
        weight[:width] = 0.5 - 0.5 * np.cos(np.pi * np.arange(width) / width)
        whole = np.concatenate([whole, _towards(whole[-1:], moved, weight)[1:]])
    return whole.astype(pieces[0].dtype)


def _laid_on(piece: np.ndarray, end: np.ndarray) -> np.ndarray:
    turn = float(heading(end)[0] - heading(piece[:1])[0])
    root, rotations = motion135.unpack(piece)
    matrix = rotation_about("y", np.array(turn))
    root = root @ matrix.T
    step = motion135.unpack(end)[0][0] - root[0]
    step[1] = 0.0
    rotations[:, 0] = matrix @ rotations[:, 0]
    return motion135.pack(root + step, rotations)


def _towards(start: np.ndarray, piece: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """``piece`` whose offset from the pose ``start`` fades in by ``weight``; its path stays."""
    root, rotations = motion135.unpack(piece)
    first, pose = motion135.unpack(start)
    height = (1.0 - weight) * (first[0, 1] - root[0, 1])
    root[:, 1] += height
    held = matrix_to_quaternion(np.broadcast_to(pose, rotations.shape))
    mixed = slerp(held, matrix_to_quaternion(rotations), weight[:, None])
    return motion135.pack(root, quaternion_to_matrix(mixed))
