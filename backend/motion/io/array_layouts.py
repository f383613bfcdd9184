"""Arrays of joint positions as they lie about: axes in another order, other units, other up axes.

What an array is, is measured on the body that its points form, and every change is told.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import FormatError, NoMotion
from .joint_orders import Likeness, recognised, to_smpl22

UNITS: dict[str, float] = {
    "metres": 1.0,
    "centimetres": 0.01,
    "millimetres": 0.001,
    "inches": 0.0254,
}
"""Metres of each unit that is told from the length of the legs."""

LEG_METRES = (0.32, 1.15)
"""Hip to ankle along thigh and shin: from a child of two to a very tall adult."""
SMPL_LEG = 0.78
LIES = 0.7
"""Legs that the lowest point of a body moves along the axis of the body."""

TO_Y_UP: dict[str, np.ndarray] = {
    "y": np.eye(3),
    "z": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
    "-y": np.diag([1.0, -1, -1]),
    "x": np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]),
}
"""Rotation that turns an up axis to +Y; "-y" is the image plane of cameras."""
_AXES = {"y": (0, 1, 0), "z": (0, 0, 1), "-y": (0, -1, 0), "x": (1, 0, 0)}

_HINT = (
    "Give joints as [T, J, 3]: 22, 24, 52 or 55 in SMPL's order, 17 of COCO or Human3.6M, 25 of "
    "OpenPose or 33 of MediaPipe."
)
MAX_JOINTS = 200
_FLAT = 66
"""SMPL's joints one after the other."""


def pick(count: int, sample: int | None, what: str) -> int:
    """The number of the motion to read; :class:`FormatError` when there is none of that number."""
    if sample is None or 0 <= sample < count:
        return sample or 0
    raise FormatError(
        f"{what} holds {count} motion{'s' if count > 1 else ''}; there is no number {sample}.",
        f"Numbers go from 0 to {count - 1}.",
    )


def several(count: int, place: str = "") -> str:
    """What is told of a file with several motions of which one is read."""
    return (
        f"It holds {count} motions; the first{place} was read (--sample K reads another, a folder "
        "as output takes all)."
    )


@dataclass(frozen=True)
class Body:
    """Joints of SMPL out of an array.

    Attributes:
        joints: ``[T, 22, 3]`` float64, metres, Y-up.
        order, unit, up: what the array was.
        notes: what was changed, for a person; empty for SMPL's joints in metres, Y-up.
    """

    joints: np.ndarray
    order: str
    unit: str
    up: str
    notes: tuple[str, ...] = ()


def body_of(
    data: np.ndarray, what: str, *, up: str | None = None, sample: int | None = None
) -> Body:
    """The body in an array of positions.

    Args:
        data: ``[T, J, 3]``, ``[1, T, J, 3]``, ``[T, 1, J, 3]``, ``[N, T, J, 3]``,
            ``[N, T, 66]`` or MDM's ``[N, J, 3, T]``.
        what: name of the file, for messages.
        up: "y", "z", "-y" or "x"; measured when None.
        sample: which of N; the first when None, which is told.

    Raises:
        FormatError: no such layout, values that are not finite, or points that form no body in any
            order of that many joints; the message says what was measured.
    """
    points, notes = _frames(np.asarray(data), what, sample)
    if not np.isfinite(points).all():
        raise FormatError(
            f"{what} holds values that are not finite.", "Fill the gaps of the estimator first."
        )
    points = points.astype(np.float64)
    found, tried = recognised(points)
    if found is None:
        raise NoMotion(f"{what}: {_why_not(points, tried)}", _HINT)
    unit, scale = _unit_of(points, found, what)
    axis = up or up_axis(points, found)
    joints, missing = to_smpl22(scale * points @ TO_Y_UP[axis].T, found.order)
    if not found.order.smpl:
        notes.append(
            f"The joints are in the order of {found.order.name}; "
            f"{', '.join(missing)} are not among them and were placed by proportion."
        )
    elif points.shape[1] != joints.shape[1]:
        notes.append(f"Of {points.shape[1]} joints ({found.order.name}) the first 22 were read.")
    if unit != "metres":
        notes.append(f"The joints are in {unit}; they were read as metres.")
    if axis != "y":
        notes.append(f"{axis.upper()} is up in the joints; they were turned to Y-up.")
    return Body(joints, found.order.name, unit, axis, tuple(notes))


def batched(shape: tuple[int, ...]) -> int:
    """How many motions an array holds: N of ``[N, J, 3, T]``, ``[N, T, J, 3]``, ``[N, T, 66]``."""
    if len(shape) == 3 and shape[2] == _FLAT:
        return shape[0]
    if len(shape) != 4 or shape[2:] == (3, 3):  # those are rotation matrices
        return 1
    mdm = shape[2] == 3 and shape[1] <= MAX_JOINTS
    return shape[0] if mdm or (shape[3] == 3 and shape[1] > 1) else 1


def _frames(data: np.ndarray, what: str, sample: int | None) -> tuple[np.ndarray, list[str]]:
    """``[T, J, 3]`` of any accepted layout, and what had to be chosen."""
    if data.dtype.kind not in "fiu":
        raise FormatError(f"{what} holds {data.dtype} instead of numbers.", _HINT)
    notes = []
    count = batched(data.shape)
    if data.ndim == 3 and data.shape[2] == _FLAT:
        data = data.reshape(*data.shape[:2], -1, 3)
    number = pick(count, sample, what)
    if count > 1 and sample is None:
        notes.append(several(count))
    if data.ndim == 4 and data.shape[2] == 3 and data.shape[1] <= MAX_JOINTS:
        data = data[number].transpose(2, 0, 1)
    elif data.ndim == 4 and data.shape[-1] == 3:
        data = data[:, 0] if data.shape[1] == 1 else data[number]
    if data.ndim == 3 and data.shape[2] == 4 and len(data):
        seen = data[..., 3]
        if np.isfinite(seen).all() and seen.min() >= 0.0 and seen.max() <= 1.0:
            data = data[..., :3]  # how well each point was seen
            notes.append("How well each joint was seen was left out.")
    if data.ndim != 3 or data.shape[2] != 3 or not len(data):
        raise FormatError(f"{what} holds an array of shape {list(data.shape)}.", _HINT)
    return data, notes


def _why_not(points: np.ndarray, tried: list[Likeness]) -> str:
    if not tried:
        return f"no known order has {points.shape[1]} joints."
    best = tried[0]
    name = best.order.name
    if best.change > best.order.tolerance:
        return (
            f"read as {name}, the limb from {best.limb} changes its length by "
            f"{100 * best.change:.0f} %, so these are not its joints."
        )
    if best.asymmetry > 0.3:
        return f"read as {name}, the two sides differ by {100 * best.asymmetry:.0f} %."
    return f"read as {name}, the proportions are not those of a person."


def leg_length(points: np.ndarray, found: Likeness) -> float:
    """Median length of thigh and shin, in the unit of the points."""
    at = found.order.points
    legs = [
        np.linalg.norm(points[:, at[f"{side}_{a}"]] - points[:, at[f"{side}_{b}"]], axis=-1)
        for side in ("left", "right")
        for a, b in (("hip", "knee"), ("knee", "ankle"))
    ]
    return float(np.median(legs[0] + legs[1] + legs[2] + legs[3])) / 2


def _unit_of(points: np.ndarray, found: Likeness, what: str) -> tuple[str, float]:
    leg = leg_length(points, found)
    fitting = {
        name: scale
        for name, scale in UNITS.items()
        if LEG_METRES[0] <= leg * scale <= LEG_METRES[1]
    }
    if not fitting:
        raise FormatError(
            f"{what}: the legs are {leg:.3g} long, which is no person's in any unit.",
            "Scale the joints to metres (a leg has about 0.8).",
        )
    name = min(fitting, key=lambda n: abs(np.log(leg * fitting[n] / SMPL_LEG)))
    return name, fitting[name]


def up_axis(points: np.ndarray, found: Likeness) -> str:
    """Which axis of ``[T, J, 3]`` points is up, a key of :data:`TO_Y_UP`.

    The axis along which the shoulders are above the hips and the hips above the ankles in most
    frames; where that does not decide (lying, crawling), the one along which the lowest point of
    the body keeps its height.
    """
    at = found.order.points

    def middle(part: str) -> np.ndarray:
        return (points[:, at[f"left_{part}"]] + points[:, at[f"right_{part}"]]) / 2

    hips, shoulders, ankles = middle("hip"), middle("shoulder"), middle("ankle")
    leg = leg_length(points, found)
    heights = {}
    for name, axis in _AXES.items():
        trunk = (shoulders - hips) @ axis / leg
        legs = (hips - ankles) @ axis / leg
        heights[name] = float(np.median(trunk) + np.median(legs))
    ranked = sorted(heights, key=lambda name: -heights[name])
    first, second = ranked[:2]
    moves = {name: _unsteadiness(points, np.array(_AXES[name])) / leg for name in ("y", "z")}
    steady = min(moves, key=lambda name: moves[name])
    if heights[first] > 0.6 and heights[first] > 1.5 * heights[second]:
        # who slides about along his own length lies: nobody who stands leaves the floor so far
        lies = moves.get(first, 0.0) > LIES > 10 * moves[steady]
        return steady if lies else first
    return steady


def _unsteadiness(points: np.ndarray, axis: np.ndarray) -> float:
    """How much the lowest point of the body moves along an axis: little along the true one."""
    low = (points @ axis).min(axis=1)
    return float(np.quantile(low, 0.9) - np.quantile(low, 0.1))
