"""What a motion shall reach, from the plain objects of a request.

Everything is in the room of motion_135: metres, Y-up, the floor at y = 0, heading 0 faces +Z. The
forms are told by :mod:`backend.wire.directing` and docs/editing.md. Kimodo's own form (joint
rotations of its skeleton) is brought to the same body; its lengths are those of its skeleton, and
so are those of the paths beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ...errors import FormatError, InvalidRequest
from ...wire.directing import PATH, PINS, POSE, TYPES, expanded
from ...wire.skeleton import JOINT_NAMES, MOTION_DIM
from ..kimodo_body import scale_of, to_motion135
from ..representations import motion135
from ..representations.kimodo_skeletons import KimodoSkeleton, skeleton
from ..rotations import axis_angle_to_matrix
from ..skeleton import forward_kinematics, global_rotations, joint_index

HINT = (
    "A constraint is {type, frame_indices, motion135} or {type: root2d, frame_indices,"
    " smooth_root_2d}; docs/editing.md has every form."
)
PINNED = {
    "left-hand": "left_wrist",
    "right-hand": "right_wrist",
    "left-foot": "left_ankle",
    "right-foot": "right_ankle",
}
_ENDS = {
    "LeftHand": "left_wrist",
    "RightHand": "right_wrist",
    "LeftFoot": "left_ankle",
    "RightFoot": "right_ankle",
    "Hips": "pelvis",
}
END_EFFECTOR = "end-effector"


@dataclass(frozen=True)
class Pose:
    """Whole poses: at ``frames [K]`` the ``root [K, 3]`` and ``rotations [K, 22, 3, 3]``.

    ``strength`` (0 to 1) is how far a correction goes, here and of the others.
    """

    type: str
    frames: np.ndarray
    root: np.ndarray
    rotations: np.ndarray
    strength: float = 1.0

    @property
    def joints(self) -> np.ndarray:
        """Positions ``[K, 22, 3]``."""
        return np.asarray(forward_kinematics(self.rotations, self.root))


@dataclass(frozen=True)
class Pin:
    """Joints at places: ``positions [K, J, 3]`` of the J ``joints`` at ``frames [K]``.

    ``world [K, J, 3, 3]`` are their rotations in the room, where these are asked for too.
    """

    type: str
    frames: np.ndarray
    joints: tuple[int, ...]
    positions: np.ndarray
    world: np.ndarray | None = None
    strength: float = 1.0


@dataclass(frozen=True)
class Path:
    """Where the pelvis is on the floor, ``ground [K, 2]`` x and z, and its ``heading [K]``."""

    type: str
    frames: np.ndarray
    ground: np.ndarray
    heading: np.ndarray | None = None
    strength: float = 1.0


Target: TypeAlias = Pose | Pin | Path


def targets_of(constraints: Sequence[Mapping[str, Any]], frames: int) -> list[Target]:
    """The targets of a motion of ``frames`` frames.

    Raises:
        InvalidRequest: an unknown type, or a frame beyond the motion.
        FormatError: values that are missing or do not fit the frames.
    """
    theirs = next((b for b in map(_skeleton, constraints) if b is not None), None)
    return [
        _target(expanded(each, f"Constraint {i}"), theirs, frames, f"Constraint {i}")
        for i, each in enumerate(constraints)
    ]


def _skeleton(constraint: Mapping[str, Any]) -> KimodoSkeleton | None:
    """Kimodo's skeleton, of a constraint in its form."""
    turns = constraint.get("local_joints_rot")
    if not isinstance(turns, Sequence) or not turns or not isinstance(turns[0], Sequence):
        return None
    return skeleton("smplx22" if len(turns[0]) == len(JOINT_NAMES) else "soma30")


def _target(
    values: Mapping[str, Any], theirs: KimodoSkeleton | None, frames: int, where: str
) -> Target:
    kind, strength = str(values["type"]), float(values.get("strength", 1.0))
    rows = np.array(values["frame_indices"], dtype=int)
    if rows.max() >= frames:
        raise InvalidRequest(
            f"{where} names the frame {rows.max()}; the motion has 0 to {frames - 1}.",
            "Give frames inside the motion, or make it longer.",
        )
    if kind == PATH:
        scale = 1.0 if theirs is None else scale_of(theirs)
        ground, heading = scale * ground_of(values, where), heading_of(values, where)
        return Path(kind, rows, ground, heading, strength)
    if kind not in (*TYPES, END_EFFECTOR):
        raise InvalidRequest(
            f"{where} is of type {kind[:40]!r}.", f"Use {', '.join((*TYPES, END_EFFECTOR))}."
        )
    if kind != POSE and "positions" in values:
        places = numbers(values, "positions", where, ndim=2)
        _check_rows(places, (len(rows), 3), "positions", where)
        joint = joint_index(PINNED[kind]) if kind in PINS else -1
        if joint < 0:
            raise FormatError(f"{where}: positions are of one hand or foot.", HINT)
        return Pin(kind, rows, (joint,), places[:, None], strength=strength)
    root, rotations = _poses(values, where)
    if kind == POSE:
        return Pose(kind, rows, root, rotations, strength)
    joints = tuple(joint_index(name) for name in _named(kind, values, where))
    places = forward_kinematics(rotations, root)[:, joints]
    return Pin(kind, rows, joints, places, global_rotations(rotations)[:, joints], strength)


def _named(kind: str, values: Mapping[str, Any], where: str) -> list[str]:
    if kind in PINS:
        return [PINNED[kind]]
    names = values.get("joint_names")
    if not isinstance(names, Sequence) or not names or not set(names) <= set(_ENDS):
        raise InvalidRequest(
            f"{where}: an end-effector names joints.", f"Use joint_names of {', '.join(_ENDS)}."
        )
    return [_ENDS[name] for name in names]


def _poses(values: Mapping[str, Any], where: str) -> tuple[np.ndarray, np.ndarray]:
    """Root and rotations of motion_135 rows, or of Kimodo's joint rotations."""
    count = len(values["frame_indices"])
    if "motion135" in values:
        x = numbers(values, "motion135", where, ndim=2)
        _check_rows(x, (count, MOTION_DIM), "motion135", where)
        return motion135.unpack(motion135.check_rotations(x))
    bones = _skeleton(values)
    if bones is None:
        raise FormatError(f"{where} lacks motion135.", HINT)
    world, root = world_of(values, bones, where)
    return motion135.unpack(to_motion135(world, root, bones)[0].astype(np.float64))


def world_of(
    values: Mapping[str, Any], bones: KimodoSkeleton, where: str
) -> tuple[np.ndarray, np.ndarray]:
    """World rotations ``[K, J, 3, 3]`` and root ``[K, 3]`` of Kimodo's form."""
    count = len(values["frame_indices"])
    turns = numbers(values, "local_joints_rot", where, ndim=3)
    if turns.shape[1] == 77 and bones.full:
        turns = turns[:, list(bones.full)]
    root = numbers(values, "root_positions", where, ndim=2)
    _check_rows(turns, (count, bones.count, 3), "local_joints_rot", where)
    _check_rows(root, (count, 3), "root_positions", where)
    return bones.world(axis_angle_to_matrix(turns)), root


def ground_of(values: Mapping[str, Any], where: str) -> np.ndarray:
    """x and z ``[K, 2]`` of ``smooth_root_2d``; three columns are x, y, z."""
    path = numbers(values, "smooth_root_2d", where, ndim=2)
    if path.shape[1] == 3:
        path = path[:, [0, 2]]
    _check_rows(path, (len(values["frame_indices"]), 2), "smooth_root_2d", where)
    return path


def heading_of(values: Mapping[str, Any], where: str) -> np.ndarray | None:
    """Angles ``[K]`` from angles or from cosine and sine ``[K, 2]``; None where none is given."""
    if values.get("global_root_heading") is None:
        return None
    heading = numbers(values, "global_root_heading", where)
    count = len(values["frame_indices"])
    if heading.shape == (count, 2):
        return np.arctan2(heading[:, 1], heading[:, 0])
    _check_rows(heading, (count,), "global_root_heading", where)
    return heading


def numbers(
    values: Mapping[str, Any], name: str, where: str, ndim: int | None = None
) -> np.ndarray:
    """A field as float64; :class:`FormatError` where it is missing, no numbers or of other axes."""
    try:
        array = np.asarray(values[name], dtype=np.float64)
    except KeyError as error:
        raise FormatError(f"{where} lacks {name}.", HINT) from error
    except (TypeError, ValueError) as error:
        raise FormatError(f"{where}: {name} holds no numbers.", HINT) from error
    if not np.isfinite(array).all() or (ndim is not None and array.ndim != ndim):
        raise FormatError(f"{where}: {name} has the shape {list(array.shape)}.", HINT)
    return array


def _check_rows(array: np.ndarray, shape: tuple[int, ...], name: str, where: str) -> None:
    if array.shape != shape:
        raise FormatError(
            f"{where}: {name} {list(array.shape)} do not fit {shape[0]} frames "
            f"({list(shape)} are needed).",
            HINT,
        )
