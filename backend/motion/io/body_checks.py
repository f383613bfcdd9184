"""Does a clip that was read look like a person? Measured on its joints, said in words.

Above the first limit of a measure a person is warned, above the second the file is refused unless
it is read by force. The limits are generous: a handstand, a swimmer or a jump is no reason to
speak; a body that stands on its head throughout, floats or runs at the speed of a car is a file
that was read wrongly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np

from ...errors import FormatError
from ...wire.skeleton import JOINT_NAMES, SOLE_HEIGHT
from ..convert import Clip
from ..position_error import joint_positions
from .joint_orders import ORDERS, likeness

_INDEX = {name: index for index, name in enumerate(JOINT_NAMES)}

LIMITS: dict[str, tuple[float, float]] = {
    "head_down": (0.9, 2.0),
    "upside_down": (0.5, 0.9),
    "floor": (0.15, 10.0),
    "speed": (15.0, 300.0),
    "bone_change": (0.1, 0.5),
    "ik_error_mm": (50.0, 150.0),
    "trunk_degrees": (25.0, 60.0),
}
"""Above the first a warning, above the second a refusal; the names are :class:`BodyChecks`'."""
_SOME = 600
"""Frames of which bone lengths are measured."""


@dataclass(frozen=True)
class BodyChecks:
    """Measures of a clip, metres and seconds.

    Attributes:
        head_down: share of the frames in which the head is below the pelvis.
        upside_down: share of the frames in which the body hangs below the floor on its head: the
            feet above the head, which is below height 0.
        floor: height of the lowest joint's sole in the lowest 2 % of the frames; 0 stands.
        speed: the fastest joint's speed in the median frame, m/s.
        bone_change: how much the limb that changes most varies in length, relative.
        ik_error_mm: how far the ends of limbs are from where the file has them, on a body of
            SMPL's proportions; 0 where rotations are read as they are.
        trunk_degrees: how far hips, shoulders or the back lie turned from where the file has them,
            in the median frame; 0 where rotations are read as they are.
    """

    head_down: float
    upside_down: float
    floor: float
    speed: float
    bone_change: float = 0.0
    ik_error_mm: float = 0.0
    trunk_degrees: float = 0.0


def measure(joints: np.ndarray, fps: float) -> BodyChecks:
    """Measure ``[T, 22, 3]`` joints, metres, Y-up."""
    head, pelvis = joints[:, _INDEX["head"], 1], joints[:, _INDEX["pelvis"], 1]
    feet = joints[:, [_INDEX["left_ankle"], _INDEX["right_ankle"]], 1].min(axis=1)
    hanging = (feet > head) & (head < -SOLE_HEIGHT) & (head < pelvis)
    low = float(np.quantile(joints[..., 1].min(axis=1), 0.02))
    steps = np.linalg.norm(np.diff(joints, axis=0), axis=-1) * fps
    speed = float(np.median(steps.max(axis=1))) if len(steps) else 0.0
    return BodyChecks(
        float(np.mean(head < pelvis)), float(np.mean(hanging)), low - SOLE_HEIGHT, speed
    )


def checked(clip: Clip) -> Clip:
    """A clip with its measures, those that its reader has made included.

    Features have none: they may be of any scale, and normalised.
    """
    if clip.representation not in ("motion135", "joints") or not len(clip.data):
        return clip
    joints = np.asarray(joint_positions(clip.data, clip.representation), dtype=np.float64)
    found = measure(joints, clip.fps)
    if clip.representation == "joints":
        some = joints[:: max(len(joints) // _SOME, 1)]
        found = replace(found, bone_change=likeness(some, ORDERS[0]).change)
    values = {**asdict(found), **clip.checks}
    return replace(clip, checks={name: round(float(x), 4) for name, x in values.items()})


def doubts(checks: Mapping[str, float]) -> tuple[str, ...]:
    """What seems wrong, by the first limits; empty where nothing does."""
    return tuple(_said(name, checks[name]) for name in LIMITS if _above(checks, name, 0))


def check(clip: Clip, what: str, *, force: bool = False) -> Clip:
    """The clip with its doubts among its warnings.

    Args:
        what: name of the file, for the message.
        force: warn also where it would be refused.

    Raises:
        FormatError: a measure is above its second limit.
    """
    far = [name for name in LIMITS if _above(clip.checks, name, 1)]
    if far and not force:
        raise FormatError(
            f"{what} was read, and is no motion of a person: {_said(far[0], clip.checks[far[0]])}",
            "If it is one all the same, read it by force: kinetype convert IN OUT --force.",
        )
    return replace(clip, warnings=(*clip.warnings, *doubts(clip.checks)))


def check_fit(error_mm: float, what: str, *, force: bool = False) -> tuple[str, ...]:
    """What is told of rotations that were fitted to joints and miss them by that much (mean).

    Raises:
        FormatError: by more than the second limit.
    """
    checks = {"ik_error_mm": error_mm}
    if _above(checks, "ik_error_mm", 1) and not force:
        raise FormatError(
            f"{what}: no pose of a person fits its joints, the best is {error_mm:.0f} mm away.",
            "If they are a person's all the same, read them by force: kinetype convert --force.",
        )
    return doubts(checks)


def _above(checks: Mapping[str, float], name: str, which: int) -> bool:
    return abs(checks.get(name, 0.0)) > LIMITS[name][which]


def _said(name: str, value: float) -> str:
    if name == "head_down":
        return "The head is below the pelvis throughout: check which axis is up (--up)."
    if name == "upside_down":
        return "The body hangs on its head below the floor: check which axis is up (--up)."
    if name == "floor":
        where = "above" if value > 0 else "below"
        return f"The feet stay {100 * abs(value):.0f} cm {where} the floor (--ground)."
    if name == "speed":
        return f"Joints move at {value:.0f} m/s: check the unit and the frame rate (--source-fps)."
    if name == "bone_change":
        return f"Limbs change their length by {100 * value:.0f} %."
    if name == "trunk_degrees":
        return (
            f"The trunk lies {value:.0f} degrees from where the file has it: "
            "the rest pose of the file is no body's."
        )
    return f"Limbs end {value:.0f} mm from where the file has them."
