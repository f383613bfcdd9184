"""What an armature performs: its active Action read back as a motion, without playing it.

Only where other controls than the keyed ones move a control rig (IK), it must be played.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import bpy
import numpy as np

from ..backend_access import InvalidRequest, Motion, quaternions, retarget
from . import armature as armatures
from . import compat, controls, playing
from .action import rotation_path, scene_fps
from .lookup import by_uid

_CHANNELS = {"rotation_quaternion": 4, "rotation_axis_angle": 4, "rotation_euler": 3, "location": 3}


@dataclass(frozen=True)
class Performance:
    """The motion of an armature's Action, one row per scene frame from ``start_frame``.

    Attributes:
        played: the Action moves other controls than takes do, so that its keys alone do not say
            what the body does.
    """

    motion: Motion
    start_frame: int
    action: bpy.types.Action
    played: bool = False


def frames_of(armature: bpy.types.Object) -> tuple[int, int] | None:
    """First and last frame that the active Action keys, None without keys; cheap enough to draw."""
    data = armature.animation_data
    if data is None or data.action is None:
        return None
    first, last = data.action.curve_frame_range
    return (math.floor(first), math.ceil(last)) if last > first else None


def keyed_frames(armature: bpy.types.Object, *, selected: bool = False) -> set[int]:
    """Frames on which the active Action has keys of bones, or selected ones of them."""
    found: set[int] = set()
    for curve in compat.active_curves(armature):
        if not curve.data_path.startswith("pose.bones["):
            continue
        points = curve.keyframe_points
        at = np.empty(2 * len(points), np.float32)
        points.foreach_get("co", at)
        chosen = np.ones(len(points), bool)
        if selected:
            points.foreach_get("select_control_point", chosen)
        found.update(np.round(at[::2][chosen]).astype(int).tolist())
    return found


def read_performance(armature: bpy.types.Object, scene: bpy.types.Scene) -> Performance:
    """The active Action of an armature as a motion, at once; see :func:`performance_steps`."""
    steps = performance_steps(armature, scene)
    try:
        while True:
            next(steps)
    except StopIteration as end:
        return end.value


def performance_steps(
    armature: bpy.types.Object, scene: bpy.types.Scene
) -> Generator[playing.Step, None, Performance]:
    """The active Action of an armature with SMPL bones as motion_135 at the scene's rate.

    A generator that returns it. Only where the rig must be played it yields: after each frame, so
    that the caller can let Blender draw, or close it, meanwhile.

    F-curves are evaluated with their modifiers; a channel that has none keeps its present value.
    Constraints, drivers and NLA strips are not part of it. A control rig that is in another state
    than takes are (a limb in IK, a head that does not follow) is played through instead, and read
    as Blender shows it. Nothing of the scene is changed.

    Raises:
        ArmatureError: see :func:`armatures.find_bones` and :func:`armatures.body_of`; deleted
            meanwhile.
        InvalidRequest: there is no Action, or it does not move the bones; meanwhile it changed.
    """
    rig = armatures.find_rig(armature)
    armatures.ensure_pose(armature)
    frames = frames_of(armature)
    curves = {
        (curve.data_path, curve.array_index): curve
        for curve in compat.active_curves(armature)
        if not curve.mute
    }
    body = armatures.body_of(armature, rig)
    chosen = [armature.pose.bones[bone] for bone in body.names]
    keyed = any(
        (bone.path_from_id(rotation_path(bone)), index) in curves
        for bone in chosen
        for index in range(4)
    )
    placed = any(path.rpartition(".")[2] in controls.PLACING for path, _ in curves)
    if frames is None or not placed:
        raise _nothing(armature)
    at = range(frames[0], frames[1] + 1)
    fps, action = scene_fps(scene), armature.animation_data.action
    if controls.is_unlike_takes(armature, rig, curves, at):
        uid = action.session_uid
        data = yield from playing.play(armature, scene, at)
        # Blender may have built everything anew meanwhile (undo)
        action = by_uid(bpy.data.actions, uid)
        return Performance(Motion(data, fps), frames[0], action, played=True)
    if keyed:
        rotations = np.stack([rotations_of(bone, curves, at) for bone in chosen], axis=1)
        moved = chosen[body.root]
        locations = {moved.name: values_of(moved, "location", curves, at)}
        data = retarget.to_motion(body, rotations, locations)
        return Performance(Motion(data, fps), frames[0], action)
    raise _nothing(armature)


def _nothing(armature: bpy.types.Object) -> InvalidRequest:
    return InvalidRequest(
        f"{armature.name!r} has no Action that moves its bones.",
        "Generate a motion, or put a take on it.",
    )


def rotations_of(
    bone: bpy.types.PoseBone, curves: dict[tuple[str, int], bpy.types.FCurve], at: Sequence[int]
) -> np.ndarray:
    """Quaternions ``[T, 4]`` of a bone, whatever its rotation mode."""
    path = rotation_path(bone)
    values = values_of(bone, path, curves, at)
    if path == "rotation_quaternion":
        return quaternions.normalise(values)
    if path == "rotation_axis_angle":
        return quaternions.from_axis_angle(values)
    return quaternions.from_euler(values, bone.rotation_mode)


def values_of(
    bone: bpy.types.PoseBone,
    name: str,
    curves: dict[tuple[str, int], bpy.types.FCurve],
    at: Sequence[int],
) -> np.ndarray:
    """``[T, C]`` of a property of a bone."""
    path = bone.path_from_id(name)
    resting = getattr(bone, name)
    columns = []
    for index in range(_CHANNELS[name]):
        curve = curves.get((path, index))
        if curve is None:
            columns.append(np.full(len(at), resting[index]))
        else:
            columns.append(np.fromiter(map(curve.evaluate, at), np.float64, len(at)))
    return np.stack(columns, axis=1)
