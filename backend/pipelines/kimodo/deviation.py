"""How far a motion is from its constraints: the network comes near them, not to them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...motion.representations.kimodo import KimodoMotion, heading_of
from ...motion.representations.kimodo_skeletons import KimodoSkeleton
from .constraints import FULL_BODY, Constraint, PathConstraint, PoseConstraint, chains_of


def deviations(
    constraints: Sequence[Constraint], motion: KimodoMotion, bones: KimodoSkeleton
) -> list[dict[str, object]]:
    """One entry a constraint, in their order: ``type``, ``frames``, worst ``cm`` and ``degrees``.

    Of a pose, centimetres are of the joints that it names and degrees of the rotation that it
    names (of the heading, for a whole pose); of a path, of the smooth root and of the heading.
    Degrees are None where a constraint says nothing of a direction.
    """
    return [_of(each, motion, bones) for each in constraints]


def _of(constraint: Constraint, motion: KimodoMotion, bones: KimodoSkeleton) -> dict[str, object]:
    rows = constraint.frames
    if isinstance(constraint, PathConstraint):
        kind = "root2d"
        apart = motion.smooth_root[rows][:, [0, 2]] - constraint.smooth
        degrees = None
        if constraint.heading is not None:
            made = np.arctan2(motion.heading[rows, 1], motion.heading[rows, 0])
            degrees = _worst_turn(made - constraint.heading)
    else:
        kind = constraint.kind
        apart, degrees = _of_pose(constraint, motion, bones)
    distance = float(np.linalg.norm(apart, axis=-1).max())
    return {
        "type": kind,
        "frames": [int(row) for row in rows],
        "cm": round(100.0 * distance, 2),
        "degrees": None if degrees is None else round(degrees, 2),
    }


def _of_pose(
    pose: PoseConstraint, motion: KimodoMotion, bones: KimodoSkeleton
) -> tuple[np.ndarray, float]:
    wanted = bones.positions(pose.world.astype(np.float64), pose.root.astype(np.float64))
    made = motion.joints[pose.frames]
    if pose.kind == FULL_BODY:
        turn = heading_of(made, bones) - heading_of(wanted, bones)
        return made - wanted, _worst_turn(turn)
    chains = [bones.chains[name] for name in chains_of(pose)]
    members = [joint for chain in chains for joint in chain]
    first = [chain[0] for chain in chains]
    relative = motion.world[pose.frames][:, first].swapaxes(-1, -2) @ pose.world[:, first]
    cosine = (np.trace(relative, axis1=-2, axis2=-1) - 1.0) / 2.0
    angle = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
    return made[:, members] - wanted[:, members], float(angle.max())


def _worst_turn(turn: np.ndarray) -> float:
    """Largest angle in degrees, by the shorter way round."""
    return float(np.degrees(np.abs(np.arctan2(np.sin(turn), np.cos(turn)))).max())
