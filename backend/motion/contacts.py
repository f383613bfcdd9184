"""When does a foot stand? Height and speed of the ball of the foot, with hysteresis.

The ball of the foot (SMPL's "foot" joint) is the point that stays on the ground longest during a
step: from the moment the foot is flat until the toes leave.
"""

from __future__ import annotations

import numpy as np

from ..wire.skeleton import SOLE_HEIGHT
from .representations import motion135
from .skeleton import FOOT_JOINTS, joint_index

BALLS: tuple[int, int] = (joint_index("left_foot"), joint_index("right_foot"))
"""Joint indices of the left and right ball of the foot."""

# A contact begins below the first and ends above the second value.
_HEIGHT = (0.025, 0.04)  # m above the standing height of the joint
_SPEED = (0.35, 0.60)  # m/s
_SPEED_SHARE = (0.15, 0.30)  # of the body's speed, when that allows more: runners' feet land fast
_SPEED_WINDOW = 0.03  # s, smoothing before the speed is taken: noise is not movement
_BODY_WINDOW = 0.25  # s, the same for the speed of the body
_SHORTEST_CONTACT = 0.10  # s
_SHORTEST_SWING = 0.07  # s
# Someone who walks always has a foot on the ground: where none was found, the lower and slower one
# stands, within these bounds.
_WALKING = (0.4, 1.8)  # m/s of the body; faster ones fly between their steps
_BRIDGE = 0.20  # s: a longer time without contact is a jump
_BRIDGE_HEIGHT = 0.04  # m above the standing height
_BRIDGE_SPEED = 1.2  # m/s


def ground_height(joints: np.ndarray) -> float:
    """Height (m) of the ground below a clip ``[T, 22, 3]``, as its feet tell it.

    The lowest foot joint is near the ground most of the time; the tenth percentile over the frames
    ignores both jumps and a few frames that dip too low.
    """
    lowest = joints[:, FOOT_JOINTS, 1].min(axis=1)
    return float(np.percentile(lowest, 10.0)) - SOLE_HEIGHT


def detect_contacts(x: np.ndarray, fps: float = 30.0, ground: float | None = None) -> np.ndarray:
    """Which foot stands in which frame.

    Args:
        x: motion_135 ``[T, 135]``.
        ground: height of the ground (m); estimated from the clip when omitted.

    Returns:
        ``[T, 2]`` bool: left, right.

    Raises:
        FormatError: wrong shape or values that are not finite.
    """
    return contacts_of_joints(motion135.joints(x), fps, ground)


def contacts_of_joints(joints: np.ndarray, fps: float, ground: float | None = None) -> np.ndarray:
    """:func:`detect_contacts` for joint positions ``[T, 22, 3]``."""
    if ground is None:
        ground = ground_height(joints)
    balls = joints[:, BALLS].astype(np.float64)
    height = balls[..., 1] - ground - SOLE_HEIGHT
    speed = _speed(balls, _SPEED_WINDOW * fps) * fps
    body = _speed(joints[:, :1, [0, 2]].astype(np.float64), _BODY_WINDOW * fps) * fps
    begins, lasts = (
        (height < h) & (speed < np.maximum(v, share * body))
        for h, v, share in zip(_HEIGHT, _SPEED, _SPEED_SHARE, strict=True)
    )
    shortest = min(round(_SHORTEST_CONTACT * fps), len(balls))
    contacts = np.stack([_containing(lasts[:, f], begins[:, f]) for f in range(2)], -1)
    contacts |= _bridges(contacts, height, speed, body[:, 0], fps)
    contacts = ~_drop_short(~contacts, round(_SHORTEST_SWING * fps), keep_ends=True)
    return _drop_short(contacts, shortest, keep_ends=False)


def _bridges(
    contacts: np.ndarray, height: np.ndarray, speed: np.ndarray, body: np.ndarray, fps: float
) -> np.ndarray:
    """Further contacts ``[T, 2]``: the supporting foot of a walk where none was found.

    Args:
        height, speed: ``[T, 2]`` of the balls (m above standing height, m/s).
        body: ``[T]`` speed of the root (m/s).
    """
    labels, count = _stretches(~contacts.any(axis=1))
    brief = np.bincount(labels, minlength=count + 1) <= _BRIDGE * fps
    brief[0] = False
    walking = (body > _WALKING[0]) & (body < _WALKING[1])
    near = (height < _BRIDGE_HEIGHT) & (speed < _BRIDGE_SPEED)
    likely = height / _BRIDGE_HEIGHT + speed / _BRIDGE_SPEED
    support = likely == likely.min(axis=1, keepdims=True)
    return np.asarray(support & near & (brief[labels] & walking)[:, None])


def _speed(points: np.ndarray, sigma: float) -> np.ndarray:
    """Speed per frame ``[T, K]`` of ``[T, K, D]`` after a Gaussian of ``sigma`` frames."""
    if len(points) < 2:
        return np.zeros(points.shape[:2])
    calm = _blurred(points, sigma)
    return np.asarray(np.linalg.norm(np.gradient(calm, axis=0), axis=-1))


def _blurred(values: np.ndarray, sigma: float) -> np.ndarray:
    """A Gaussian of ``sigma`` frames along axis 0; both ends are held."""
    radius = int(4.0 * sigma + 0.5)
    if radius < 1:
        return values
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    taps /= taps.sum()
    padded = np.pad(values, [(radius, radius)] + [(0, 0)] * (values.ndim - 1), mode="edge")
    frames = len(values)
    return np.asarray(sum(tap * padded[k : k + frames] for k, tap in enumerate(taps)))


def _stretches(flags: np.ndarray) -> tuple[np.ndarray, int]:
    """Numbers ``[T]`` of the stretches of True, counted from 1 (0 where False), and how many."""
    begins = np.diff(np.concatenate([[False], flags]).astype(np.int8)) == 1
    return np.where(flags, np.cumsum(begins), 0), int(begins.sum())


def _containing(wide: np.ndarray, narrow: np.ndarray) -> np.ndarray:
    """Stretches of ``wide [T]`` that hold at least one True of ``narrow [T]``."""
    labels, count = _stretches(wide)
    found = np.zeros(count + 1, dtype=bool)
    found[labels[narrow & wide]] = True
    found[0] = False
    return found[labels]


def _drop_short(flags: np.ndarray, shortest: int, *, keep_ends: bool) -> np.ndarray:
    """Clear stretches of True in ``[T, 2]`` that are shorter than ``shortest`` frames.

    With ``keep_ends`` a stretch that touches the first or last frame stays: it may go on outside.
    """
    out = np.zeros_like(flags)
    for f in range(flags.shape[1]):
        labels, count = _stretches(flags[:, f])
        keep = np.bincount(labels, minlength=count + 1) >= shortest
        if keep_ends:
            keep[[labels[0], labels[-1]]] = True
        keep[0] = False
        out[:, f] = keep[labels]
    return out
