"""What Kimodo's network is told to keep: poses, hands, feet and a path, as values and a mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from ...errors import InvalidRequest
from ...motion.representations.kimodo import heading_of, relative_joints, spec_of
from ...motion.representations.kimodo_skeletons import KimodoSkeleton
from ...motion.rotations import matrix_to_rot6d_column

FULL_BODY = "fullbody"
KINDS = (FULL_BODY, "left-hand", "right-hand", "left-foot", "right-foot", "end-effector")
_CHAIN_OF = {
    "left-hand": "LeftHand",
    "right-hand": "RightHand",
    "left-foot": "LeftFoot",
    "right-foot": "RightFoot",
}


@dataclass(frozen=True)
class PoseConstraint:
    """Poses at frames, or what of them belongs to hands, feet or hips.

    Attributes:
        kind: one of :data:`KINDS`; "fullbody" keeps the positions of all joints.
        frames: ``[K]`` frames at 30 fps.
        world: ``[K, J, 3, 3]`` world rotations; root: ``[K, 3]`` pelvis, metres, Y-up.
        smooth: ``[K, 2]`` x and z of the smooth path there; the pelvis' own when None.
        chains: of an "end-effector": LeftHand, RightHand, LeftFoot, RightFoot, Hips.
    """

    kind: str
    frames: np.ndarray
    world: np.ndarray
    root: np.ndarray
    smooth: np.ndarray | None = None
    chains: tuple[str, ...] = ()


@dataclass(frozen=True)
class PathConstraint:
    """Where the smooth root is at frames ``[K]``.

    Attributes:
        smooth: ``[K, 2]`` x and z, metres.
        heading: ``[K]`` rad, 0 faces +Z; left to the model when None.
    """

    frames: np.ndarray
    smooth: np.ndarray
    heading: np.ndarray | None = None


@dataclass(frozen=True)
class PointConstraint:
    """A joint at ``places [K, 3]`` (metres) at frames ``[K]``.

    The network knows joints from the smooth root, so it is told of those frames only whose path is
    known from a pose or a path; the correction of the finished motion reaches the others.
    """

    kind: str
    frames: np.ndarray
    joint: int
    places: np.ndarray


Constraint: TypeAlias = PoseConstraint | PathConstraint | PointConstraint


@dataclass(frozen=True)
class Observed:
    """Known features of a clip: ``values`` and ``mask``, both ``[T, dim]``, un-normalised."""

    values: np.ndarray
    mask: np.ndarray

    @property
    def any(self) -> bool:
        """Whether anything is known."""
        return bool(self.mask.any())

    def moved(self, x: float, z: float) -> Observed:
        """The same with the ground moved: joints are relative to the path, so only it changes."""
        values = self.values.copy()
        values[:, 0] += x
        values[:, 2] += z
        return replace(self, values=values)

    def window(self, start: int, end: int) -> Observed:
        """The frames ``start`` to before ``end``; nothing is known beyond the clip."""
        rows = np.arange(start, end)
        inside = (rows >= 0) & (rows < len(self.mask))
        values = np.zeros((len(rows), self.values.shape[1]), dtype=self.values.dtype)
        mask = np.zeros(values.shape, dtype=bool)
        values[inside], mask[inside] = self.values[rows[inside]], self.mask[rows[inside]]
        return Observed(values, mask)

    def over(self, other: Observed) -> Observed:
        """Both together; where both know a value, this one counts."""
        return Observed(np.where(self.mask, self.values, other.values), self.mask | other.mask)


def nothing(frames: int, skeleton: KimodoSkeleton) -> Observed:
    """Nothing known of that many frames."""
    shape = (frames, spec_of(skeleton.count).dim)
    return Observed(np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=bool))


def observed(constraints: Sequence[Constraint], frames: int, skeleton: KimodoSkeleton) -> Observed:
    """Values and mask of constraints; where two name one value, the one listed last counts.

    Raises:
        InvalidRequest: a frame out of the clip, an unknown kind or chain, arrays of other shapes.
    """
    out = nothing(frames, skeleton)
    for constraint in constraints:
        _check_frames(constraint.frames, frames)
        if isinstance(constraint, PathConstraint):
            _put_path(out, constraint)
        elif isinstance(constraint, PoseConstraint):
            _put_poses(out, constraint, skeleton)
    for constraint in constraints:
        if isinstance(constraint, PointConstraint):
            _put_point(out, constraint, skeleton)
    return out


def _check_frames(rows: np.ndarray, frames: int) -> None:
    if rows.ndim != 1 or not len(rows) or rows.min() < 0 or rows.max() >= frames:
        shown = f"{rows.min()} to {rows.max()}" if rows.size else "none"
        raise InvalidRequest(
            f"A constraint names the frames {shown}; the motion has 0 to {frames - 1}.",
            "Give frames at 30 fps inside the motion, or make it longer.",
        )


def _put(out: Observed, rows: np.ndarray, columns: Sequence[int], values: np.ndarray) -> None:
    place = np.ix_(rows, np.array(columns))
    out.values[place] = values
    out.mask[place] = True


def _put_path(out: Observed, path: PathConstraint) -> None:
    _put(out, path.frames, (0, 2), path.smooth)
    if path.heading is not None:
        turned = np.stack([np.cos(path.heading), np.sin(path.heading)], axis=-1)
        _put(out, path.frames, (3, 4), turned)


def _put_point(out: Observed, point: PointConstraint, skeleton: KimodoSkeleton) -> None:
    seen = out.mask[point.frames, 0] & out.mask[point.frames, 2]
    rows = point.frames[seen]
    places = point.places[seen].copy()
    places[:, [0, 2]] -= out.values[rows][:, [0, 2]]
    first = spec_of(skeleton.count).columns("joints").start + 3 * point.joint
    _put(out, rows, range(first, first + 3), places)


def _put_poses(out: Observed, poses: PoseConstraint, skeleton: KimodoSkeleton) -> None:
    spec = spec_of(skeleton.count)
    joints = skeleton.positions(poses.world.astype(np.float64), poses.root.astype(np.float64))
    ground = poses.root[:, [0, 2]] if poses.smooth is None else poses.smooth
    smooth = np.stack([ground[:, 0], poses.root[:, 1], ground[:, 1]], axis=-1)
    angle = heading_of(joints, skeleton)
    root = np.concatenate([smooth, np.cos(angle)[:, None], np.sin(angle)[:, None]], axis=-1)
    _put(out, poses.frames, range(5), root)
    relative = relative_joints(joints, smooth).reshape(len(root), -1)
    first = spec.columns("joints").start
    if poses.kind == FULL_BODY:
        _put(out, poses.frames, range(first, first + relative.shape[1]), relative)
        return
    rotations = matrix_to_rot6d_column(poses.world)
    for chain in chains_of(poses):
        members = skeleton.chains[chain]
        columns = [3 * joint + axis for joint in members for axis in range(3)]
        _put(out, poses.frames, [first + c for c in columns], relative[:, columns])
        turned = spec.columns("rotations").start + 6 * members[0]
        _put(out, poses.frames, range(turned, turned + 6), rotations[:, members[0]])


def chains_of(poses: PoseConstraint) -> tuple[str, ...]:
    """The chains that hands, feet and end-effectors name; :class:`InvalidRequest` for others."""
    if poses.kind in _CHAIN_OF:
        return (_CHAIN_OF[poses.kind],)
    known = (*_CHAIN_OF.values(), "Hips")
    if poses.kind != "end-effector" or not poses.chains or not set(poses.chains) <= set(known):
        raise InvalidRequest(
            f"There is no constraint {poses.kind!r} of {', '.join(poses.chains) or 'no joint'}.",
            f"Use {', '.join(KINDS)} or root2d; an end-effector names joints among "
            f"{', '.join(known)}.",
        )
    return poses.chains
