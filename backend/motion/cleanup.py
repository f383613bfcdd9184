"""Repairs of generated motion: smoothing, foot lock, ground. Pure functions on motion_135.

The foot lock finds the smallest smooth displacement that makes standing feet stand still. With x
the path of the ball of a foot, w its contact weight and c the displacement, it minimises

    sum w |d(x + c)/dt|^2  +  sum ease^2 |d2c/dt2|^2  +  sum |c|^2 / memory^2

which is one banded linear system. Because the second term forbids sudden changes of c, nothing pops
where a contact begins or ends. It is solved three times: once for the whole body with both feet,
because most sliding is a root that moves at another speed than its feet, then for what is left at
each foot, which two-bone IK gives to the legs. Last, feet that swing fast are kept clear of the
ground: what scrapes over the floor looks like sliding, whether it is meant to stand or not.
"""

from __future__ import annotations

import numpy as np

from ..wire.skeleton import SOLE_HEIGHT
from .contacts import BALLS, contacts_of_joints, detect_contacts
from .filters import (
    banded_difference,
    banded_second_difference,
    gaussian_filter1d,
    maximum_filter1d,
    solveh_banded,
)
from .limb_ik import ANKLES, HIPS, reach, solve_limbs
from .representations import motion135
from .skeleton import forward_kinematics
from .smoothing import DEFAULT_SMOOTHING, GROUNDED, align, ground, grounded, smooth

__all__ = [
    "GROUNDED", "align", "default_cleanup", "detect_contacts", "ground", "grounded", "lock_feet",
    "smooth",
]  # fmt: skip

_FOOT_EASE = 0.04  # s: how quickly a foot may come to rest
_ROOT_EASE = 0.15  # s: the same for the whole body
_STRICT = 0.75  # by how much of that time shorter in the middle of a contact
_MEMORY = 2.0  # s: how long a standing foot may stay away from where the motion put it
_PRESS = 0.05  # s: how firmly a standing foot is pressed to the ground, as a time to sink
_DIP = 0.007  # m the ball of a foot may sink below its height at rest, pushing off (see below)
_ROLL = 0.015  # m the ball of a standing foot may be higher than at rest, when the foot rolls
_LIFT = 0.06  # s: how soon after standing the height is left alone again
_MAX_DROP = 0.04  # m the pelvis may sink so that the feet reach the ground
_DROP_WINDOW = 0.12  # s
_CLEAR = 0.02  # m above rest: the least height of a swinging ball,
_CLEAR_SPEED = (0.45, 1.2)  # m/s: from the first speed on, in full at the second
_CLEAR_WINDOW = 0.025  # s, smoothing of that lift
_FLAT = [0, 2]  # the horizontal axes

# Dip and clearance are those of 300 real walks and runs of the Bandai Namco set: the lowest ball of
# a clip is 0.7 cm (median) below the standing ones, and of balls that move faster than 1.2 m/s
# three quarters are higher than 2 cm above them.


def default_cleanup(x: np.ndarray, fps: float = 30.0) -> np.ndarray:
    """What is applied to generated motion: light smoothing, ground, foot lock.

    Args:
        x: motion_135 ``[T, 135]``.

    Returns:
        ``[T, 135]`` of the same dtype.

    Raises:
        FormatError: wrong shape or values that are not finite.
    """
    return lock_feet(ground(smooth(x, DEFAULT_SMOOTHING, fps), fps), fps=fps)


# --------------------------------------------------------------------------- foot lock


def lock_feet(
    x: np.ndarray,
    contacts: np.ndarray | None = None,
    strength: float = 1.0,
    fps: float = 30.0,
) -> np.ndarray:
    """Keep standing feet in place, on the ground and out of it, and swinging feet clear of it.

    Args:
        x: motion_135 ``[T, 135]`` whose ground is y = 0 (see :func:`ground`).
        contacts: ``[T, 2]`` bool or weights in 0..1, left and right; detected when omitted.
        strength: 0 leaves the motion as it is, 1 applies the whole correction.

    Returns:
        ``[T, 135]``: the root, hips, knees and ankles changed. Feet keep their orientation; legs
        never stretch beyond their length (the pelvis sinks by up to 4 cm, then the foot is
        released).

    Raises:
        FormatError: wrong shape or values that are not finite.
        ValueError: strength outside 0..1 or contacts of another length.
    """
    if not 0.0 <= strength <= 1.0:
        raise ValueError(f"strength must be between 0 and 1, not {strength}")
    x = motion135.SPEC.check(x)
    if contacts is not None and np.shape(contacts) != (len(x), 2):
        raise ValueError(f"contacts must have shape [{len(x)}, 2], not {np.shape(contacts)}")
    if strength == 0.0 or len(x) < 3:
        return x.copy()
    root, rotations = (a.astype(np.float64) for a in motion135.unpack(x))
    joints = forward_kinematics(rotations, root)
    if contacts is None:
        contacts = contacts_of_joints(joints, fps, ground=0.0)
    weights = gaussian_filter1d(np.asarray(contacts, np.float64), 0.02 * fps, axis=0)
    limit = reach(joints[:, HIPS], joints[:, ANKLES])
    # first the whole body moves with its standing feet, then each leg takes up the rest
    carry = _correction(joints[:, BALLS], weights, fps, _ROOT_EASE, _MEMORY)
    root += strength * carry
    joints += strength * carry[:, None]
    balls = joints[:, BALLS]
    own = [
        _correction(balls[:, f : f + 1], weights[:, f : f + 1], fps, _FOOT_EASE, _LIFT)
        for f in range(2)
    ]
    shift = np.stack(own, 1)
    shift[..., 1] += np.maximum(SOLE_HEIGHT - _DIP - (balls + shift)[..., 1], 0.0)
    shift[..., 1] += _swing_lift(balls + shift, weights, fps)
    targets = joints[:, ANKLES] + strength * shift
    root[:, 1] -= strength * pelvis_drop(joints[:, HIPS], targets, limit, fps)
    return motion135.pack(root, solve_limbs(rotations, root, targets, limit)).astype(x.dtype)


def _correction(
    balls: np.ndarray, weights: np.ndarray, fps: float, ease: float, lift: float
) -> np.ndarray:
    """Smallest smooth ``c [T, 3]`` that puts every ``balls[:, k] + c`` to rest on the ground.

    Args:
        balls: ``[T, K, 3]``; weights: ``[T, K]`` in 0..1, how much each stands.
        ease: seconds in which the correction may change its course.
        lift: seconds after which the height of a body in the air is left alone again.
    """
    # easy at the borders of a contact, strict inside, so that a standing foot does not tremble
    inside = np.minimum(np.minimum(weights[:-2], weights[1:-1]), weights[2:]).max(1)
    slack = ease * (1.0 - _STRICT * inside)
    smoothness = banded_second_difference(slack**2 * fps**4, len(balls))
    between = np.sqrt(weights[1:] * weights[:-1]) * fps**2
    still = smoothness + banded_difference(between.sum(1), len(balls))
    still[2] += 1.0 / _MEMORY**2
    drift = (np.diff(balls[..., _FLAT], axis=0) * between[..., None]).sum(1)
    pull = np.zeros((len(balls), 2))
    pull[:-1] += drift
    pull[1:] -= drift
    press = weights / _PRESS**2
    level = smoothness.copy()
    level[2] += press.sum(1) + (1.0 - weights.max(1)) / lift**2
    out = np.empty((len(balls), 3))
    out[:, _FLAT] = solveh_banded(still, pull)
    rest = np.clip(balls[..., 1], SOLE_HEIGHT - _DIP, SOLE_HEIGHT + _ROLL)
    out[:, 1] = solveh_banded(level, (press * (rest - balls[..., 1])).sum(1))
    return out


def _swing_lift(balls: np.ndarray, weights: np.ndarray, fps: float) -> np.ndarray:
    """How much higher ``[T, 2]`` (m) the balls ``[T, 2, 3]`` must be where they pass the ground.

    Args:
        weights: ``[T, 2]`` in 0..1, how much each foot stands; standing feet are not lifted.
    """
    speed = np.linalg.norm(np.gradient(balls[..., _FLAT], axis=0), axis=-1) * fps
    slow, fast = _CLEAR_SPEED
    share = np.clip((speed - slow) / (fast - slow), 0.0, 1.0)
    share = share**2 * (3.0 - 2.0 * share)
    lowest = SOLE_HEIGHT - _DIP + share * (_DIP + _CLEAR)
    need = np.maximum(lowest - balls[..., 1], 0.0) * (1.0 - weights)
    return np.asarray(gaussian_filter1d(need, _CLEAR_WINDOW * fps, axis=0))


def pelvis_drop(hips: np.ndarray, targets: np.ndarray, limit: np.ndarray, fps: float) -> np.ndarray:
    """How far ``[T]`` (m) the pelvis sinks so that both ankles can reach their targets."""
    gap = hips - targets
    flat = (gap[..., [0, 2]] ** 2).sum(-1)
    reachable = np.sqrt(np.maximum(limit**2 - flat, 0.0))
    need = np.clip((gap[..., 1] - reachable).max(axis=1), 0.0, _MAX_DROP)
    window = max(1, round(_DROP_WINDOW * fps))
    held = maximum_filter1d(need, 2 * window + 1, mode="nearest")
    return gaussian_filter1d(held, 0.5 * window, mode="nearest")
