"""Does a clip that was read look like a person? Measured on its joints, said in words.

The limits are generous: a handstand, a swimmer or a jump is no reason to speak; a body that stands
on its head throughout, floats or runs at the speed of a car is a file that was read wrongly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...wire.skeleton import JOINT_NAMES, SOLE_HEIGHT
from ..convert import Clip
from ..position_error import joint_positions

_INDEX = {name: index for index, name in enumerate(JOINT_NAMES)}

DOWN_SHARE = 0.9
"""Share of the frames with the head below the pelvis that is no handstand any more."""
FLOAT_METRES = 0.15
FAST_METRES = 15.0
"""No joint of a person moves faster in half of the frames (m/s)."""


@dataclass(frozen=True)
class BodyChecks:
    """Measures of a clip, metres and seconds.

    Attributes:
        head_down: share of the frames in which the head is below the pelvis.
        floor: height of the lowest joint's sole in the lowest 2 % of the frames; 0 stands.
        speed: the fastest joint's speed in the median frame, m/s.
    """

    head_down: float
    floor: float
    speed: float


def measure(joints: np.ndarray, fps: float) -> BodyChecks:
    """Measure ``[T, 22, 3]`` joints, metres, Y-up."""
    head, pelvis = joints[:, _INDEX["head"], 1], joints[:, _INDEX["pelvis"], 1]
    low = float(np.quantile(joints[..., 1].min(axis=1), 0.02))
    steps = np.linalg.norm(np.diff(joints, axis=0), axis=-1) * fps
    speed = float(np.median(steps.max(axis=1))) if len(steps) else 0.0
    return BodyChecks(float(np.mean(head < pelvis)), low - SOLE_HEIGHT, speed)


def doubts(clip: Clip) -> tuple[str, ...]:
    """What seems wrong with a clip; empty where nothing does, or nothing can be measured."""
    if clip.representation not in ("motion135", "joints") or not len(clip.data):
        return ()
    joints = joint_positions(clip.data, clip.representation, None)
    found = measure(np.asarray(joints, dtype=np.float64), clip.fps)
    said = []
    if found.head_down > DOWN_SHARE:
        said.append("The head is below the pelvis throughout: check which axis is up (--up).")
    if abs(found.floor) > FLOAT_METRES:
        where = "above" if found.floor > 0 else "below"
        said.append(f"The feet stay {100 * abs(found.floor):.0f} cm {where} the floor (--ground).")
    if found.speed > FAST_METRES:
        said.append(
            f"Joints move at {found.speed:.0f} m/s: check the unit and the frame rate "
            "(--source-fps)."
        )
    return tuple(said)
