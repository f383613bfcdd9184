"""What sampling is led by: a way over the floor, and places of hands and feet.

Features hold speeds instead of places. At every step the prediction's speeds are changed so that
the way leads through the places that are asked for (:meth:`.spaces.EditSpace.meet`), and the
columns of pinned joints are set to where the pins are as seen from that way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ...motion.directing import Path, Pin, Pose, Target
from ...motion.edits import heading
from ...motion.representations import motion135
from ...motion.rotations import rotation_about
from ...motion.skeleton import forward_kinematics
from ...wire.skeleton import NUM_JOINTS, SOLE_HEIGHT
from .spaces import EditSpace, plane_turn

KNOT_SECONDS = 0.5
"""A way is led through places at least so far apart; between them the model sways as it likes."""
_TRAVEL = 0.3  # m/s: slower steps do not tell a direction
_NEAR, _ARM = 0.6, 0.35  # m along the floor: what needs no step, and how near one steps
_FLAT = [0, 2]


@dataclass(frozen=True)
class Knot:
    """A row where the way is known: x, z and heading, NaN where it follows the way."""

    row: int
    place: np.ndarray
    kept: bool = False


def _open(here: Knot, there: Knot) -> bool:
    """Whether anything between two knots is left to the model."""
    return there.row - here.row > 1 or not (here.kept and there.kept)


@dataclass(frozen=True)
class Guide:
    """Leads features ``[T', D]``; places are seen from the first frame of the given motion.

    Attributes:
        knots: in order of time.
        pins: rows, a joint, and its places ``[n, 3]`` with y above the floor.
    """

    space: EditSpace
    knots: tuple[Knot, ...]
    pins: tuple[tuple[np.ndarray, int, np.ndarray], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.pins) or any(_open(*legs) for legs in pairwise(self.knots))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The features with their way through the knots and joints at their pins."""
        own, start = self.space.path(x), np.zeros(3)
        if self.knots:
            start = self._resolved(self.knots[0], None, own)
        for here, there in pairwise(self.knots):
            end = self._resolved(there, (here.row, start), own)
            if _open(here, there):
                path = np.zeros((len(x), 3))
                path[here.row], path[there.row] = start, end
                x = self.space.meet(x, path, (here.row + 1, there.row))
            start = end
        return self._pinned(x)

    def _resolved(
        self, knot: Knot, before: tuple[int, np.ndarray] | None, own: np.ndarray
    ) -> np.ndarray:
        """A knot's place with a heading: where none is asked for, as the body faces its way now."""
        if np.isfinite(knot.place[2]):
            return knot.place
        number = self.knots.index(knot)
        ends = [self.knots[max(number - 1, 0)], self.knots[min(number + 1, len(self.knots) - 1)]]
        way = ends[1].place[:2] - ends[0].place[:2]
        seconds = (ends[1].row - ends[0].row) / self.space.fps
        if np.linalg.norm(way) < _TRAVEL * max(seconds, 1e-9):
            turned = 0.0 if before is None else before[1][2] + own[knot.row, 2] - own[before[0], 2]
            return np.array([*knot.place[:2], turned])
        first = knot.row if before is None else before[0]
        last = ends[1].row if before is None else knot.row
        aside = _facing(own[first : last + 1], self.space.fps)
        return np.array([*knot.place[:2], np.arctan2(way[0], way[1]) + aside])

    def _pinned(self, x: np.ndarray) -> np.ndarray:
        if not self.pins:
            return x
        path = self.space.path(x)
        if self.knots:  # the way of the features begins at 0, whatever was asked of it
            knot = self.knots[0]
            place = self._resolved(knot, None, path)
            turn = place[2] - path[knot.row, 2]
            rest = plane_turn(path[:, :2] - path[knot.row, :2], np.full(len(path), turn))
            path = np.concatenate([rest + place[:2], path[:, 2:] + turn], axis=1)
        for rows, joint, places in self.pins:
            flat = plane_turn(places[:, _FLAT] - path[rows, :2], -path[rows, 2])
            points = np.stack([flat[:, 0], places[:, 1], flat[:, 1]], -1)
            x = self.space.placed(x, rows, joint, points)
        return x


def _facing(path: np.ndarray, fps: float) -> float:
    """By how much a body that goes along ``path [n, 3]`` faces aside of its way, rad."""
    steps = np.diff(path[:, :2], axis=0)
    moving = np.linalg.norm(steps, axis=-1) * fps > _TRAVEL
    if not moving.any():
        return 0.0
    aside = path[:-1, 2][moving] - np.arctan2(steps[moving, 0], steps[moving, 1])
    return float(np.angle(np.exp(1j * aside).mean()))


def canvas(targets: Sequence[Target], frames: int) -> np.ndarray:
    """motion_135 ``[frames, 135]`` of a body that glides through what is asked for.

    Only its poses are anyone's; between and beyond them it tells the model nothing but where the
    floor is and where the first frame stands.
    """
    rest = np.broadcast_to(np.eye(3), (frames, NUM_JOINTS, 3, 3)).copy()
    root = np.zeros((frames, 3))
    root[:, 1] = SOLE_HEIGHT - forward_kinematics(rest[0], np.zeros(3))[:, 1].min()
    out = motion135.pack(root, rest)
    known: dict[int, np.ndarray] = {}
    for target in targets:
        if isinstance(target, Path):
            known |= zip(map(int, target.frames), target.ground, strict=True)
    for target in targets:
        if isinstance(target, Pose):
            out[target.frames] = motion135.pack(target.root, target.rotations)
            known |= zip(map(int, target.frames), target.root[:, _FLAT], strict=True)
    if known:
        rows = sorted(known)
        for axis, column in enumerate(_FLAT):
            out[:, column] = np.interp(np.arange(frames), rows, [known[t][axis] for t in rows])
    return out


def guide_of(
    space: EditSpace,
    data: np.ndarray,
    kept: np.ndarray,
    path: np.ndarray,
    targets: Sequence[Target],
    fps: float,
) -> Guide:
    """The guide of a motion ``[T, 135]`` at ``fps`` standing on y = 0.

    Args:
        kept: ``[T']`` rows that are known whole.
        path: ``[T', 3]`` the way of the encoded motion (:meth:`.EditSpace.path`).
    """
    origin, turned = data[0, _FLAT], float(heading(data[:1])[0])

    def seen(flat: np.ndarray) -> np.ndarray:
        return plane_turn(flat - origin, np.full(len(flat), -turned))

    def rows_of(frames: np.ndarray) -> np.ndarray:
        return np.clip(np.round(frames / fps * space.fps).astype(int), 0, len(kept) - 1)

    knots = {int(row): Knot(int(row), path[row], True) for row in np.flatnonzero(kept)}
    for target in targets:
        if not isinstance(target, Path):
            continue
        order = np.argsort(target.frames)
        places = seen(target.ground[order])
        angle = np.full(len(order), np.nan) if target.heading is None else target.heading - turned
        angle = angle[order]
        last = -np.inf
        rows = rows_of(target.frames[order])
        for number, row in enumerate(rows):
            near = any(abs(row - other) < KNOT_SECONDS * space.fps / 2 for other in knots)
            end = number == len(rows) - 1
            if near or (row - last < KNOT_SECONDS * space.fps and not end):
                continue
            knots[int(row)] = Knot(int(row), np.array([*places[number], angle[number]]))
            last = row
    pins = []
    if not knots:
        knots = _ways_to(targets, seen, rows_of)
    for target in targets:
        if isinstance(target, Pin):
            for number, joint in enumerate(target.joints):
                points = target.positions[:, number].copy()
                points[:, _FLAT] = seen(points[:, _FLAT])
                if joint > 0:
                    pins.append((rows_of(target.frames), joint, points))
    return Guide(space, tuple(knots[row] for row in sorted(knots)), tuple(pins))


def _ways_to(
    targets: Sequence[Target],
    seen: Callable[[np.ndarray], np.ndarray],
    rows_of: Callable[[np.ndarray], np.ndarray],
) -> dict[int, Knot]:
    """Where nothing else tells the way: to pins that are too far to be reached from the start."""
    knots: dict[int, Knot] = {}
    last = np.zeros(2)
    for target in sorted((t for t in targets if isinstance(t, Pin)), key=lambda t: t.frames.min()):
        place = seen(target.positions[:, 0, _FLAT].mean(0)[None])[0]
        far = float(np.linalg.norm(place - last))
        if far < _NEAR:
            continue
        last = last + (place - last) * (far - _ARM) / far
        for row in {
            int(row) for row in rows_of(np.array([target.frames.min(), target.frames.max()]))
        }:
            knots[row] = Knot(row, np.array([*last, np.nan]))
    if knots and 0 not in knots:
        knots[0] = Knot(0, np.zeros(3))
    return knots


def laid_on(x: np.ndarray, path: Path) -> np.ndarray:
    """motion_135 moved and turned as a whole to lie on a path as well as it can."""
    root, rotations = motion135.unpack(x)
    here, there = root[path.frames][:, _FLAT], path.ground
    apart = [a - a.mean(0) for a in (here, there)]
    turn = 0.0
    if np.linalg.norm(apart[1], axis=-1).max() > 0.1:
        made, wanted = (a[:, 0] + 1j * a[:, 1] for a in apart)
        turn = -float(np.angle((wanted * made.conj()).sum()))  # headings go from z to x
    elif path.heading is not None:
        turn = float(path.heading[0] - heading(x[path.frames[:1]])[0])
    matrix = rotation_about("y", np.array(turn))
    rotations[:, 0] = matrix @ rotations[:, 0]
    root = root @ matrix.T
    root[:, _FLAT] += there.mean(0) - root[path.frames][:, _FLAT].mean(0)
    return motion135.pack(root, rotations).astype(x.dtype)
