"""Physical and gait measures of motion_135 clips, the same code for real and generated ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from backend.motion.representations import motion135
from backend.motion.skeleton import joint_index

LOW_FOOT = 0.03
"""A toe joint less than this (m) above the lowest toe of its clip counts as low."""
SWING_SMOOTHING = 0.05
"""Seconds by which the ankles' swing is smoothed before its turning points are looked for."""
TURN_PROMINENCE = 0.35
"""Share of the whole swing by which a turning point must stand out."""
_TOES = [joint_index("left_foot"), joint_index("right_foot")]
_ANKLES = [joint_index("left_ankle"), joint_index("right_ankle")]
_HIPS = [joint_index("left_hip"), joint_index("right_hip")]
_KNEES = [joint_index("left_knee"), joint_index("right_knee")]


def jerk(joints: np.ndarray, fps: float) -> float:
    """Mean length of the third derivative over frames and joints (m/s^3) of ``[T, 22, 3]``."""
    if len(joints) < 4:
        return float("nan")
    return float(np.linalg.norm(np.diff(joints, 3, axis=0), axis=-1).mean() * fps**3)


def low_foot_sliding(joints: np.ndarray, fps: float) -> float:
    """Mean horizontal speed (cm/s) of the toe joints while they are low."""
    toes = joints[:, _TOES]
    height = toes[..., 1] - toes[..., 1].min()
    low = (height[1:] < LOW_FOOT) & (height[:-1] < LOW_FOOT)
    speed = np.linalg.norm(np.diff(toes[..., [0, 2]], axis=0), axis=-1) * fps * 100
    return float(speed[low].mean()) if low.any() else float("nan")


def penetration(joints: np.ndarray) -> float:
    """Mean depth (cm) of the lowest joint below the ground plane y = 0."""
    return float(np.maximum(-joints[..., 1].min(1), 0).mean() * 100)


def _angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    cosine = (a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def flexion(x: np.ndarray) -> dict[str, np.ndarray]:
    """Knee bend and forward swing of the thigh in the pelvis frame, degrees, ``[T, 2]`` each."""
    joints = motion135.joints(x)
    _, rotations = motion135.unpack(x)
    thigh = joints[:, _KNEES] - joints[:, _HIPS]
    shin = joints[:, _ANKLES] - joints[:, _KNEES]
    own = np.einsum("tij,tki->tkj", rotations[:, 0], thigh)
    return {
        "knee": _angle(thigh, shin),
        "hip": np.degrees(np.arctan2(own[..., 2], -own[..., 1])),
    }


def range_of_motion(x: np.ndarray) -> dict[str, float]:
    """Range (5th to 95th percentile, degrees, mean of both legs) of knee and hip flexion."""
    out = {}
    for name, angle in flexion(x).items():
        unwrapped = np.degrees(np.unwrap(np.radians(angle), axis=0))
        low, high = np.percentile(unwrapped, [5, 95], axis=0)
        out[name] = float((high - low).mean())
    return out


def step_frequency(x: np.ndarray, fps: float = motion135.SPEC.fps) -> float:
    """Steps per second: one over the usual time between two turning points of the ankles' swing.

    The swing is the way from one ankle to the other along the horizontal direction, seen from the
    pelvis, in which it moves most, so that sideways steps count too. NaN when fewer than two
    turning points lie inside the clip.
    """
    joints = motion135.joints(x)
    _, rotations = motion135.unpack(x)
    apart = joints[:, _ANKLES[0]] - joints[:, _ANKLES[1]]
    local = np.einsum("tij,ti->tj", rotations[:, 0], apart)[:, [0, 2]]
    local = local - local.mean(0)
    _, _, directions = np.linalg.svd(local, full_matrices=False)
    swing = gaussian_filter1d(local @ directions[0], SWING_SMOOTHING * fps)
    height = TURN_PROMINENCE * np.ptp(swing)
    turns = np.concatenate([find_peaks(side * swing, prominence=height)[0] for side in (1, -1)])
    if len(turns) < 2:
        return float("nan")
    return float(fps / np.median(np.diff(np.sort(turns))))


def measure(x: np.ndarray, fps: float = motion135.SPEC.fps) -> dict[str, float]:
    """All measures of one motion_135 clip at ``fps``."""
    joints = motion135.joints(np.asarray(x, np.float64))
    rom = range_of_motion(x)
    return {
        "jerk": jerk(joints, fps),
        "sliding": low_foot_sliding(joints, fps),
        "penetration": penetration(joints),
        "knee_rom": rom["knee"],
        "hip_rom": rom["hip"],
        "steps_per_s": step_frequency(x, fps),
    }


def mean_of(measured: Sequence[dict[str, float]]) -> dict[str, float]:
    """Means over clips, clips without a value left out; the jerk also as its median."""
    out = {k: float(np.nanmean([m[k] for m in measured])) for k in measured[0]}
    out["jerk_median"] = float(np.nanmedian([m["jerk"] for m in measured]))
    return out
