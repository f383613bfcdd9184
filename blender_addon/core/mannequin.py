"""The mannequin: light shells, dark joints, orange on its left and blue on its right (numpy only).

Built from the rest joints of any SMPL-22 skeleton, so it fits armatures of other proportions. All
lengths below are metres on the neutral body and scale with leg length.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..backend_access import JOINT_NAMES, NUM_JOINTS, retarget
from .surfaces import Axis, Section, Shape, Surface, loft, sphere

SHELL, JOINT, LEFT, RIGHT = range(4)
"""Material slots."""
_SAME = 1e-5
"""Joints that differ by less (of a metre) wear the same body."""

_UP = np.array([0.0, 1.0, 0.0])
_FORWARD = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class Mannequin:
    """One mesh in the axes of the joints it was built from.

    Attributes:
        vertices: ``[V, 3]``. faces: vertex indices per face, 3 or 4 each, outward.
        materials: ``[F]`` slot of each face.
        weights: ``[V, 22]`` skin weights, rows sum to 1.
    """

    vertices: np.ndarray
    faces: list[tuple[int, ...]]
    materials: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class _Part:
    surface: Surface
    material: int
    weights: np.ndarray  # [V, 22]


class Wardrobe:
    """The body that was asked for last, so that a thread can make it before it is needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heads: np.ndarray | None = None
        self._made: Mannequin | None = None

    def fitting(self, heads: np.ndarray) -> Mannequin:
        """As :func:`build`; at once if it was made before."""
        with self._lock:
            if self._made is None or not self._is_for(heads):
                self._heads, self._made = heads, build(heads)
            return self._made

    def _is_for(self, heads: np.ndarray) -> bool:
        if self._heads is None:
            return False
        return np.abs(self._heads - heads).max() < _SAME * retarget.body_scale(heads)


wardrobe = Wardrobe()


class _Builder:
    """Joint look-up, scaling and weighting shared by the parts."""

    def __init__(self, heads: np.ndarray) -> None:
        self.scale = retarget.body_scale(heads)
        self._heads = heads

    def at(self, joint: str, *offset: float) -> np.ndarray:
        """A joint's position, moved by (left, up, forward)."""
        shift = self.scale * np.array(offset) if offset else 0.0
        return self._heads[JOINT_NAMES.index(joint)] + shift

    def rigid(self, surface: Surface, material: int, joint: str) -> _Part:
        """A part that follows one joint."""
        weights = np.zeros((len(surface.vertices), NUM_JOINTS))
        weights[:, JOINT_NAMES.index(joint)] = 1.0
        return _Part(surface, material, weights)

    def soft(self, surface: Surface, material: int, stops: list[tuple[float, str]]) -> _Part:
        """A part that blends linearly from joint to joint along its axis (``t`` of each stop)."""
        weights = np.zeros((len(surface.vertices), NUM_JOINTS))
        t = [stop[0] for stop in stops]
        for index, (_, joint) in enumerate(stops):
            peak = [float(index == i) for i in range(len(stops))]
            weights[:, JOINT_NAMES.index(joint)] += np.interp(surface.along, t, peak)
        return _Part(surface, material, weights)

    def loft(
        self,
        start: np.ndarray,
        end: np.ndarray,
        front: np.ndarray,
        sections: Sequence[tuple[float, ...]],
        *,
        caps: tuple[float, float] = (0.02, 0.02),
        **shape: float,
    ) -> Surface:
        """A loft whose metres are scaled to this body; a section is (t, side, front, shifts...)."""
        scaled = [Section(s[0], *(self.scale * v for v in s[1:])) for s in sections]
        a, b = (self.scale * c for c in caps)
        return loft(Axis(start, end, front), scaled, Shape(caps=(a, b), **shape))  # type: ignore[arg-type]

    def ball(self, joint: str, radius: float, *offset: float) -> Surface:
        """A sphere on a joint."""
        return sphere(self.at(joint, *offset), self.scale * radius)


def build(heads: np.ndarray) -> Mannequin:
    """The mannequin for a skeleton.

    Args:
        heads: ``[22, 3]`` rest joints in SMPL axes (T-pose, Y-up, facing +Z), any size.
    """
    make = _Builder(heads)
    parts = [*_torso(make), *_head(make)]
    for side, sign, accent in (("left", 1.0, LEFT), ("right", -1.0, RIGHT)):
        parts += [*_arm(make, side, sign, accent), *_leg(make, side, accent)]
        parts += [*_hand(make, side), *_foot(make, side)]
    return _join(parts)


def _torso(make: _Builder) -> Iterator[_Part]:
    yield make.rigid(
        make.loft(
            make.at("pelvis", 0, -0.135, -0.012), make.at("pelvis", 0, 0.085, -0.022), _FORWARD,
            [(0, 0.07, 0.07), (0.3, 0.128, 0.100, -0.006), (0.55, 0.146, 0.108, -0.012),
             (0.8, 0.140, 0.098, -0.006), (1, 0.130, 0.090)],
            caps=(0.075, 0.02), power=2.3, sides=28, rings=18,
        ),
        SHELL, "pelvis",
    )  # fmt: skip
    waist = make.loft(
        make.at("pelvis", 0, 0.02, -0.02), make.at("spine3", 0, 0.03, -0.012), _FORWARD,
        [(0, 0.112, 0.076), (0.45, 0.103, 0.074), (1, 0.104, 0.078)],
        caps=(0.02, 0.02), power=2.2, sides=28, rings=18,
    )  # fmt: skip
    yield make.soft(
        waist, JOINT, [(0.1, "pelvis"), (0.4, "spine1"), (0.7, "spine2"), (1, "spine3")]
    )
    chest = make.loft(
        make.at("spine2", 0, -0.025, -0.008), make.at("neck", 0, 0.052, 0.004), _FORWARD,
        [(0, 0.118, 0.096, 0.0), (0.25, 0.126, 0.104, 0.006), (0.52, 0.138, 0.113, 0.012),
         (0.71, 0.134, 0.101, 0.010), (0.84, 0.106, 0.080, 0.006), (0.92, 0.072, 0.064, 0.002),
         (1, 0.054, 0.055)],
        caps=(0.016, 0.02), power=2.4, sides=28, rings=20,
    )  # fmt: skip
    yield make.rigid(chest, SHELL, "spine3")


def _head(make: _Builder) -> Iterator[_Part]:
    neck = make.loft(
        make.at("neck", 0, -0.03, 0.006), make.at("head", 0, 0.05, -0.012), _FORWARD,
        [(0, 0.060, 0.058), (0.4, 0.050, 0.052), (1, 0.048, 0.052)], caps=(0.01, 0.01),
    )  # fmt: skip
    yield make.soft(neck, JOINT, [(0.2, "neck"), (0.9, "head")])
    profile = [
        (0, 0.036, 0.034, 0.048), (0.14, 0.052, 0.058, 0.034), (0.34, 0.067, 0.080, 0.018),
        (0.62, 0.076, 0.096, 0.002), (0.85, 0.074, 0.094, -0.004), (1, 0.066, 0.086, -0.006),
    ]  # fmt: skip
    base, top = make.at("head", 0, -0.012, 0.018), make.at("head", 0, 0.218, 0.008)
    skull = make.loft(
        base, top, _FORWARD, profile, caps=(0.03, 0.085), power=2.15, sides=32, rings=22
    )
    yield make.rigid(skull, SHELL, "head")
    # a dark visor slightly proud of the skull shows at a glance which way the face points
    grown = [(t, side * 1.035, front * 1.035, *rest) for t, side, front, *rest in profile]
    visor = make.loft(
        base, top, _FORWARD, [_between(grown, t) for t in np.linspace(0.4, 0.68, 6)],
        caps=(0.012, 0.012), power=2.15, sides=48, rings=14, arc=1.05, sunk=0.9,
    )  # fmt: skip
    yield make.rigid(visor, JOINT, "head")
    for sign, accent in ((1.0, LEFT), (-1.0, RIGHT)):
        ear = make.loft(
            make.at("head", sign * 0.066, 0.1, 0.008), make.at("head", sign * 0.088, 0.1, 0.006),
            _FORWARD, [(0, 0.028, 0.028), (1, 0.024, 0.024)], caps=(0, 0.008), rings=6,
        )  # fmt: skip
        yield make.rigid(ear, accent, "head")


def _arm(make: _Builder, side: str, sign: float, accent: int) -> Iterator[_Part]:
    shoulder, elbow, wrist = (make.at(f"{side}_{j}") for j in ("shoulder", "elbow", "wrist"))
    collar = make.loft(
        make.at(f"{side}_collar", -sign * 0.03, 0.005, 0.012), shoulder, _FORWARD,
        [(0, 0.050, 0.058), (1, 0.048, 0.050)], caps=(0.04, 0.03),
    )  # fmt: skip
    yield make.rigid(collar, JOINT, f"{side}_collar")
    yield make.rigid(make.ball(f"{side}_shoulder", 0.056), accent, f"{side}_shoulder")
    upper = [
        (0.12, 0.045, 0.046),
        (0.4, 0.046, 0.048, 0.004),
        (0.75, 0.039, 0.040),
        (0.93, 0.034, 0.035),
    ]
    yield make.rigid(
        make.loft(shoulder, elbow, _FORWARD, upper, caps=(0.03, 0.02), power=2.1),
        SHELL, f"{side}_shoulder",
    )  # fmt: skip
    yield make.rigid(make.ball(f"{side}_elbow", 0.037), accent, f"{side}_elbow")
    lower = [(0.07, 0.034, 0.035), (0.3, 0.038, 0.041), (0.7, 0.031, 0.033), (0.94, 0.025, 0.029)]
    yield make.rigid(
        make.loft(elbow, wrist, _FORWARD, lower, caps=(0.02, 0.015), power=2.1),
        SHELL, f"{side}_elbow",
    )  # fmt: skip
    yield make.rigid(make.ball(f"{side}_wrist", 0.027), JOINT, f"{side}_wrist")


def _hand(make: _Builder, side: str) -> Iterator[_Part]:
    joint = f"{side}_wrist"
    wrist = make.at(joint)
    along = wrist - make.at(f"{side}_elbow")
    along = along / np.linalg.norm(along) * make.scale
    across = _FORWARD * make.scale  # the thumb side in a T-pose with the palms down
    down = -_UP * make.scale
    palm = make.loft(
        wrist + 0.005 * along, wrist + 0.098 * along, _FORWARD,
        [(0, 0.016, 0.024), (0.4, 0.017, 0.036), (1, 0.014, 0.040)],
        caps=(0.015, 0.014), power=2.6, sides=20, rings=10,
    )  # fmt: skip
    yield make.rigid(palm, SHELL, joint)
    for place, reach, drop in ((0.030, 0.160, 0.014), (0.010, 0.170, 0.016),
                               (-0.010, 0.163, 0.018), (-0.029, 0.146, 0.020)):  # fmt: skip
        finger = make.loft(
            wrist + 0.084 * along + place * across,
            wrist + reach * along + place * 1.1 * across + drop * down,
            _FORWARD, [(0, 0.0095, 0.0095), (1, 0.0078, 0.0078)],
            caps=(0.009, 0.009), sides=10, rings=7,
        )  # fmt: skip
        yield make.rigid(finger, SHELL, joint)
    thumb = make.loft(
        wrist + 0.026 * along + 0.020 * across,
        wrist + 0.100 * along + 0.064 * across + 0.016 * down,
        _UP, [(0, 0.0135, 0.0135), (0.5, 0.0115, 0.0115), (1, 0.009, 0.009)],
        caps=(0.012, 0.01), sides=12, rings=8,
    )  # fmt: skip
    yield make.rigid(thumb, SHELL, joint)


def _leg(make: _Builder, side: str, accent: int) -> Iterator[_Part]:
    hip, knee, ankle = (make.at(f"{side}_{j}") for j in ("hip", "knee", "ankle"))
    yield make.rigid(make.ball(f"{side}_hip", 0.078), JOINT, f"{side}_hip")
    thigh = [
        (0.04, 0.073, 0.083, 0.004), (0.25, 0.075, 0.084, 0.008), (0.6, 0.063, 0.070, 0.008),
        (0.93, 0.048, 0.052, 0.004),
    ]  # fmt: skip
    yield make.rigid(
        make.loft(hip, knee, _FORWARD, thigh, caps=(0.05, 0.02), power=2.1, sides=24, rings=16),
        SHELL, f"{side}_hip",
    )  # fmt: skip
    yield make.rigid(make.ball(f"{side}_knee", 0.051), accent, f"{side}_knee")
    shin = [
        (0.06, 0.046, 0.050), (0.3, 0.050, 0.057, -0.010), (0.65, 0.039, 0.043, -0.006),
        (0.94, 0.031, 0.034),
    ]  # fmt: skip
    yield make.rigid(
        make.loft(knee, ankle, _FORWARD, shin, caps=(0.02, 0.015), power=2.1, sides=24, rings=16),
        SHELL, f"{side}_knee",
    )  # fmt: skip
    yield make.rigid(make.ball(f"{side}_ankle", 0.036), JOINT, f"{side}_ankle")


def _foot(make: _Builder, side: str) -> Iterator[_Part]:
    ankle, ball = make.at(f"{side}_ankle"), make.at(f"{side}_foot")
    floor = min(make.at(f"{s}_foot")[1] for s in ("left", "right")) - 0.019 * make.scale
    heading = (ball - ankle) * [1.0, 0.0, 1.0]
    heading = heading / np.linalg.norm(heading) * make.scale
    start, end = (np.array([p[0], floor, p[2]]) for p in (ankle, ball))
    reach = float(np.linalg.norm(end - start)) / make.scale
    heel, toe = -0.062 / reach, 1 + 0.075 / reach
    stops = [(0.8, f"{side}_ankle"), (1.1, f"{side}_foot")]
    upper = make.loft(
        start, end, _UP,
        [(heel, 0.034, 0.034, 0.042), (heel + 0.25, 0.037, 0.044, 0.046),
         (0.2, 0.038, 0.042, 0.046), (0.7, 0.042, 0.031, 0.034), (1.0, 0.045, 0.025, 0.027),
         (toe, 0.034, 0.018, 0.021)],
        caps=(0.03, 0.035), power=2.3, sides=24, rings=18,
    )  # fmt: skip
    yield make.soft(_above(upper, floor + 0.008 * make.scale), SHELL, stops)
    sole = make.loft(
        start, end, _UP,
        [(heel - 0.01, 0.033, 0.022), (0.1, 0.035, 0.022), (0.6, 0.039, 0.020), (1.0, 0.047, 0.018),
         (toe + 0.02, 0.036, 0.016)],
        caps=(0.03, 0.035), power=3.0, sides=24, rings=18,
    )  # fmt: skip
    yield make.soft(_above(sole, floor), JOINT, stops)


def _between(sections: Sequence[tuple[float, ...]], t: float) -> tuple[float, ...]:
    """A section linearly between its neighbours."""
    table = np.array(sections)
    return (t, *(float(np.interp(t, table[:, 0], column)) for column in table[:, 1:].T))


def _above(surface: Surface, height: float) -> Surface:
    """The surface pressed flat from below, like a sole on the floor."""
    vertices = surface.vertices.copy()
    vertices[:, 1] = np.maximum(vertices[:, 1], height)
    return Surface(vertices, surface.quads, surface.triangles, surface.along)


def _join(parts: list[_Part]) -> Mannequin:
    faces: list[tuple[int, ...]] = []
    materials = []
    start = 0
    for part in parts:
        surface = part.surface
        own = [*(surface.quads + start).tolist(), *(surface.triangles + start).tolist()]
        faces += [tuple(face) for face in own]
        materials.append(np.full(len(own), part.material, np.int32))
        start += len(surface.vertices)
    return Mannequin(
        np.concatenate([part.surface.vertices for part in parts]),
        faces,
        np.concatenate(materials),
        np.concatenate([part.weights for part in parts]),
    )
