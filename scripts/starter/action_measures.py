"""How a generated action compares with the real clips of it: liveliness, variety, rest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backend.motion.representations import motion135
from backend.motion.skeleton import joint_index
from scripts.starter.measures import jerk, low_foot_sliding

MOMENTS = 24
"""Points in time at which two clips are compared, spread over each."""
_ELBOWS = [joint_index("left_elbow"), joint_index("right_elbow")]
_WRISTS = [joint_index("left_wrist"), joint_index("right_wrist")]
_EDGE = 0.25


def facing(x: np.ndarray) -> np.ndarray:
    """Joints ``[T, 22, 3]`` (m, Y-up) around the pelvis, turned so that each frame faces +Z."""
    joints = motion135.joints(np.asarray(x, np.float64))
    _, rotations = motion135.unpack(np.asarray(x, np.float64))
    ahead = rotations[:, 0] @ np.array([0.0, 0.0, 1.0])
    angle = np.arctan2(ahead[:, 0], ahead[:, 2])
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    local = joints - joints[:, :1] * np.array([1.0, 0.0, 1.0])
    x_axis = c * local[..., 0] - s * local[..., 2]
    z_axis = s * local[..., 0] + c * local[..., 2]
    return np.stack([x_axis, local[..., 1], z_axis], -1)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Mean distance of the joints (m) of two clips, each read at the same shares of its length."""
    rows = []
    for x in (a, b):
        joints = facing(x)
        place = np.linspace(0, len(joints) - 1, MOMENTS).round().astype(int)
        rows.append(joints[place])
    return float(np.linalg.norm(rows[0] - rows[1], axis=-1).mean())


def spread(clips: Sequence[np.ndarray]) -> float:
    """Mean distance (m) of every pair of clips; NaN of fewer than two."""
    pairs = [distance(a, b) for i, a in enumerate(clips) for b in clips[:i]]
    return float(np.mean(pairs)) if pairs else float("nan")


def measured(x: np.ndarray, fps: float = motion135.SPEC.fps) -> dict[str, float]:
    """Measures of one motion_135 clip ``[T, 135]``.

    Returns:
        jerk (m/s^3), sliding (cm/s), elbow speed (m/s), hand travel (m/s around the pelvis), mean
        speed of all joints (m/s) in the whole clip and in its first and last quarter second,
        ground way (m) and depth below the floor (cm).
    """
    joints = motion135.joints(np.asarray(x, np.float64))
    local = facing(x)
    speed = np.linalg.norm(np.diff(joints, axis=0), axis=-1).mean(1) * fps
    own = np.linalg.norm(np.diff(local, axis=0), axis=-1) * fps
    edge = max(1, round(_EDGE * fps))
    return {
        "jerk": jerk(joints, fps),
        "sliding": low_foot_sliding(joints, fps),
        "elbow_speed": float(own[:, _ELBOWS].mean()),
        "hand_travel": float(own[:, _WRISTS].mean()),
        "speed": float(speed.mean()),
        "start": float(speed[:edge].mean()),
        "end": float(speed[-edge:].mean()),
        "way": float(np.linalg.norm(np.diff(joints[::5, 0, [0, 2]], axis=0), axis=-1).sum()),
        "below": float(np.maximum(-joints[..., 1].min(1), 0).mean() * 100),
    }


def interval(right: int, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a rate."""
    if not count:
        return 0.0, 1.0
    z, p = 1.96, right / count
    middle = (p + z * z / (2 * count)) / (1 + z * z / count)
    half = z * np.sqrt(p * (1 - p) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))
