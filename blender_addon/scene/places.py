"""Places of a scene as a character's motion has them, and back: curves, empties, directions.

A motion counts metres of SMPL's body from a point on the floor; the scene counts units of its own,
and the character may be moved, turned, scaled, or Y-up.
"""

from __future__ import annotations

from collections.abc import Sequence

import bpy
import numpy as np

from ..backend_access import InvalidRequest, retarget
from .posing import Shown

MAX_POINTS = 20_000
"""Of a curve that is followed."""
MAX_PLAYED = 2000
"""Frames for which a scene is played to see where something goes."""
_SHORT = 1e-6


class Space:
    """Between the world and a character's motion.

    Attributes:
        body: of the character.
        lift: how far below the motion's floor the character's is, in metres of the motion.
        metre: metres of the scene that one unit of the world is.
        size: metres of the scene that one metre of the motion is.

    Raises:
        ArmatureError: see :class:`Shown`.
    """

    def __init__(self, armature: bpy.types.Object, scene: bpy.types.Scene) -> None:
        shown = Shown(armature)
        self.body = shown.body
        units = scene.unit_settings
        self.metre = 1.0 if units.system == "NONE" else float(units.scale_length)
        world = np.array(shown.carried(), np.float64)
        turned = world[:3, :3] @ self.body.basis
        self._axes = self.body.scale * turned
        self._origin = turned @ self.body_origin + world[:3, 3]
        if abs(np.linalg.det(self._axes)) < 1e-12:
            raise InvalidRequest(
                f"{armature.name!r} is scaled to nothing, so nothing can be placed around it.",
                "Give it a scale above 0.",
            )
        self.lift = self.body.ankle_lift / self.body.scale
        self._back = np.linalg.inv(self._axes)
        self.size = self.metre * float(np.cbrt(abs(np.linalg.det(self._axes))))

    def to_motion(self, points: np.ndarray) -> np.ndarray:
        """Metres of the motion, Y-up, of points ``[N, 3]`` of the world."""
        return (np.asarray(points, np.float64) - self._origin) @ self._back.T

    def to_world(self, points: np.ndarray) -> np.ndarray:
        """Points of the world of places ``[N, 3]`` of the motion."""
        return np.asarray(points, np.float64) @ self._axes.T + self._origin

    def ways_to_motion(self, ways: np.ndarray) -> np.ndarray:
        """The same of directions ``[N, 3]``."""
        return np.asarray(ways, np.float64) @ self._back.T

    def to_body(self, points: np.ndarray) -> np.ndarray:
        """Places of the body, in SMPL axes and its unit, of places ``[N, 3]`` of the motion."""
        return np.asarray(points, np.float64) * self.body.scale + self.body_origin

    def from_body(self, places: np.ndarray) -> np.ndarray:
        """The opposite of :meth:`to_body`."""
        return (np.asarray(places, np.float64) - self.body_origin) / self.body.scale

    @property
    def body_origin(self) -> np.ndarray:
        """``[3]`` where the motion's origin is in the body."""
        return retarget.origin(self.body) + np.array([0.0, self.body.ankle_lift, 0.0])


def headings(ways: np.ndarray) -> np.ndarray:
    """Directions in rad of ways ``[N, 2 or 3]`` (x, z) of a motion: 0 is +Z, +X is a quarter."""
    return np.arctan2(ways[:, 0], ways[:, -1])


# --------------------------------------------------------------------------- curves


def curve_points(curve: bpy.types.Object) -> np.ndarray:
    """Points ``[N, 3]`` of the world along the first spline of a curve object, in order.

    Raises:
        InvalidRequest: it has no length, or too many points.
    """
    plain = curve.data.copy()
    plain.bevel_depth = plain.extrude = plain.offset = 0.0
    plain.bevel_object = plain.taper_object = None
    plain.bevel_mode = "ROUND"
    thing = bpy.data.objects.new("kinetype way", plain)
    try:
        mesh = thing.to_mesh()
        count = len(mesh.vertices)
        flat = np.empty(3 * count, np.float32)
        mesh.vertices.foreach_get("co", flat)
        ends = np.empty(2 * len(mesh.edges), np.int32)
        mesh.edges.foreach_get("vertices", ends)
        thing.to_mesh_clear()
    finally:
        bpy.data.objects.remove(thing)
        bpy.data.curves.remove(plain)
    order = _first_chain(ends.reshape(-1, 2))
    if len(order) > MAX_POINTS:
        raise InvalidRequest(
            f"{curve.name!r} has {len(order)} points.", "Lower its resolution in its properties."
        )
    points = flat.reshape(-1, 3)[order].astype(np.float64)
    world = np.array(curve.matrix_world, np.float64)
    points = points @ world[:3, :3].T + world[:3, 3]
    steps = np.linalg.norm(np.diff(points, axis=0), axis=-1) if len(points) > 1 else np.zeros(1)
    if not np.isfinite(points).all() or steps.sum() < _SHORT:
        raise InvalidRequest(
            f"{curve.name!r} has no length.", "Draw the way with at least two points apart."
        )
    keep = np.concatenate([[True], steps > _SHORT * steps.sum()])
    return points[keep]


def _first_chain(edges: np.ndarray) -> list[int]:
    """Vertices of the first spline: each edge goes on where the one before it ended."""
    if not len(edges):
        return []
    order = [int(edges[0, 0]), int(edges[0, 1])]
    for start, end in edges[1:].tolist():
        if start == order[-1]:
            order.append(end)
        elif start == order[0] and end == order[-1]:  # how Blender closes a circle
            order.append(start)
            break
        else:
            break
    return order


def along(points: np.ndarray, distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places ``[N, D]`` and ways ahead at distances from the start of a line of points.

    The way is that of the line half a pace around each place, so that a corner is a turn.
    """
    steps = np.linalg.norm(np.diff(points, axis=0), axis=-1)
    marks = np.concatenate([[0.0], np.cumsum(steps)])

    def at(where: np.ndarray) -> np.ndarray:
        inside = np.clip(where, 0.0, marks[-1])
        columns = [np.interp(inside, marks, points[:, axis]) for axis in range(points.shape[1])]
        return np.stack(columns, axis=-1)

    half = min(_HALF_PACE, 0.25 * marks[-1])
    middle = np.clip(distances, half, marks[-1] - half)
    return at(distances), at(middle + half) - at(middle - half)


_HALF_PACE = 0.25  # m


def length_of(points: np.ndarray) -> float:
    """Of a line of points, in their unit."""
    return float(np.linalg.norm(np.diff(points, axis=0), axis=-1).sum())


# --------------------------------------------------------------------------- things that move


def places_of(
    thing: bpy.types.Object, scene: bpy.types.Scene, frames: Sequence[float]
) -> np.ndarray:
    """Where an object is on some frames: ``[N, 3]`` of the world.

    The scene is played only where something may move the object.

    Raises:
        InvalidRequest: so many frames would have to be played that Blender would stand still.
    """
    if not _may_move(thing):
        return np.repeat(np.array(thing.matrix_world.translation)[None], len(frames), axis=0)
    if len(frames) > MAX_PLAYED:
        raise InvalidRequest(
            f"{thing.name!r} moves over {len(frames)} frames.",
            f"Pin to it for at most {MAX_PLAYED}.",
        )
    frame, part = scene.frame_current, scene.frame_subframe
    found = []
    try:
        for now in frames:
            whole = int(np.floor(now))
            scene.frame_set(whole, subframe=float(now - whole))
            graph = bpy.context.evaluated_depsgraph_get()
            found.append(np.array(thing.evaluated_get(graph).matrix_world.translation))
    finally:
        scene.frame_set(frame, subframe=part)
    return np.array(found)


def _may_move(thing: bpy.types.Object) -> bool:
    """Whether an object, or what it hangs on, is animated, constrained or driven."""
    while thing is not None:
        data = thing.animation_data
        if data is not None and (data.action or len(data.drivers) or len(data.nla_tracks)):
            return True
        if len(thing.constraints) or thing.rigid_body is not None:
            return True
        if thing.parent is not None and thing.parent_type != "OBJECT":
            return True  # a bone or a mesh moves by more than its object
        thing = thing.parent
    return False
