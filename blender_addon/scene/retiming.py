"""The keys of a take at another frame rate: it lasts as long as before."""

from __future__ import annotations

import bpy
import numpy as np

from . import compat


def fit(action: bpy.types.Action, fps: float, wanted: float) -> None:
    """Move the keys of an Action from one rate to another; the first key stays where it is.

    Curves with a key on every frame get one on every frame again, from what they play; the keys of
    others are moved to where they belong, with their handles.
    """
    ratio = wanted / fps
    first = action.curve_frame_range[0]
    for curve in compat.fcurves_of(action):
        frames = _column(curve, "co")
        if len(frames) > 2 and np.allclose(np.diff(frames), 1.0, atol=1e-3):
            _keyed_anew(curve, frames, first, ratio)
        else:
            _moved(curve, first, ratio)
    for marker in action.pose_markers:
        marker.frame = round(first + (marker.frame - first) * ratio)
    if action.use_frame_range:
        action.frame_end = first + (action.frame_end - first) * ratio
        action.frame_start = first + (action.frame_start - first) * ratio


def _column(curve: bpy.types.FCurve, name: str) -> np.ndarray:
    """Frames ``[n]`` of the keys, or of their handles."""
    values = np.empty(2 * len(curve.keyframe_points))
    curve.keyframe_points.foreach_get(name, values)
    return values[0::2]


def _keyed_anew(curve: bpy.types.FCurve, frames: np.ndarray, first: float, ratio: float) -> None:
    start = round(first + (frames[0] - first) * ratio)
    last = first + (frames[-1] - first) * ratio
    at = np.arange(start, max(round(last), start) + 1)
    played = np.clip(first + (at - first) / ratio, frames[0], frames[-1])
    values = [curve.evaluate(frame) for frame in played]
    points = curve.keyframe_points
    kinds = np.empty(len(points), np.int32)
    points.foreach_get("interpolation", kinds)
    points.clear()
    points.add(len(at))
    points.foreach_set("co", np.stack([at, values], 1).ravel())
    points.foreach_set("interpolation", np.full(len(at), kinds[0], np.int32))
    curve.update()


def _moved(curve: bpy.types.FCurve, first: float, ratio: float) -> None:
    points = curve.keyframe_points
    for name in ("co", "handle_left", "handle_right"):
        values = np.empty(2 * len(points))
        points.foreach_get(name, values)
        values[0::2] = first + (values[0::2] - first) * ratio
        points.foreach_set(name, values)
    curve.update()
