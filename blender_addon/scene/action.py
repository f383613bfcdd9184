"""Keyframes: one new Action per take, written in bulk."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import bpy
import numpy as np

from ..backend_access import JOINT_NAMES, MOTION_FPS, Motion, messages, quaternions, retarget
from . import armature as armatures
from . import compat, controls, holding
from .turns import Turns, at_once

ACTION_PREFIX = "Kinetype: "
_NAME_LENGTH = 63
"""Blender's limit for data-block names before 5.0, in bytes."""

PROMPT_KEY = "kinetype_prompt"
SEED_KEY = "kinetype_seed"
MODEL_KEY = "kinetype_model"
PARAMS_KEY = "kinetype_params"
"""Custom properties of the Action; the last is JSON text with everything the motion's meta says."""
MAX_PARAMS = 1_000_000
"""Characters of that text; the longest list of constraints takes a tenth of them."""
MADE_KEY = "kinetype_made"
RATE_KEY = "kinetype_fps"
CHARACTER_KEY = "kinetype_character"
STAR_KEY = "kinetype_star"
"""When it was made (ISO, UTC), frames per second that its keys are for, whose take it is (the same
word is on the armature), and whether somebody likes it."""

_ROTATION_PATHS = {"QUATERNION": "rotation_quaternion", "AXIS_ANGLE": "rotation_axis_angle"}
ROTATION_NAMES = ("rotation_quaternion", "rotation_axis_angle", "rotation_euler")
"""What can turn a bone; which one does is its rotation mode."""


Shape = Callable[[retarget.Body, retarget.Pose], retarget.Pose]
"""What becomes of what a body does before it is keyed."""


def as_it_is(body: retarget.Body, pose: retarget.Pose) -> retarget.Pose:
    """The :data:`Shape` that changes nothing."""
    del body
    return pose


def scene_fps(scene: bpy.types.Scene) -> float:
    """Frames per second of a scene, fractional rates (23.976) included."""
    return scene.render.fps / scene.render.fps_base


def apply_motion(
    armature: bpy.types.Object,
    motion: Motion,
    *,
    scene: bpy.types.Scene,
    start_frame: int | None = None,
    feet: float = 0.0,
    here: bool = False,
    twists: bool = False,
    hands: float = 0.0,
    shape: Shape = as_it_is,
) -> bpy.types.Action:
    """Key a motion on the armature of a body, as a new Action that becomes the active one.

    The Action that was active stays in the file (fake user). Nothing else of the user's is
    changed: not the scene's rate, range or current frame, not rotation modes, selection, NLA
    tracks or other Actions.

    Args:
        armature: of any body that :mod:`mapping` finds in it.
        motion: motion_135 with its meta (prompt, seed, model, params).
        scene: whose rate the keys are sampled at.
        start_frame: frame of the first key; the scene's current frame when omitted.
        feet: how firmly standing feet are held on the floor and in place, 0 to 1.
        here: begin where the rig stands, wherever the motion's first frame lies.
        twists: let twist bones of the arms take their share of the roll.
        hands: how firmly hands that touch the body in the motion touch it here, 0 to 1.
        shape: what becomes of the pose before it is keyed.

    Returns:
        The new Action (fake user set, prompt, seed, model and parameters as custom properties).

    Raises:
        ArmatureError: deleted, no armature, bones missing or not parented as in a body.
        FormatError: bad motion data.
    """
    start = scene.frame_current if start_frame is None else start_frame
    return at_once(
        applied(
            armature, motion, scene=scene, start_frame=start, feet=feet, here=here, twists=twists,
            hands=hands, shape=shape,
        )
    )  # fmt: skip


def applied(
    armature: bpy.types.Object,
    motion: Motion,
    *,
    scene: bpy.types.Scene,
    start_frame: int,
    feet: float = 0.0,
    here: bool = False,
    twists: bool = False,
    hands: float = 0.0,
    shape: Shape = as_it_is,
) -> Turns[bpy.types.Action]:
    """:func:`apply_motion` in two turns: the rig is read, then the take is written."""
    rig = armatures.find_rig(armature)
    armatures.ensure_pose(armature)
    fps = scene_fps(scene)
    reading = armatures.unmade_body(armature, rig, twists=twists)

    def perform() -> _Performed:
        body = reading()
        pose = retarget.performed(
            body, motion.data, motion.fps or MOTION_FPS, fps, feet=feet, here=here, hands=hands
        )
        return _performed(body, pose, fps, shape)

    body, keys = _shaped((yield perform), fps, shape)
    armatures.check_mover(armature, body)
    action, curves = compat.new_action(action_name(motion.meta), armature)
    with whole(action):
        write_keys(curves, armature, keys, start_frame)
        write_state(curves, armature, rig, body, start_frame)
        _taken(action, motion, armature, scene)
        compat.assign_action(armature, action)
    return action


def edited(
    armature: bpy.types.Object,
    motion: Motion,
    source: bpy.types.Action,
    *,
    scene: bpy.types.Scene,
    start_frame: int,
    played: bool = False,
    feet: float = 0.0,
    shape: Shape = as_it_is,
) -> Turns[bpy.types.Action]:
    """Key an edited motion as a copy of the Action that was edited, which becomes the active one.

    Curves of joints that the edit kept throughout, and of anything else that the Action animates
    (fingers, custom properties), are copied as they are; those of the others are written anew. In
    turns, as :func:`applied`.

    Args:
        feet: how firmly feet are held on frames that were made anew, where the legs were, too.
        played: the source moves other controls than takes do (IK), which no longer count for
            what changes and all that hangs on it.
        shape: as for :func:`apply_motion`.

    Raises:
        As :func:`apply_motion`.
    """
    rig = armatures.find_rig(armature)
    armatures.ensure_pose(armature)
    note = motion.meta.get("edit")
    note = note if isinstance(note, dict) else {}
    kept = set(note.get("kept_joints", ()))
    fps = scene_fps(scene)
    reading = armatures.unmade_body(armature, rig)

    def perform() -> _Performed:
        body = reading()
        pose = retarget.performed(
            body,
            motion.data,
            motion.fps,
            fps,
            feet=0.0 if kept & _BELOW else feet,
            where=made_anew(note.get("kept_frames", ()), len(motion.data), motion.fps),
        )
        return _performed(body, pose, fps, shape)

    body, keys = _shaped((yield perform), fps, shape)
    armatures.check_mover(armature, body)
    changed = {index for index, joint in enumerate(JOINT_NAMES) if joint not in kept}
    if played:
        turned, moved = retarget.posed_anew(body, changed, controls.limbs_of(rig))
    else:
        turned, moved = retarget.keyed_anew(body, changed)
    bones = {body.names[track] for track in turned}
    joints = {joint for joint, bone in rig.bones.items() if bone in bones}
    located = set(keys.locations) if moved else set()
    paths = {bone_path(armature, bone, "location") for bone in located}
    for bone in bones:
        paths |= {bone_path(armature, bone, name) for name in ROTATION_NAMES}
    if played:
        paths |= controls.state_paths(armature, rig, joints, still=moved)
    action, slot, curves = compat.copied_action(armature, source, without=paths)
    with whole(action):
        action.name = action_name(motion.meta)
        write_keys(curves, armature, keys, start_frame, bones=bones, located=located)
        controls.write_switches(curves, rig, start_frame, joints if played else JOINT_NAMES)
        if played and moved:
            _write_still(curves, armature, rig.still, start_frame, placed=True)
        if action.use_frame_range:  # one that the person set must not cut what was added
            action.frame_end = max(action.frame_end, start_frame + len(keys) - 1)
        _taken(action, motion, armature, scene)
        compat.assign_action(armature, action, slot)
    return action


_Performed = tuple[retarget.Body, retarget.Pose, retarget.BoneKeys | None]
"""What a body does, and its keys, where nothing has to be shaped before."""


def _performed(body: retarget.Body, pose: retarget.Pose, fps: float, shape: Shape) -> _Performed:
    return body, pose, retarget.keys_of(body, pose, fps) if shape is as_it_is else None


def _shaped(
    performed: _Performed, fps: float, shape: Shape
) -> tuple[retarget.Body, retarget.BoneKeys]:
    body, pose, keys = performed
    return body, retarget.keys_of(body, shape(body, pose), fps) if keys is None else keys


@contextmanager
def whole(action: bpy.types.Action) -> Iterator[None]:
    """Remove an Action that is being written when that fails."""
    try:
        yield
    except Exception:
        bpy.data.actions.remove(action)
        raise


def _taken(
    action: bpy.types.Action, motion: Motion, armature: bpy.types.Object, scene: bpy.types.Scene
) -> None:
    """What makes a written Action a take; the one before it stays in the file."""
    action.use_fake_user = True
    describe(action, motion.meta, armature, scene_fps(scene))
    previous = armature.animation_data.action if armature.animation_data else None
    if previous is not None:
        previous.use_fake_user = True


_BELOW = {"pelvis", *(f"{s}_{p}" for s in ("left", "right") for p in ("hip", "knee", "ankle"))}
_RAMP = 0.25
"""Seconds beside kept frames in which held feet fade in."""


def made_anew(kept: Iterable[Sequence[int]], frames: int, fps: float) -> np.ndarray:
    """``[T]`` weights: 0 on the frames that an edit kept, rising to 1 beside them."""
    keeps = np.zeros(frames, bool)
    for start, end in kept:
        keeps[start:end] = True
    if not keeps.any():
        return np.ones(frames)
    apart = np.abs(np.arange(frames)[:, None] - np.flatnonzero(keeps)).min(1)
    ramp = np.clip(apart / (_RAMP * fps), 0.0, 1.0)
    return ramp * ramp * (3.0 - 2.0 * ramp)


def bone_path(armature: bpy.types.Object, bone: str, name: str) -> str:
    """Data path of a property of a pose bone."""
    return armature.pose.bones[bone].path_from_id(name)


def write_keys(
    curves: compat.ActionCurves,
    armature: bpy.types.Object,
    keys: retarget.BoneKeys,
    start_frame: int,
    *,
    bones: Collection[str] | None = None,
    located: Collection[str] | None = None,
    rows: Mapping[str, np.ndarray] | None = None,
) -> None:
    """One F-curve per channel of the bones and of the locations; in bulk.

    Each bone is keyed in its own rotation mode (quaternion, axis-angle or any Euler order).

    Args:
        bones: those whose rotation is written; all when omitted. located: the same for locations.
        rows: of each bone, which rows become keys; all when omitted.
    """
    every = np.arange(len(keys))
    for column, bone in enumerate(keys.bones):
        at = every if rows is None else rows[bone]
        frames = start_frame + at
        pose_bone = armature.pose.bones[bone]
        base = f'pose.bones["{bpy.utils.escape_identifier(bone)}"].'
        place = keys.locations.get(bone)
        if place is not None and (located is None or bone in located):
            compat.write_curves(curves, base + "location", frames, place[at], group=bone)
        if bones is None or bone in bones:
            path, values = _rotation_channels(pose_bone, keys.rotations[:, column])
            values = values[at]
            compat.write_curves(curves, base + path, frames, values, group=bone)


def write_state(
    curves: compat.ActionCurves,
    armature: bpy.types.Object,
    rig: retarget.Rig,
    body: retarget.Body,
    frame: int,
) -> None:
    """What a take needs besides its keys: switches, constraints off, and bones at rest."""
    controls.write_switches(curves, rig, frame, JOINT_NAMES)
    holding.write(curves, armature, rig, frame)
    keyed = {curve.data_path for curve in curves.fcurves}
    free = [b for b in body.still if rotation_path_of(armature, b) not in keyed]
    _write_still(curves, armature, free, frame, placed=bool(rig.mover))


def rotation_path_of(armature: bpy.types.Object, bone: str) -> str:
    """Data path of the property that turns a bone."""
    return bone_path(armature, bone, rotation_path(armature.pose.bones[bone]))


def _write_still(
    curves: compat.ActionCurves,
    armature: bpy.types.Object,
    bones: Collection[str],
    frame: float,
    *,
    placed: bool,
) -> None:
    """Key on one frame the bones that must be at rest, with their place if asked."""
    at = np.array([frame])
    for bone in bones:
        pose_bone = armature.pose.bones[bone]
        path, values = _rotation_channels(pose_bone, np.array([[1.0, 0.0, 0.0, 0.0]]))
        channels = [(path, values)]
        if placed:
            channels.insert(0, ("location", np.zeros((1, 3))))
        for name, value in channels:
            data_path = bone_path(armature, bone, name)
            compat.write_curves(curves, data_path, at, value, group=bone)


def _rotation_channels(
    pose_bone: bpy.types.PoseBone, rotation: np.ndarray
) -> tuple[str, np.ndarray]:
    """Property name and ``[T, 3 or 4]`` values of a bone's rotation in its own mode."""
    mode = pose_bone.rotation_mode
    if mode == "QUATERNION":
        values = rotation
    elif mode == "AXIS_ANGLE":
        values = quaternions.to_axis_angle(rotation)
    else:
        values = quaternions.to_euler(rotation, mode)
    return rotation_path(pose_bone), values


def rotation_path(pose_bone: bpy.types.PoseBone) -> str:
    """Name of the property that turns a bone in its rotation mode."""
    return _ROTATION_PATHS.get(pose_bone.rotation_mode, "rotation_euler")


def fits(action: bpy.types.Action, armature: bpy.types.Object) -> bool:
    """Whether a take turns the bones of an armature: made for their names and rotation modes."""
    armatures.ensure_pose(armature)
    known = set()
    for bone in armature.pose.bones:
        channel = _ROTATION_PATHS.get(bone.rotation_mode, "rotation_euler")
        known.add(f'pose.bones["{bpy.utils.escape_identifier(bone.name)}"].{channel}')
    return any(curve.data_path in known for curve in compat.fcurves_of(action))


def action_name(meta: Mapping[str, object]) -> str:
    """``Kinetype: <prompt>``, cut to Blender's name length (Blender adds .001 to repeats)."""
    prompt = " ".join(str(meta.get("prompt") or "motion").split())
    room = _NAME_LENGTH - 4
    name = ACTION_PREFIX + prompt
    if len(name.encode()) <= room:
        return name
    cut = name.encode()[: room - len("…".encode())].decode(errors="ignore").rstrip()
    return cut + "…"


def describe(
    action: bpy.types.Action, meta: Mapping[str, Any], armature: bpy.types.Object, fps: float
) -> None:
    """Store where a take came from on its Action, so that it can be made again.

    Args:
        armature: whose take it is.
        fps: frames per second that its keys are for.
    """
    action[PROMPT_KEY] = str(meta.get("prompt", ""))
    action[MODEL_KEY] = str(meta.get("model", ""))
    action[PARAMS_KEY] = json.dumps(dict(meta), sort_keys=True, default=str)
    seed = meta.get("seed")
    if isinstance(seed, int):
        # whole-number custom properties hold 32 bits; sample seeds may run past that
        action[SEED_KEY] = seed if abs(seed) < 2**31 else str(seed)
    action[MADE_KEY] = datetime.now(UTC).isoformat()
    action[RATE_KEY] = fps
    if CHARACTER_KEY not in armature:
        armature[CHARACTER_KEY] = messages.new_id()
    action[CHARACTER_KEY] = armature[CHARACTER_KEY]
    if STAR_KEY in action:  # a copy of one that has it
        del action[STAR_KEY]


def read_description(action: bpy.types.Action) -> dict[str, Any] | None:
    """The meta stored by :func:`describe`; None for an Action that Kinetype did not make."""
    text = action.get(PARAMS_KEY)
    if not isinstance(text, str):
        return None
    try:
        values = json.loads(text) if len(text) <= MAX_PARAMS else None
    except (ValueError, RecursionError):  # what a file says may be made to break its reader
        return None
    return values if isinstance(values, dict) else None
