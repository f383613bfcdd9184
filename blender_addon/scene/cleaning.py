"""Repairs of what an armature performs: each makes a new Action and leaves the old one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import bpy
import numpy as np

from ..backend_access import InvalidRequest, load_motion, retarget
from . import action as actions
from . import armature as armatures
from . import compat, reading, rooting

Change = Callable[[np.ndarray, float], np.ndarray]
"""motion_135 ``[T, 135]`` and its rate to another motion_135."""


@dataclass(frozen=True)
class Cleaned:
    """The new Action and what it says about itself."""

    action: bpy.types.Action
    note: str


def changed(
    context: bpy.types.Context,
    armature: bpy.types.Object,
    change: Change,
    label: str,
    *,
    feet: float = 0.0,
    start_frame: int | None = None,
) -> Cleaned:
    """The performance with its motion changed, as a new Action that becomes the active one.

    Where the length stays, curves of anything but the body (fingers, properties) stay too.

    Raises:
        InvalidRequest: nothing is performed, or the change does not fit the motion.
    """
    scene = context.scene
    performance = reading.read_performance(armature, scene)
    body = armatures.body_of(armature)
    old, fps = performance.motion.data, performance.motion.fps
    before = _standing(body, old, fps)
    data = change(old, fps)
    keys = retarget.to_bone_keys(body, data, fps, fps, feet=feet, lock=True)
    start = performance.start_frame if start_frame is None else start_frame
    action = _rewritten(armature, performance.action, body, keys, start, len(old))
    _describe(action, performance.action, label, armature, fps)
    pose = retarget.pose_of(body, keys.rotations, keys.locations)
    after = retarget.floor_contact(body, pose, fps)
    note = (
        f"{label}: {len(old)} to {len(data)} frames; standing feet slide "
        f"{before.sliding_cm_s:.1f} to {after.sliding_cm_s:.1f} cm/s, soles "
        f"{before.below_cm:.1f} to {after.below_cm:.1f} cm below the floor"
    )
    return Cleaned(action, note)


def _standing(body: retarget.Body, data: np.ndarray, fps: float) -> retarget.FloorContact:
    return retarget.floor_contact(body, retarget.performed(body, data, fps, fps), fps)


def _rewritten(
    armature: bpy.types.Object,
    source: bpy.types.Action,
    body: retarget.Body,
    keys: retarget.BoneKeys,
    start: int,
    frames: int,
) -> bpy.types.Action:
    """A copy of an Action with other keys of the body; a new one where the length changes."""
    rig = body.rig
    if len(keys) == frames:
        paths = {
            actions.bone_path(armature, bone, name)
            for bone in body.names
            for name in (*actions.ROTATION_NAMES, "location")
        }
        action, slot, curves = compat.copied_action(armature, source, without=paths)
    else:
        action, curves = compat.new_action(source.name, armature)
        slot = None
    actions.write_keys(curves, armature, keys, start)
    actions.write_state(curves, armature, rig, body, start)
    action.use_fake_user = source.use_fake_user = True
    compat.assign_action(armature, action, slot)
    return action


def _describe(
    action: bpy.types.Action,
    source: bpy.types.Action,
    label: str,
    armature: bpy.types.Object,
    fps: float,
) -> None:
    """What the source says of itself; its keys are for the same rate, frame by frame."""
    meta = actions.read_description(source) or {"prompt": source.name}
    meta = {**meta, "cleaned": [*meta.get("cleaned", []), label]}
    action.name = f"{source.name} ({label.lower()})"
    actions.describe(action, meta, armature, source.get(actions.RATE_KEY, fps))


def to_root_bone(context: bpy.types.Context, armature: bpy.types.Object) -> Cleaned:
    """The way through the room on a root bone, which is made where there is none."""
    performance = reading.read_performance(armature, context.scene)
    root = rooting.root_bone_of(armature)
    made = "" if root else rooting.add_root_bone(context, armature)
    source = performance.action
    action, slot, _ = compat.copied_action(armature, source, without=())
    action.use_fake_user = source.use_fake_user = True
    compat.assign_action(armature, action, slot)
    rooting.move_to_root(context, armature, action, root or made)
    _describe(action, source, "Root Bone", armature, performance.motion.fps)
    what = f"a new bone {made!r}" if made else repr(root)
    return Cleaned(action, f"Root Bone: the way through the room is on {what}")


def fewer_keys(
    context: bpy.types.Context, armature: bpy.types.Object, millimetres: float
) -> Cleaned:
    """An Action with as few keys as move no bone by more than an error."""
    performance = reading.read_performance(armature, context.scene)
    if performance.played:
        raise InvalidRequest(
            "This Action moves other controls than takes do.", "Bake it, or edit it as a whole."
        )
    body = armatures.body_of(armature)
    fps = performance.motion.fps
    keys = retarget.to_bone_keys(body, performance.motion.data, fps, fps)
    # a body of 1.7 m is told in millimetres, whatever the unit of the armature
    rows = retarget.thinned(body, keys, millimetres / 1000.0 * body.scale)
    source = performance.action
    paths = {
        actions.bone_path(armature, bone, name)
        for bone in body.names
        for name in (*actions.ROTATION_NAMES, "location")
    }
    before = sum(len(c.keyframe_points) for c in compat.active_curves(armature))
    action, slot, curves = compat.copied_action(armature, source, without=paths)
    actions.write_keys(curves, armature, keys, performance.start_frame, rows=rows)
    action.use_fake_user = source.use_fake_user = True
    compat.assign_action(armature, action, slot)
    _describe(action, source, "Fewer Keys", armature, fps)
    after = sum(len(c.keyframe_points) for c in compat.active_curves(armature))
    return Cleaned(action, f"Fewer Keys: {before} to {after} keys, no bone moved over "
                           f"{millimetres:g} mm")  # fmt: skip


def changes(
    seconds: float, factor: float, angle: float, first: float, last: float
) -> dict[str, Change]:
    """The changes of a motion by name; numbers are those that they need.

    Args:
        seconds: width of the smoothing, or of a loop's blend. angle: radians.
        first, last: seconds of a trim.
    """
    edits, mirror = load_motion("edits"), load_motion("mirror")
    looping, smoothing = load_motion("looping"), load_motion("smoothing")

    def loop(x: np.ndarray, fps: float) -> np.ndarray:
        start, stop = looping.best_cut(x, fps, min(1.0, 0.4 * len(x) / fps), seconds)
        return looping.make_loop(x[start:stop], seconds, fps).data

    return {
        "FOOT_LOCK": lambda x, fps: x,
        "SMOOTH": lambda x, fps: smoothing.smooth(x, seconds, fps),
        "GROUND": lambda x, fps: smoothing.align(x, angle, fps),
        "IN_PLACE": lambda x, fps: edits.in_place(x),
        "MIRROR": lambda x, fps: mirror.mirror_motion135(x),
        "SPEED": lambda x, fps: edits.change_speed(x, factor),
        "TRIM": lambda x, fps: edits.trim(x, first, min(last, len(x) / fps), fps),
        "LOOP": loop,
    }
