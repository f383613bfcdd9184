"""Where a new character stands free."""

from __future__ import annotations

from collections.abc import Iterator

import bpy
import numpy as np
from mathutils import Vector

_WIDE, _TALL = 0.5, 1.7
"""Half of what a person takes up on the floor, and height, in metres."""
_STEP, _REACH = 1.0, 25
"""Metres between the places that are tried, and how many to each side."""
_FLAT = 0.1
"""What does not rise higher above the floor is no obstacle, in metres."""
_VAST = 10.0
"""What is wider is a room or a landscape, in which a character stands."""
_SOLID = {"MESH", "ARMATURE", "CURVE", "SURFACE", "META", "FONT", "CURVES", "VOLUME"}


def free_place(scene: bpy.types.Scene, metre: float) -> Vector:
    """A place on the floor, at the origin or to the side of it, that nothing in the scene takes up.

    Args:
        metre: Blender units that are one metre.
    """
    taken = np.array([box for thing in scene.objects for box in _box(thing, metre)])
    for side in _sides():
        x = side * _STEP * metre
        if not len(taken) or not _overlaps(taken, x, metre).any():
            return Vector((x, 0.0, 0.0))
    return Vector((0.0, 0.0, 0.0))


def _sides() -> Iterator[int]:
    yield 0
    for number in range(1, _REACH + 1):
        yield number  # where Blender's first view sees it in front of the default cube
        yield -number


def _box(thing: bpy.types.Object, metre: float) -> Iterator[np.ndarray]:
    """Lowest and highest corner ``[2, 3]`` of a thing that may be in the way."""
    if thing.type not in _SOLID or thing.hide_viewport:
        return
    corners = np.array([thing.matrix_world @ Vector(corner) for corner in thing.bound_box])
    low, high = corners.min(0), corners.max(0)
    if high[2] > _FLAT * metre and max(high[:2] - low[:2]) < _VAST * metre:
        yield np.stack([low, high])


def _overlaps(taken: np.ndarray, x: float, metre: float) -> np.ndarray:
    low = np.array([x - _WIDE * metre, -_WIDE * metre, _FLAT * metre])
    high = np.array([x + _WIDE * metre, _WIDE * metre, _TALL * metre])
    return ((taken[:, 0] < high) & (taken[:, 1] > low)).all(1)
