"""How far a motion is from what it shall reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from ...wire.directing import PATH, PINS, POSE
from ..edits import heading
from ..limb_ik import ARMS, LEGS, Limbs
from ..representations import motion135
from ..rotations import transpose
from ..skeleton import JOINT_NAMES, forward_kinematics, global_rotations
from .targets import Path, Pin, Pose, Target

PIN_LIMIT = (2.0, 5.0)
LIMITS = {POSE: (1.0, 2.0), PATH: (15.0, 15.0), **dict.fromkeys(PINS, PIN_LIMIT)}
"""Centimetres and degrees that count as met."""


class Report(TypedDict):
    """One constraint, asked against met; worst values over its frames.

    ``degrees`` are None where no direction was asked for; ``*_before`` are those before the
    correction. ``note`` says why a limit is missed, where that is known.
    """

    type: str
    frames: list[int]
    cm: float
    degrees: float | None
    cm_before: float
    degrees_before: float | None
    limit_cm: float
    limit_degrees: float | None
    met: bool
    note: str


def reports(
    targets: Sequence[Target], x: np.ndarray, before: np.ndarray | None = None
) -> list[Report]:
    """One report a target, in their order.

    Args:
        x: motion_135 ``[T, 135]`` as it is now.
        before: the same before the correction; ``x`` when None.
    """
    return [_report(each, x, x if before is None else before) for each in targets]


def sentence(number: int, report: Report) -> str:
    """For a person, of a constraint that was not met."""
    off = [f"{report['cm']:.1f} cm"]
    if report["degrees"] is not None:
        off.append(f"{report['degrees']:.0f}°")
    note = f" {report['note']}" if report["note"] else ""
    return (
        f"Constraint {number} ({report['type']}, frame {report['frames'][0]}) is missed by "
        f"{' and '.join(off)}.{note}"
    )


def _report(target: Target, x: np.ndarray, before: np.ndarray) -> Report:
    cm, degrees = deviation(target, x)
    cm_before, degrees_before = deviation(target, before)
    limit_cm, limit_degrees = LIMITS.get(target.type, PIN_LIMIT)
    turned = degrees is not None
    met = cm <= limit_cm and (degrees is None or degrees <= limit_degrees)
    return {
        "type": target.type,
        "frames": [int(row) for row in target.frames],
        "cm": round(cm, 2),
        "degrees": None if degrees is None else round(degrees, 2),
        "cm_before": round(cm_before, 2),
        "degrees_before": None if degrees_before is None else round(degrees_before, 2),
        "limit_cm": limit_cm,
        "limit_degrees": limit_degrees if turned else None,
        "met": met,
        "note": "" if met else _note(target, x),
    }


def deviation(target: Target, x: np.ndarray) -> tuple[float, float | None]:
    """Worst distance (cm) and angle (degrees, None where no direction is asked for)."""
    root, rotations = motion135.unpack(x[target.frames].astype(np.float64))
    if isinstance(target, Path):
        apart = root[:, [0, 2]] - target.ground
        if target.heading is None:
            return _worst_cm(apart), None
        turn = heading(x[target.frames]) - target.heading
        return _worst_cm(apart), _degrees(np.arctan2(np.sin(turn), np.cos(turn)))
    joints = forward_kinematics(rotations, root)
    if isinstance(target, Pose):
        return _worst_cm(joints - target.joints), _between(rotations, target.rotations)
    apart = joints[:, target.joints] - target.positions
    if target.world is None:
        return _worst_cm(apart), None
    world = global_rotations(rotations)[:, target.joints]
    return _worst_cm(apart), _between(world, target.world)


def _worst_cm(apart: np.ndarray) -> float:
    return 100.0 * float(np.linalg.norm(apart, axis=-1).max())


def _between(a: np.ndarray, b: np.ndarray) -> float:
    cosine = (np.trace(transpose(a) @ b, axis1=-2, axis2=-1) - 1.0) / 2.0
    return _degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))


def _degrees(angle: np.ndarray) -> float:
    return float(np.degrees(np.abs(angle).max()))


def _note(target: Target, x: np.ndarray) -> str:
    """Of a hand or foot that is too far away for its limb."""
    if not isinstance(target, Pin):
        return ""
    joints = motion135.joints(x[target.frames].astype(np.float64))
    for limbs, word in ((ARMS, "shoulder"), (LEGS, "hip")):
        for side, end in enumerate(limbs.ends):
            if end not in target.joints:
                continue
            wanted = target.positions[:, target.joints.index(end)]
            far = np.linalg.norm(wanted - joints[:, limbs.firsts[side]], axis=-1)
            reach = _reach(limbs, side)
            row = int(far.argmax())
            if far[row] > reach:
                name = JOINT_NAMES[end].split("_")[0]
                limb = "arm" if limbs is ARMS else "leg"
                return (
                    f"The {name} {limb} reaches {100 * reach:.0f} cm; in frame "
                    f"{target.frames[row]} the target is {100 * far[row]:.0f} cm from the {word}."
                )
    return ""


def _reach(limbs: Limbs, side: int) -> float:
    return float(limbs.lengths[:, side].sum())
