"""Closed surfaces lofted along an axis: the building block of the mannequin (numpy only)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Surface:
    """A closed mesh with outward faces.

    Attributes:
        vertices: ``[V, 3]``. quads: ``[Q, 4]`` and triangles: ``[R, 3]`` vertex indices.
        along: ``[V]`` position of each vertex along the loft's axis (see :func:`loft`).
    """

    vertices: np.ndarray
    quads: np.ndarray
    triangles: np.ndarray
    along: np.ndarray


@dataclass(frozen=True)
class Section:
    """Cross-section of a loft at ``t``: half-widths along the side and front directions (metres),
    and how far its centre is moved along them."""

    t: float
    side: float
    front: float
    shift_front: float = 0.0
    shift_side: float = 0.0

    def values(self) -> tuple[float, ...]:
        """The numbers that are interpolated between sections."""
        return (self.side, self.front, self.shift_front, self.shift_side)


@dataclass(frozen=True)
class Shape:
    """How a loft is sampled and rounded.

    Attributes:
        caps: lengths over which the first and last section round off, in metres.
        power: exponent of the superellipse; 2 is an ellipse, larger is boxier.
        sides, rings: samples around and along.
        arc: half-angle (radians) about the front direction inside which the surface keeps its
            radius; outside it shrinks to ``sunk`` times that, to sink into another surface.
    """

    caps: tuple[float, float] = (0.02, 0.02)
    power: float = 2.0
    sides: int = 20
    rings: int = 14
    arc: float | None = None
    sunk: float = 0.85


@dataclass(frozen=True)
class Axis:
    """The frame of a loft: ``t = 0`` at ``start``, ``t = 1`` at ``end``; ``front`` is made
    perpendicular to the axis, side = front x axis."""

    start: np.ndarray
    end: np.ndarray
    front: np.ndarray
    length: float = field(init=False)
    frame: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        direction = self.end - self.start
        length = float(np.linalg.norm(direction))
        direction = direction / length
        front = self.front - (self.front @ direction) * direction
        front = front / np.linalg.norm(front)
        object.__setattr__(self, "length", length)
        frame = np.stack([np.cross(direction, front), front, direction])
        object.__setattr__(self, "frame", frame)


def loft(axis: Axis, sections: list[Section], shape: Shape) -> Surface:
    """A closed surface through cross-sections, rounded at both ends.

    Args:
        axis: where ``t`` runs. sections: at least two, ``t`` ascending; may lie outside [0, 1].
    """
    t = np.array([s.t for s in sections])
    spread = 0.5 - 0.5 * np.cos(np.linspace(0, np.pi, shape.rings + 2))
    samples = t[0] + (t[-1] - t[0]) * spread
    values = np.array([s.values() for s in sections])
    at = np.stack([_monotone_cubic(t, column, samples) for column in values.T], -1)
    cap = _cap(samples - t[0], shape.caps[0] / axis.length)
    cap *= _cap(t[-1] - samples, shape.caps[1] / axis.length)
    radii = at[:, :2] * cap[:, None]

    angle = np.linspace(0, 2 * np.pi, shape.sides, endpoint=False)
    circle = np.stack([np.sin(angle), np.cos(angle)], -1)  # starts at the front
    circle = np.sign(circle) * np.abs(circle) ** (2 / shape.power)
    if shape.arc is not None:
        away = np.abs((angle + np.pi) % (2 * np.pi) - np.pi)
        blend = np.clip((away - shape.arc) / 0.25, 0, 1)
        circle *= (1 - (1 - shape.sunk) * blend * blend * (3 - 2 * blend))[:, None]

    flat = np.empty((len(samples), shape.sides, 3))
    flat[..., 0] = radii[:, None, 0] * circle[:, 0] + at[:, None, 3]
    flat[..., 1] = radii[:, None, 1] * circle[:, 1] + at[:, None, 2]
    flat[..., 2] = (samples * axis.length)[:, None]
    points = axis.start + flat @ axis.frame
    return _stitch(points, samples)


def sphere(centre: np.ndarray, radius: float, *, sides: int = 18, rings: int = 9) -> Surface:
    """A ball; ``along`` runs from 0 to 1 upwards."""
    up = np.array([0.0, radius, 0.0])
    axis = Axis(centre - up, centre + up, np.array([0.0, 0.0, 1.0]))
    shape = Shape(caps=(radius, radius), sides=sides, rings=rings)
    return loft(axis, [Section(0, radius, radius), Section(1, radius, radius)], shape)


def _stitch(points: np.ndarray, samples: np.ndarray) -> Surface:
    """Rings ``[M, N, 3]`` whose first and last are single points, to one closed mesh."""
    inner = points[1:-1]
    rings, sides = inner.shape[:2]
    vertices = np.concatenate([points[:1, 0], inner.reshape(-1, 3), points[-1:, 0]])
    along = np.concatenate([samples[:1], np.repeat(samples[1:-1], sides), samples[-1:]])
    grid = 1 + np.arange(rings * sides).reshape(rings, sides)
    following = np.roll(grid, -1, axis=1)
    quads = np.stack([grid[:-1], following[:-1], following[1:], grid[1:]], -1).reshape(-1, 4)
    last = len(vertices) - 1
    first_fan = np.stack([np.zeros(sides, int), following[0], grid[0]], -1)
    last_fan = np.stack([np.full(sides, last), grid[-1], following[-1]], -1)
    return Surface(vertices, quads, np.concatenate([first_fan, last_fan]), along)


def _cap(distance: np.ndarray, length: float) -> np.ndarray:
    """Quarter-ellipse rounding of the radius near an end."""
    if length <= 0:
        return np.ones_like(distance)
    inside = np.clip(1 - distance / length, 0, 1)
    return np.sqrt(1 - inside * inside)


def _monotone_cubic(x: np.ndarray, y: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Hermite interpolation without overshoot (Fritsch & Carlson, SIAM J. Numer. Anal. 1980)."""
    step = np.diff(x)
    slope = np.diff(y) / step
    tangent = np.empty_like(y)
    tangent[0], tangent[-1] = slope[0], slope[-1]
    before, after = slope[:-1], slope[1:]
    same_sign = before * after > 0
    total = np.where(same_sign, before + after, 1.0)
    tangent[1:-1] = np.where(same_sign, 2 * before * after / total, 0.0)  # harmonic mean
    i = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(step) - 1)
    h = step[i]
    u = (at - x[i]) / h
    u2, u3 = u * u, u * u * u
    return (
        (2 * u3 - 3 * u2 + 1) * y[i]
        + (u3 - 2 * u2 + u) * h * tangent[i]
        + (3 * u2 - 2 * u3) * y[i + 1]
        + (u3 - u2) * h * tangent[i + 1]
    )
