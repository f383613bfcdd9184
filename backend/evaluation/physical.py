"""Is a motion physically plausible? Two families of numbers from joint positions.

``slide``, ``float``, ``jitter``, ``dynamic`` and ``penetration`` follow MBench as computed by
HFTrainer, so that they compare with published tables. They are per frame, whatever the frame rate,
take the lowest foot of the clip as the floor, and their penetration is therefore always zero. The
``*_cm_s``, ``*_cm`` and ``*_m_s3`` values are in real units, know the frame rate, and measure from
the ground at y = 0.
"""

from __future__ import annotations

import numpy as np

from ..errors import FormatError
from ..motion.representations.spec import check_finite
from ..motion.skeleton import NUM_JOINTS, joint_index

MIN_FRAMES = 4
LOW_TOE = 0.05
"""A foot joint (ball of the foot) below this height above the ground (m) counts as standing."""

_TOES = (joint_index("left_foot"), joint_index("right_foot"))

# MBench constants: metres, or metres per frame.
_CONTACT_SPEED, _CONTACT_HEIGHT, _BELOW = 0.01, 0.02, -0.005
_ROOT_STILL, _FOOT_STILL = 0.001, 1.2e-4
_RATE_LOW, _RATE_HIGH, _RATE_FLOATING = 0.6, 1.75, 0.4
_MIN_RUN, _MAX_PEAKS = 4, 2
_EPS = 1e-6


def physical_metrics(joints: np.ndarray, fps: float) -> dict[str, float]:
    """Physical plausibility of one clip.

    Args:
        joints: ``[T >= 4, 22, 3]`` metres, Y-up, ground at y = 0.
        fps: frames per second; used by the values in real units only.

    Returns:
        - ``slide``: mean horizontal travel of feet in contact (m/frame).
        - ``float``: share of implausibly floating frames; may exceed 1.
        - ``jitter``: mean second difference of joints, world plus root-relative (m/frame^2).
        - ``dynamic``: mean first difference of joints, world plus root-relative (m/frame).
        - ``penetration``: mean depth of feet below the clip's own floor (m).
        - ``foot_sliding_cm_s``: mean horizontal speed of foot joints that are low, swinging ones
          too; 0 if none is.
        - ``support_sliding_cm_s``: that of the planted foot, see :func:`support_sliding`.
        - ``foot_low_share``: share of frames and feet that are low, the base of that mean.
        - ``penetration_cm``: mean over frames of how far the lowest joint is below the ground.
        - ``ground_gap_cm``: height of the clip's lowest joint above the ground (negative: below).
        - ``jerk_m_s3``: mean length of the third derivative of joint positions.

        Published tables show slide, jitter, dynamic and penetration x 1000 and float x 100.

    Raises:
        FormatError: wrong shape, fewer than 4 frames, or values that are not finite.
    """
    joints = check_finite(joints, "The joints").astype(np.float64)
    if joints.ndim != 3 or joints.shape[1:] != (NUM_JOINTS, 3) or len(joints) < MIN_FRAMES:
        raise FormatError(
            f"Physical metrics need joints [T >= {MIN_FRAMES}, {NUM_JOINTS}, 3], "
            f"not {list(joints.shape)}.",
            "Convert the motion to joint positions first.",
        )
    if not fps > 0:
        raise FormatError(
            f"The frame rate must be above zero, not {fps!r}.", "Give the clip's rate."
        )
    return mbench_metrics(joints) | real_unit_metrics(joints, fps)


def real_unit_metrics(joints: np.ndarray, fps: float) -> dict[str, float]:
    """The values of :func:`physical_metrics` that are in cm and seconds.

    Args:
        joints: ``[T, 22, 3]`` in metres, Y-up, the ground at y = 0.
        fps: frames per second.
    """
    feet = joints[:, _TOES]
    low = feet[..., 1] < LOW_TOE
    both = low[1:] & low[:-1]
    speed = np.linalg.norm(np.diff(feet[..., [0, 2]], axis=0), axis=-1) * fps
    lowest = joints[..., 1].min(axis=1)
    jerk = np.linalg.norm(np.diff(joints, n=3, axis=0), axis=-1) * fps**3
    return {
        "foot_sliding_cm_s": 100.0 * float(speed[both].mean()) if both.any() else 0.0,
        "support_sliding_cm_s": support_sliding(joints, fps),
        "foot_low_share": float(low.mean()),
        "penetration_cm": 100.0 * float(np.maximum(-lowest, 0.0).mean()),
        "ground_gap_cm": 100.0 * float(lowest.min()),
        "jerk_m_s3": float(jerk.mean()),
    }


def support_sliding(joints: np.ndarray, fps: float) -> float:
    """Mean horizontal speed (cm/s) of the slower low foot, over the frames where a foot is low.

    ``foot_sliding_cm_s`` counts every low foot, and in a real walk the swinging foot is low too
    (20 to 70 cm/s); one of them must be planted all the same (3 to 13 cm/s in recorded walks).

    Args:
        joints: ``[T >= 2, 22, 3]`` metres, Y-up, ground at y = 0.

    Returns:
        0 if no foot is ever low.
    """
    feet = joints[:, _TOES]
    low = feet[..., 1] < LOW_TOE
    speed = np.linalg.norm(np.diff(feet[..., [0, 2]], axis=0), axis=-1) * fps
    slower = np.where(low[1:] & low[:-1], speed, np.inf).min(axis=1)
    slower = slower[np.isfinite(slower)]
    return 100.0 * float(slower.mean()) if slower.size else 0.0


# --------------------------------------------------------------------------- MBench


def _step_length(points: np.ndarray) -> np.ndarray:
    """Length of the forward difference over the last axis, the last value repeated."""
    lengths = np.linalg.norm(np.diff(points, axis=0), axis=-1)
    return np.concatenate([lengths, lengths[-1:]])


def _mean_difference(joints: np.ndarray, order: int) -> float:
    relative = joints - joints[:, :1]
    return sum(
        float(np.linalg.norm(np.diff(x, n=order, axis=0), axis=-1).mean())
        for x in (joints, relative)
    )


def mbench_metrics(joints: np.ndarray) -> dict[str, float]:
    """slide, float, jitter, dynamic and penetration of ``[T, 22, 3]`` (per frame).

    In float32, as published: on a foot that is carried along, rounding decides what wobbles.
    """
    joints = joints.astype(np.float32)
    feet = joints[:, _TOES]
    height = feet[..., 1] - feet[..., 1].min()
    contact = (_step_length(feet) < _CONTACT_SPEED) | (height < _CONTACT_HEIGHT)
    travel = _step_length(feet[..., [0, 2]])
    slide = (travel * contact).sum(0) / (contact.sum(0) + _EPS)
    below = height[height < _BELOW]
    bad, floating, mass = floating_frames(joints, contact)
    return {
        "slide": float(slide.mean()),
        "float": (bad + 0.5 * sum(floating) + sum(mass)) / len(joints),
        "jitter": _mean_difference(joints, 2),
        "dynamic": _mean_difference(joints, 1),
        "penetration": float(np.abs(below).mean()) if below.size else 0.0,
    }


def floating_frames(joints: np.ndarray, contact: np.ndarray) -> tuple[int, list[int], list[int]]:
    """The three parts of MBench's float.

    Args:
        contact: ``[T, 2]`` whether the left and the right foot touch the floor.

    Returns:
        Frames whose touching feet move at odds with the root; lengths of the stretches in which a
        lifted foot is carried along by the root; lengths of the stretches in the air whose path
        wobbles.
    """
    root, feet = joints[:, 0], joints[:, _TOES]
    root_step, foot_step = _step_length(root), _step_length(feet)
    rate = _step_length(feet - root[:, None]) / (root_step + _EPS)[:, None]
    moving = foot_step > _FOOT_STILL
    invalid = ((rate < _RATE_LOW) & moving) | (
        (rate > _RATE_HIGH) & moving & (root_step > _FOOT_STILL)[:, None]
    )
    bad = contact.any(1) & (invalid | ~contact).all(1) & (root_step >= _ROOT_STILL)

    air = [[r for r in _runs(~contact[:, f]) if r[1] - r[0] >= _MIN_RUN] for f in range(2)]
    floating = [
        stop - start
        for f in range(2)
        for first, last in air[f]
        if (root_step[first:last] < _ROOT_STILL).mean() <= 0.5
        for start, stop in _runs(rate[first:last, f] < _RATE_FLOATING)
    ]
    overlaps = [(max(a[0], b[0]), min(a[1], b[1])) for a in air[0] for b in air[1]]
    mass = [
        stop - start
        for start, stop in overlaps
        if stop - start >= _MIN_RUN and _wobbles(feet[start:stop, 0])
    ]
    return int(bad.sum()), floating, mass


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """Half-open ``(start, stop)`` of every stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _wobbles(path: np.ndarray) -> bool:
    """Whether the direction from the start turns to and fro more than twice.

    The start itself has no direction from the start, and does not count.
    """
    gone = path[1:] - path[0]
    gone = gone / (np.linalg.norm(gone, axis=-1, keepdims=True) + _EPS)
    angle = np.degrees(np.arccos(np.clip((gone * gone[-1]).sum(-1), -1.0, 1.0)))
    # peaks as scipy.signal.find_peaks counts them, whose import takes longer than all the metrics
    turns = np.sign(np.diff(angle))
    turns = turns[turns != 0]
    peaks = np.count_nonzero((turns[:-1] > 0) & (turns[1:] < 0))
    return peaks > _MAX_PEAKS
