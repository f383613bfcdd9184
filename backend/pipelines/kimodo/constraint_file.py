"""Constraints of a request as Kimodo's network takes them: in its own body's poses and metres.

Its own form gives joint rotations of its skeleton, and then all lengths of the list are those of
its body. Every other length is of motion_135, whose legs are shorter or longer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FormatError, InvalidRequest
from ...motion import directing
from ...motion.directing.targets import (
    HINT,
    PINNED,
    ground_of,
    heading_of,
    numbers,
    world_of,
)
from ...motion.kimodo_body import from_motion135, in_its_room, scale_of
from ...motion.representations import motion135
from ...motion.representations.kimodo_skeletons import KimodoSkeleton
from ...motion.skeleton import joint_index
from ...wire.directing import PATH, PINS, expanded
from .constraints import (
    FULL_BODY,
    KINDS,
    Constraint,
    PathConstraint,
    PointConstraint,
    PoseConstraint,
)

MAX_BYTES = 50_000_000


def read_constraints(path: str | Path, skeleton: KimodoSkeleton) -> list[Constraint]:
    """The constraints of a JSON file.

    Raises:
        FormatError: not JSON, too large, an unknown type, or arrays that do not fit.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise FormatError(f"{path} is too large for a constraint file.", HINT)
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise FormatError(f"{path} cannot be read: {error}.", HINT) from error
    return parse_constraints(values, skeleton, str(path))


def parse_constraints(values: object, skeleton: KimodoSkeleton, where: str) -> list[Constraint]:
    """The constraints of a parsed file; ``where`` names it in messages. See the spec's A.8."""
    if not isinstance(values, list) or not all(isinstance(each, Mapping) for each in values):
        raise FormatError(f"{where} holds no list of constraints.", HINT)
    theirs = any("local_joints_rot" in each for each in values)
    scale = 1.0 if theirs else scale_of(skeleton)
    return [
        _constraint(each, skeleton, scale, f"{where}: constraint {i}")
        for i, each in enumerate(values)
    ]


def _constraint(
    given: Mapping[str, Any], skeleton: KimodoSkeleton, scale: float, where: str
) -> Constraint:
    values = expanded(given, where)
    kind, rows = values.get("type"), np.array(values["frame_indices"], dtype=int)
    if kind == PATH:
        return PathConstraint(rows, ground_of(values, where) / scale, heading_of(values, where))
    if kind not in KINDS:
        raise FormatError(f"{where} is of type {kind!r}.", f"Use {', '.join(KINDS)}, {PATH}.")
    if kind in PINS and "positions" in values:
        places = numbers(values, "positions", where, ndim=2)
        if places.shape != (len(rows), 3):
            raise FormatError(f"{where}: positions do not fit {len(rows)} frames.", HINT)
        joint = skeleton.smpl[joint_index(PINNED[kind])]
        return PointConstraint(kind, rows, joint, in_its_room(places, skeleton))
    names = values.get("joint_names") or ()
    if not isinstance(names, list | tuple) or not all(isinstance(n, str) for n in names):
        raise FormatError(f"{where}: joint_names is no list of names.", HINT)
    if "motion135" in values:
        rig = numbers(values, "motion135", where, ndim=2)
        if rig.shape != (len(rows), motion135.SPEC.dim):
            raise FormatError(
                f"{where}: motion135 {list(rig.shape)} does not fit {len(rows)} frames.", HINT
            )
        world, root = from_motion135(rig, skeleton)
        return PoseConstraint(kind, rows, world, root, None, tuple(names))
    world, root = world_of(values, skeleton, where)
    smooth = ground_of(values, where) if values.get("smooth_root_2d") is not None else None
    return PoseConstraint(kind, rows, world, root, smooth, tuple(names))


def of_targets(
    targets: Sequence[directing.Target], skeleton: KimodoSkeleton, rate: float
) -> list[Constraint]:
    """What an edit shall reach; ``rate`` is Kimodo's frames to one of the motion's."""
    found: list[Constraint] = []
    for target in targets:
        rows = np.round(target.frames * rate).astype(int)
        if isinstance(target, directing.Path):
            ground = target.ground / scale_of(skeleton)
            found.append(PathConstraint(rows, ground, target.heading))
        elif isinstance(target, directing.Pose):
            rig = motion135.pack(target.root, target.rotations)
            found.append(PoseConstraint(FULL_BODY, rows, *from_motion135(rig, skeleton)))
        else:
            for number, joint in enumerate(target.joints):
                places = in_its_room(target.positions[:, number], skeleton)
                own = skeleton.smpl[joint]
                found.append(PointConstraint(target.type, rows, own, places))
    return found


def check_joints(joints: Sequence[str]) -> None:
    """:class:`InvalidRequest` for an edit that keeps joints: Kimodo makes whole bodies."""
    if joints:
        raise InvalidRequest(
            "Kimodo makes whole frames anew, not single joints.",
            "Keep frames, or use starter or mdm for parts of the body.",
        )
