"""Constraint files: a JSON list of poses, hands, feet and paths.

Kimodo's own form gives joint rotations of its skeleton; in ours ``motion135`` ``[K, 135]`` stands
in their place: rows of a motion in Kinetype's own form, from any rig.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...errors import FormatError
from ...motion.kimodo_body import from_motion135
from ...motion.representations.kimodo_skeletons import KimodoSkeleton
from ...motion.rotations import axis_angle_to_matrix
from ...wire.skeleton import MOTION_DIM
from .constraints import KINDS, Constraint, PathConstraint, PoseConstraint

PATH_KIND = "root2d"
MAX_BYTES = 50_000_000
_HINT = (
    "A constraint file is a list of {type, frame_indices, local_joints_rot, root_positions} or"
    " {type: root2d, frame_indices, smooth_root_2d}."
)


def read_constraints(path: str | Path, skeleton: KimodoSkeleton) -> list[Constraint]:
    """The constraints of a file.

    Raises:
        FormatError: not JSON, too large, an unknown type, or arrays that do not fit.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise FormatError(f"{path} is too large for a constraint file.", _HINT)
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise FormatError(f"{path} cannot be read: {error}.", _HINT) from error
    return parse_constraints(values, skeleton, str(path))


def parse_constraints(values: object, skeleton: KimodoSkeleton, where: str) -> list[Constraint]:
    """The constraints of a parsed file; ``where`` names it in messages. See the spec's A.8."""
    if not isinstance(values, list) or not all(isinstance(each, Mapping) for each in values):
        raise FormatError(f"{where} holds no list of constraints.", _HINT)
    return [
        _constraint(each, skeleton, f"{where}: constraint {i}") for i, each in enumerate(values)
    ]


def _constraint(values: Mapping[str, object], skeleton: KimodoSkeleton, where: str) -> Constraint:
    kind = values.get("type")
    frames = _numbers(values, "frame_indices", where, ndim=1)
    if (frames != np.round(frames)).any():
        raise FormatError(f"{where}: frame_indices are not whole numbers.", _HINT)
    rows = frames.astype(int)
    if kind == PATH_KIND:
        heading = None
        if values.get("global_root_heading") is not None:
            heading = _heading(_numbers(values, "global_root_heading", where), len(rows), where)
        return PathConstraint(rows, _ground(values, len(rows), where), heading)
    if kind not in KINDS:
        raise FormatError(f"{where} is of type {kind!r}.", f"Use {', '.join(KINDS)}, {PATH_KIND}.")
    names = values.get("joint_names") or ()
    if not isinstance(names, list | tuple) or not all(isinstance(n, str) for n in names):
        raise FormatError(f"{where}: joint_names is no list of names.", _HINT)
    if "motion135" in values:
        rig = _numbers(values, "motion135", where, ndim=2)
        if rig.shape != (len(rows), MOTION_DIM):
            raise FormatError(
                f"{where}: motion135 {list(rig.shape)} does not fit {len(rows)} frames.", _HINT
            )
        world, root = from_motion135(rig, skeleton)
        return PoseConstraint(kind, rows, world, root, None, tuple(names))
    turns = _numbers(values, "local_joints_rot", where, ndim=3)
    if turns.shape[1] == 77 and skeleton.full:
        turns = turns[:, list(skeleton.full)]
    root = _numbers(values, "root_positions", where, ndim=2)
    if turns.shape != (len(rows), skeleton.count, 3) or root.shape != (len(rows), 3):
        raise FormatError(
            f"{where}: local_joints_rot {list(turns.shape)} and root_positions "
            f"{list(root.shape)} do not fit {len(rows)} frames of {skeleton.count} joints.",
            _HINT,
        )
    smooth = None
    if values.get("smooth_root_2d") is not None:
        smooth = _ground(values, len(rows), where)
    world = skeleton.world(axis_angle_to_matrix(turns))
    return PoseConstraint(kind, rows, world, root, smooth, tuple(names))


def _ground(values: Mapping[str, object], count: int, where: str) -> np.ndarray:
    """x and z ``[K, 2]``; three columns are x, y, z."""
    path = _numbers(values, "smooth_root_2d", where, ndim=2)
    if path.shape == (count, 3):
        path = path[:, [0, 2]]
    if path.shape != (count, 2):
        raise FormatError(
            f"{where}: smooth_root_2d {list(path.shape)} does not fit {count} frames.", _HINT
        )
    return path


def _heading(heading: np.ndarray, count: int, where: str) -> np.ndarray:
    """Angles ``[K]`` from angles or from cosine and sine ``[K, 2]``."""
    if heading.shape == (count, 2):
        angle: np.ndarray = np.arctan2(heading[:, 1], heading[:, 0])
        return angle
    if heading.shape != (count,):
        raise FormatError(
            f"{where}: global_root_heading {list(heading.shape)} does not fit {count} frames.",
            _HINT,
        )
    return heading


def _numbers(
    values: Mapping[str, object], name: str, where: str, ndim: int | None = None
) -> np.ndarray:
    try:
        array = np.asarray(values[name], dtype=np.float64)
    except KeyError as error:
        raise FormatError(f"{where} lacks {name}.", _HINT) from error
    except (TypeError, ValueError) as error:
        raise FormatError(f"{where}: {name} holds no numbers.", _HINT) from error
    if not np.isfinite(array).all() or (ndim is not None and array.ndim != ndim):
        raise FormatError(f"{where}: {name} has the shape {list(array.shape)}.", _HINT)
    return array
