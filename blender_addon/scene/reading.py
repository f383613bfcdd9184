"""What an armature performs: its active Action read back as a motion, without playing it.

Only where other controls than the keyed ones move a control rig (IK), it must be played.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import bpy
import numpy as np

from ..backend_access import InvalidRequest, Motion, quaternions, retarget
from . import armature as armatures
from . import compat, controls
from .action import rotation_path, scene_fps
from .posing import Shown

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


def read_performance(armature: bpy.types.Object, scene: bpy.types.Scene) -> Performance:
    """The active Action of an armature with SMPL bones as motion_135 at the scene's rate.

    F-curves are evaluated with their modifiers; a channel that has none keeps its present value.
    Constraints, drivers and NLA strips are not part of it. A control rig that is in another state
    than takes are (a limb in IK, a head that does not follow) is played through instead, and read
    as Blender shows it. Nothing of the scene is changed.

    Raises:
        ArmatureError: see :func:`armatures.find_bones` and :func:`armatures.body_of`.
        InvalidRequest: there is no Action, or it does not move the bones.
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
    played = controls.is_unlike_takes(armature, rig, curves, at)
    if played:
        data = _played(Shown(armature), scene, at)
    elif keyed:
        rotations = np.stack([_rotation(bone, curves, at) for bone in chosen], axis=1)
        moved = chosen[body.root]
        locations = {moved.name: _values(moved, "location", curves, at)}
        data = retarget.to_motion(body, rotations, locations)
    else:
        raise _nothing(armature)
    action = armature.animation_data.action
    return Performance(Motion(data, scene_fps(scene)), frames[0], action, played)


def _nothing(armature: bpy.types.Object) -> InvalidRequest:
    return InvalidRequest(
        f"{armature.name!r} has no Action that moves its bones.",
        "Generate a motion, or put a take on it.",
    )


def _played(shown: Shown, scene: bpy.types.Scene, at: range) -> np.ndarray:
    """motion_135 of an armature on some frames, as Blender evaluates it there."""
    turns, places = [], []
    frame, part = scene.frame_current, scene.frame_subframe
    try:
        for now in at:
            scene.frame_set(now)
            turn, place = shown.turns()
            turns.append(turn)
            places.append(place)
    finally:
        scene.frame_set(frame, subframe=part)
    return shown.motion(np.array(turns), np.array(places))


def _rotation(
    bone: bpy.types.PoseBone, curves: dict[tuple[str, int], bpy.types.FCurve], at: range
) -> np.ndarray:
    """Quaternions ``[T, 4]`` of a bone, whatever its rotation mode."""
    path = rotation_path(bone)
    values = _values(bone, path, curves, at)
    if path == "rotation_quaternion":
        return quaternions.normalise(values)
    if path == "rotation_axis_angle":
        return quaternions.from_axis_angle(values)
    return quaternions.from_euler(values, bone.rotation_mode)


def _values(
    bone: bpy.types.PoseBone,
    name: str,
    curves: dict[tuple[str, int], bpy.types.FCurve],
    at: range,
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
