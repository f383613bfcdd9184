"""What was asked of a motion, on the character that performs it: met there, too, and measured.

The constraints of a request are in the motion's own space and rate. They are brought onto the body
after its proportions had their say, and what is missing is told in cm and degrees of the scene.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..backend_access import JOINT_NAMES, MOTION_FPS, Motion, directing, load_motion, retarget
from .places import Space, headings
from .posing import KeptPose

DIRECTED_KEY = "directed"
"""Key of a take's meta: one ``{title, cm, degrees}`` a constraint, on this character."""
_UP = np.array([0.0, 1.0, 0.0])
_SMOOTHED = 0.5  # s: a walker's hips and shoulders sway about where the body looks


@dataclass(frozen=True, eq=False)
class Direction:
    """What the add-on knows besides the constraints of a request, in their order.

    Attributes:
        titles: how they are called. uids: entries of the character's list, '' for others.
        poses: of some constraints, the row of the scene's frames and the pose as it was read.
        into: what the Action performs, at the scene's rate, into a copy of which the new frames are
            put; first: its first frame.
    """

    titles: tuple[str, ...] = ()
    uids: tuple[str, ...] = ()
    poses: Mapping[int, tuple[int, KeptPose]] = field(default_factory=dict)
    into: Motion | None = None
    first: int = 0


@dataclass(frozen=True, eq=False)
class _Want:
    """One constraint on the body. Rows count frames of the scene from the start of the motion.

    Attributes:
        pose: of poses, a row for each. places: of pins, in the body; of paths, in the motion.
    """

    kind: str
    rows: np.ndarray
    strength: float
    pose: retarget.Pose | None = None
    places: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    heading: np.ndarray | None = None


class Wanted:
    """The constraints of a request on one character.

    Args:
        constraints: as :mod:`backend.wire.directing` has them.
        rows: of the motion on the character. fps: of the scene.
    """

    def __init__(
        self,
        space: Space,
        constraints: Sequence[Mapping[str, Any]],
        direction: Direction | None,
        rows: int,
        fps: float,
    ) -> None:
        self._space, self._fps, self._count = space, fps, rows
        self._direction = direction or Direction()
        self._wants = [self._want(i, each) for i, each in enumerate(constraints)]

    def _want(self, number: int, constraint: Mapping[str, Any]) -> _Want | None:
        """None for what is said in a way that is only the model's (joints of its own body)."""
        full = directing.expanded(constraint, f"Constraint {number}")
        kind, at = full["type"], np.array(full["frame_indices"], np.float64)
        strength = min(max(float(full.get("strength", 1.0)), 0.0), 1.0)
        last = self._count - 1
        if kind == directing.POSE and "motion135" in full:
            if number in self._direction.poses:
                row, kept = self._direction.poses[number]
                rows, pose = np.array([row]), kept.on(self._space.body)
            else:
                rows = np.round(at / MOTION_FPS * self._fps).astype(int)
                data = np.array(full["motion135"], np.float64)
                pose = retarget.performed(self._space.body, data, MOTION_FPS, MOTION_FPS)
            return _Want(kind, np.clip(rows, 0, last), strength, pose=pose)
        rows = _rows_within(at, self._fps, last)
        if kind in directing.PINS and "positions" in full:
            places = _between(at, np.array(full["positions"], np.float64), rows, self._fps)
            places = self._space.to_body(places)
            return _Want(kind, rows, strength, places=places)
        if kind == directing.PATH:
            ground = np.array(full["smooth_root_2d"], np.float64)[:, [0, -1]]
            heading = full.get("global_root_heading")
            if heading is not None:
                turned = np.unwrap(np.array(heading, np.float64))
                heading = _between(at, turned[:, None], rows, self._fps)[:, 0]
            places = _between(at, ground, rows, self._fps)
            return _Want(kind, rows, strength, places=places, heading=heading)
        return None

    def shaped(self, body: retarget.Body, pose: retarget.Pose) -> retarget.Pose:
        """What the body does, brought to the poses and pins.

        A share of the way was gone by the engine: only what is wanted whole is met exactly here.
        """
        wholly = [want for want in self._wants if want is not None and want.strength >= 1.0]
        # of two poses on one frame the one listed last counts
        last = {
            int(row): (want.pose.turns[i], want.pose.places[i])
            for want in wholly
            if want.pose is not None
            for i, row in enumerate(want.rows)
        }
        if last:
            rows = sorted(last)
            turns, places = zip(*(last[row] for row in rows), strict=True)
            wanted = retarget.Pose(np.stack(turns), np.stack(places))
            pose = retarget.held(body, pose, rows, wanted, self._fps)
        pins = [
            retarget.Pin(want.kind, int(part[0]), want.places[np.isin(want.rows, part)])
            for want in wholly
            if want.kind in directing.PINS
            for part in _runs(want.rows)
        ]
        return retarget.pinned(body, pose, pins, self._fps)

    def measured(self, pose: retarget.Pose) -> list[dict[str, Any]]:
        """For each constraint its ``title``, the worst ``cm`` and ``degrees`` (None where it says
        nothing of it), and whether it is ``met``.
        """
        found, limits = [], load_motion("directing.report").LIMITS
        for number, want in enumerate(self._wants):
            titles = self._direction.titles
            title = titles[number] if number < len(titles) else ""
            cm, degrees = (None, None) if want is None else self._missed(want, pose)
            kind = "" if want is None else want.kind
            most = limits.get(kind, (np.inf, np.inf))
            met = all(v is None or v <= m for v, m in zip((cm, degrees), most, strict=True))
            found.append({"title": title, "type": kind, "cm": cm, "degrees": degrees, "met": met})
        return found

    def _missed(self, want: _Want, pose: retarget.Pose) -> tuple[float | None, float | None]:
        body, rows = self._space.body, want.rows
        if not len(rows):
            return None, None
        unit = 100.0 * self._space.size / body.scale
        if want.pose is not None:
            apart = np.linalg.norm(pose.places[rows] - want.pose.places, axis=-1)
            same = np.abs((pose.turns[rows] * want.pose.turns).sum(-1)).min()
            turned = 2.0 * np.degrees(np.arccos(min(float(same), 1.0)))
            return _round(unit * apart.max()), _round(turned)
        if want.kind in directing.PINS:
            chain = retarget.chain_of(body, want.kind)
            if chain is None:
                return None, None
            apart = np.linalg.norm(pose.places[rows, chain[2]] - want.places, axis=-1)
            return _round(unit * apart.max()), None
        pelvis = self._space.from_body(pose.places[:, body.of_joint["pelvis"]])
        apart = np.linalg.norm(pelvis[rows][:, [0, 2]] - want.places, axis=-1)
        cm = _round(100.0 * self._space.size * apart.max())
        if want.heading is None:
            return cm, None
        off = facing(body, pose, self._fps)[rows] - want.heading
        return cm, _round(np.degrees(np.abs(np.arctan2(np.sin(off), np.cos(off)))).max())


def facing(body: retarget.Body, pose: retarget.Pose, fps: float) -> np.ndarray:
    """``[T]`` rad: where the body looks, by its hips and shoulders; 0 is +Z of the motion."""
    joints = retarget.joint_places(body, pose) @ body.basis
    left, right = (
        joints[:, [JOINT_NAMES.index(f"{side}_{joint}") for joint in ("hip", "shoulder")]]
        for side in ("left", "right")
    )
    across = (left - right).sum(axis=1)
    ahead = np.cross(across, _UP)[:, [0, 2]]
    ahead /= np.maximum(np.linalg.norm(ahead, axis=-1, keepdims=True), 1e-9)
    width = 2 * (round(_SMOOTHED * fps) // 2) + 1
    padded = np.pad(ahead, ((width // 2, width // 2), (0, 0)), mode="edge")
    smooth = [np.convolve(padded[:, k], np.ones(width) / width, "valid") for k in range(2)]
    return headings(np.stack(smooth, axis=-1))


def _rows_within(at: np.ndarray, fps: float, last: int) -> np.ndarray:
    """Frames of the scene that lie within runs of frames of the motion."""
    ends = [(part[0] / MOTION_FPS * fps, part[-1] / MOTION_FPS * fps) for part in _runs(at)]
    rows = [np.arange(np.ceil(a - 0.5), np.floor(b + 0.5) + 1) for a, b in ends]
    found = np.unique(np.concatenate(rows)).astype(int) if rows else np.zeros(0, int)
    return found[(found >= 0) & (found <= last)]


def _runs(at: np.ndarray) -> list[np.ndarray]:
    """Stretches of numbers that follow each other."""
    ordered = np.unique(at)
    return np.split(ordered, np.flatnonzero(np.diff(ordered) > 1) + 1) if len(ordered) else []


def _between(at: np.ndarray, values: np.ndarray, rows: np.ndarray, fps: float) -> np.ndarray:
    """Values ``[N, C]`` of frames of the motion, on frames of the scene."""
    order = np.argsort(at, kind="stable")
    when = rows / fps * MOTION_FPS
    columns = [np.interp(when, at[order], values[order, k]) for k in range(values.shape[1])]
    return np.stack(columns, axis=-1)


def _round(value: float) -> float:
    return round(float(value), 2)
