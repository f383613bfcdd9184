"""From AMASS joints to the joints that HumanML3D's features start from.

The data set drops frames instead of interpolating, so clips at odd rates keep an odd rate, and
mirrors AMASS clips once more on the way; both are needed to match its files.
"""

from __future__ import annotations

import numpy as np

from ...errors import FormatError
from ..skeleton import MIRROR_ORDER

FPS = 20

_TRIMMED_SECONDS = {
    "Eyes_Japan_Dataset": 3.0,
    "MPI_HDM05": 3.0,
    "TotalCapture": 1.0,
    "MPI_Limits": 1.0,
    "Transitions_mocap": 0.5,
}
"""Seconds that are cut from the start of clips whose source path names the data set."""

_LEFT_HAND = (22, 23, 24, 34, 35, 36, 25, 26, 27, 31, 32, 33, 28, 29, 30)
_RIGHT_HAND = (43, 44, 45, 46, 47, 48, 40, 41, 42, 37, 38, 39, 49, 50, 51)


def stride(fps: float) -> int:
    """Every how many frames of a clip at ``fps`` are kept: ``int(fps / 20)``.

    Raises:
        FormatError: below 20 fps nothing would be kept.
    """
    if not fps >= FPS:
        raise FormatError(f"HumanML3D cannot use clips at {fps:g} fps.", f"Use {FPS} fps or more.")
    return int(fps / FPS)


def to_y_up(joints: np.ndarray) -> np.ndarray:
    """``(x, y, z)`` of AMASS joints ``[..., 3]`` to ``(x, z, y)``: Y-up and left-handed."""
    return joints[..., [0, 2, 1]]


def cut(
    joints: np.ndarray, source: str, start: int, stop: int, *, humanact12: bool = False
) -> np.ndarray:
    """The rows ``start:stop`` of one line of the index, and the flip that makes it right-handed.

    Args:
        joints: ``[T, J, 3]`` from :func:`to_y_up`, at 20 fps.
        source: the path in the index; decides the seconds cut before ``start``.
        humanact12: HumanAct12 clips are neither cut nor flipped.
    """
    if humanact12:
        return joints[start:stop]
    lead = next((s for name, s in _TRIMMED_SECONDS.items() if name in source), 0.0)
    out = joints[int(lead * FPS) :][start:stop].copy()
    out[..., 0] *= -1
    return out


def mirror(joints: np.ndarray) -> np.ndarray:
    """The "M" clip of ``[..., 22, 3]`` or ``[..., 52, 3]`` joints (with hands)."""
    count = joints.shape[-2]
    order = list(range(count))
    order[: len(MIRROR_ORDER)] = MIRROR_ORDER
    if count > 24:
        for left, right in zip(_LEFT_HAND, _RIGHT_HAND, strict=True):
            order[left], order[right] = right, left
    out = joints[..., order, :].copy()
    out[..., 0] *= -1
    return out
