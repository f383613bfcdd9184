"""What a clean-up step changed: the same measures before and after."""

from __future__ import annotations

import numpy as np

from ..motion import edits
from ..motion.contacts import BALLS, contacts_of_joints
from ..motion.representations import motion135
from .physical import physical_metrics


def clip_measures(x: np.ndarray, fps: float = 30.0) -> dict[str, float]:
    """Measures of motion_135 ``[T >= 4, 135]`` that clean-up is meant to change.

    Returns:
        All of :func:`backend.evaluation.physical.physical_metrics`, and

        - ``heading_deg``, ``start_offset_m``: where the first frame faces (0 is +Z) and how far it
          stands from the origin, on the ground;
        - ``standing_height_cm``: median height of the balls of standing feet (1.9 when flat);
        - ``travel_m``: horizontal distance between the first and the last frame.

    Raises:
        FormatError: wrong shape, too short, or values that are not finite.
    """
    joints = motion135.joints(x)
    stands = contacts_of_joints(joints, fps)
    balls = joints[:, BALLS, 1]
    root = joints[:, 0][:, [0, 2]]
    return physical_metrics(joints, fps) | {
        "heading_deg": float(np.rad2deg(edits.heading(x[:1])[0])),
        "start_offset_m": float(np.linalg.norm(root[0])),
        "standing_height_cm": 100.0 * float(np.median(balls[stands] if stands.any() else balls)),
        "travel_m": float(np.linalg.norm(root[-1] - root[0])),
    }


def compare(
    before: np.ndarray, after: np.ndarray, fps: float = 30.0
) -> dict[str, tuple[float, float]]:
    """``{measure: (before, after)}`` of :func:`clip_measures`; the clips may differ in length."""
    old, new = clip_measures(before, fps), clip_measures(after, fps)
    return {name: (old[name], new[name]) for name in old}
