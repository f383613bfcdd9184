"""Frames of an Action that stay exactly as a person keyed them, though their curves are new."""

from __future__ import annotations

from collections.abc import Collection

import bpy
import numpy as np

from ..backend_access import retarget
from . import armature as armatures
from . import compat, reading

_SAME = 1e-3
"""Values nearer than this say the same: a new curve has them rounded, or a turn further round."""


class KeptKeys:
    """What the active Action of an armature shows on some frames, by its own keys.

    Args:
        frames: ascending, of the scene.
    """

    def __init__(self, armature: bpy.types.Object, frames: Collection[int], first: int) -> None:
        self._armature = armature
        self._frames = np.array(sorted(frames), int)
        self._first = first
        self._curves = {
            (curve.data_path, curve.array_index): curve
            for curve in compat.active_curves(armature)
            if not curve.mute
        }
        self._values: dict[tuple[str, int], np.ndarray] = {}
        for key, curve in self._curves.items():
            if key[0].startswith("pose.bones["):
                found = (curve.evaluate(float(frame)) for frame in self._frames)
                self._values[key] = np.fromiter(found, np.float64, len(self._frames))

    def shaped(self, body: retarget.Body, pose: retarget.Pose, fps: float) -> retarget.Pose:
        """A pose that shows on these frames what the keys do, spines of many bones included."""
        if not len(self._frames):
            return pose
        armatures.ensure_pose(self._armature)
        bones = [self._armature.pose.bones[name] for name in body.names]
        at = [int(frame) for frame in self._frames]
        turns = np.stack([reading.rotations_of(bone, self._curves, at) for bone in bones], axis=1)
        mover = bones[body.root]
        places = {mover.name: reading.values_of(mover, "location", self._curves, at)}
        own = retarget.pose_of(body, turns, places)
        rows = [frame - self._first for frame in at]
        return retarget.held(body, pose, rows, own, fps, through=True)

    def restore(self, action_curves: Collection[bpy.types.FCurve]) -> None:
        """Give new curves on these frames the very values that the Action has there."""
        made = {(c.data_path, c.array_index): c for c in action_curves}
        for path in {path for path, _ in self._values if (path, 0) in made}:
            channels = [index for index in range(4) if (path, index) in made]
            self._restore(path, [made[path, index] for index in channels], channels)

    def _restore(self, path: str, curves: list[bpy.types.FCurve], channels: list[int]) -> None:
        if any((path, index) not in self._values for index in channels):
            return
        count = len(curves[0].keyframe_points)
        points = np.empty((len(curves), 2 * count), np.float32)
        for row, curve in zip(points, curves, strict=True):
            curve.keyframe_points.foreach_get("co", row)
        rows = np.searchsorted(points[0, ::2], self._frames)
        inside = (rows < count) & (points[0, ::2][np.minimum(rows, count - 1)] == self._frames)
        wanted = np.stack([self._values[path, index] for index in channels])[:, inside]
        rows = rows[inside]
        if not len(rows):
            return
        values = points[:, 1::2].astype(np.float64)
        values = _as_the_person_wrote(path, values, values[:, rows], wanted)
        same = np.abs(values[:, rows] - wanted).max(0) < _SAME
        values[:, rows[same]] = wanted[:, same]
        points[:, 1::2] = values
        for row, curve in zip(points, curves, strict=True):
            curve.keyframe_points.foreach_set("co", row)
            curve.update()


def _as_the_person_wrote(
    path: str, values: np.ndarray, made: np.ndarray, wanted: np.ndarray
) -> np.ndarray:
    """Values ``[C, T]`` of a turn with the sign, or the rounds, that the person's keys have."""
    if path.endswith("rotation_quaternion"):
        opposite = ((made * wanted).sum(0) < 0.0).mean() > 0.5
        return -values if opposite else values
    if path.endswith("rotation_euler"):
        rounds = np.round((wanted - made) / (2.0 * np.pi))
        return values + 2.0 * np.pi * np.median(rounds, axis=1).round()[:, None]
    return values
