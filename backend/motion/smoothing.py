"""Repairs that need nothing but numpy: smoothing, the ground, where a clip begins and faces."""

from __future__ import annotations

import numpy as np

from ..errors import FormatError
from ..wire.skeleton import SOLE_HEIGHT
from .contacts import BALLS, contacts_of_joints, ground_height
from .edits import align_heading
from .representations import motion135
from .rotations import matrix_to_rot6d_interleaved, rot6d_interleaved_to_matrix

DEFAULT_SMOOTHING = 0.025
"""Width of the default smoothing in seconds: less than a frame, so quick moves stay quick."""


def smooth(x: np.ndarray, seconds: float = DEFAULT_SMOOTHING, fps: float = 30.0) -> np.ndarray:
    """Remove jitter from rotations and root without flattening the poses.

    A Gaussian of standard deviation ``seconds``, applied as 2 G - G^2 ("twicing"), which leaves
    slow movement nearly untouched; both ends continue with their own speed. Rotations are smoothed
    as matrices and made orthonormal again.

    Args:
        x: motion_135 ``[T, 135]``; seconds: 0 leaves the motion as it is.
    """
    root, rotations = motion135.unpack(x)
    sigma = seconds * fps
    if sigma < 0.2 or len(x) < 3:
        return np.array(x, copy=True)
    root = _smooth_array(root.astype(np.float64), sigma)
    rot6d = _smooth_array(matrix_to_rot6d_interleaved(rotations.astype(np.float64)), sigma)
    return motion135.pack(root, rot6d_interleaved_to_matrix(rot6d)).astype(x.dtype)


def _smooth_array(values: np.ndarray, sigma: float) -> np.ndarray:
    radius = max(1, round(4.0 * sigma))
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    taps /= taps.sum()
    twiced = -np.convolve(taps, taps)
    twiced[radius:-radius] += 2.0 * taps
    pad = 2 * radius
    # odd reflection keeps position and speed at both ends
    padded = np.pad(
        values, [(pad, pad)] + [(0, 0)] * (values.ndim - 1), mode="reflect", reflect_type="odd"
    )
    frames = len(values)
    return np.asarray(sum(tap * padded[k : k + frames] for k, tap in enumerate(twiced)))


GROUNDED = ("motion135", "joints")
"""Representations that can be put on the floor: others say no heights, or count from their own."""


def grounded(x: np.ndarray, representation: str, fps: float) -> np.ndarray:
    """:func:`ground` for motion_135 ``[T, 135]`` and for joints ``[T, 22, 3]`` or ``[T, 66]``.

    Raises:
        FormatError: another representation.
    """
    if representation == motion135.SPEC.name:
        return ground(x, fps)
    if representation != "joints":
        raise FormatError(
            f"{representation} cannot be put on the floor.",
            f"Ground it on the way from or to {' or '.join(GROUNDED)}.",
        )
    points = np.array(x, copy=True).reshape(len(x), -1, 3)
    points[..., 1] -= _standing(points.astype(np.float64), fps)
    return points.reshape(x.shape)


def ground(x: np.ndarray, fps: float = 30.0) -> np.ndarray:
    """Lift or lower the whole clip ``[T, 135]`` so that standing feet stand on y = 0."""
    out = np.array(x, copy=True)
    height = motion135.SPEC.columns("root_translation").start + 1
    out[:, height] -= _standing(motion135.joints(x), fps)
    return out


def _standing(joints: np.ndarray, fps: float) -> float:
    """Height of the floor that feet stand on; of the lowest joint's sole where none stands."""
    balls = joints[:, BALLS, 1]
    contacts = contacts_of_joints(joints, fps)
    if contacts.any():
        return float(np.median(balls[contacts])) - SOLE_HEIGHT
    return ground_height(joints)


def align(x: np.ndarray, angle: float = 0.0, fps: float = 30.0) -> np.ndarray:
    """Standing feet on y = 0, the first frame at x = z = 0 facing ``angle`` (rad; 0 is +Z)."""
    return ground(align_heading(motion135.SPEC.check(x), angle), fps)
