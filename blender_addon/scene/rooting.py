"""The way through the room on a root bone, and what exporters need of a scene for a moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bpy
import numpy as np

from ..backend_access import InvalidRequest
from . import armature as armatures
from . import compat, mapping, reading

ROOT_NAME = "root"


def root_bone_of(armature: bpy.types.Object) -> str:
    """The bone above the one that carries the body, '' if there is none."""
    body = armatures.body_of(armature)
    bone = armature.data.bones[body.names[body.root]]
    parents = [parent.name for parent in bone.parent_recursive]
    return parents[-1] if parents else ""


def add_root_bone(context: bpy.types.Context, armature: bpy.types.Object) -> str:
    """Put a bone on the floor below the body, which all others hang on; its name.

    Raises:
        InvalidRequest: the bones are linked from another file.
    """
    if armature.data.library is not None or not armature.data.is_editable:
        raise InvalidRequest(
            f"The bones of {armature.name!r} are linked from another file.",
            "Make a local copy of the armature, or choose a rig with a root bone.",
        )
    body = armatures.body_of(armature)
    up = np.array(body.skeleton.up)
    pelvis = body.basis @ body.at("pelvis")
    foot = pelvis - up * (pelvis @ up - body.ground)
    ahead = body.basis @ np.array([0.0, 0.0, 0.3 * body.scale])
    orphans = [bone.name for bone in armature.data.bones if bone.parent is None]
    with armatures.edit_mode(context, armature):
        bones = armature.data.edit_bones
        root = bones.new(ROOT_NAME)
        root.head, root.tail = tuple(foot), tuple(foot + ahead)
        name = root.name
        for orphan in orphans:
            bones[orphan].use_connect = False
            bones[orphan].parent = root
    armatures.ensure_pose(armature)
    armature.pose.bones[name].rotation_mode = "QUATERNION"
    mapping.clear_cache()
    return name


def move_to_root(
    context: bpy.types.Context, armature: bpy.types.Object, action: bpy.types.Action, root: str
) -> None:
    """Give the level way of the body in an Action to the root bone; the pose stays as it is.

    The Action must key the body as takes do, and not the root bone.
    """
    del context
    body = armatures.body_of(armature)
    mover = armature.pose.bones[body.names[body.root]]
    base = armature.pose.bones[root]
    curves = {(c.data_path, c.array_index): c for c in compat.active_curves(armature)}
    path = mover.path_from_id("location")
    frames = reading.frames_of(armature)
    if frames is None or (path, 0) not in curves:
        raise InvalidRequest("The Action does not move the body.", "Choose another take.")
    at = np.arange(frames[0], frames[1] + 1)
    keyed = [curves.get((path, k)) for k in range(3)]
    moves = np.stack(
        [
            np.full(len(at), mover.location[k])
            if curve is None
            else [curve.evaluate(f) for f in at]
            for k, curve in enumerate(keyed)
        ],
        -1,
    )
    own = np.array(mover.bone.matrix_local.to_3x3()) if mover.bone.use_local_location else np.eye(3)
    up = np.array(body.skeleton.up)
    way = moves @ own.T
    way = way - np.outer(way @ up, up)
    target = np.array(base.bone.matrix_local.to_3x3())
    bag = compat.curves_of(armature, action)
    for curve in [c for c in keyed if c is not None]:
        bag.fcurves.remove(curve)
    compat.write_curves(bag, path, at, moves - way @ own, group=mover.name)
    compat.write_curves(bag, base.path_from_id("location"), at, way @ target, group=root)


@contextmanager
def rooted(
    context: bpy.types.Context, armature: bpy.types.Object, *, enabled: bool
) -> Iterator[None]:
    """For the block, the way through the room is on a root bone; afterwards all is as before."""
    if not enabled:
        yield
        return
    data = armature.animation_data
    before, slot = data.action, compat.slot_of(armature)
    action, made, _ = compat.copied_action(armature, before, without=())
    compat.assign_action(armature, action, made)
    root = root_bone_of(armature)
    added = "" if root else add_root_bone(context, armature)
    try:
        move_to_root(context, armature, action, root or added)
        yield
    finally:
        compat.assign_action(armature, before, slot)
        bpy.data.actions.remove(action)
        if added:
            with armatures.edit_mode(context, armature):
                bones = armature.data.edit_bones
                bones.remove(bones[added])
            mapping.clear_cache()


@contextmanager
def only_selected(context: bpy.types.Context, armature: bpy.types.Object) -> Iterator[None]:
    """For the block, the armature and what it deforms are all that is selected."""
    selected, active = list(context.selected_objects), context.view_layer.objects.active
    worn = [thing for thing in context.scene.objects if thing.find_armature() == armature]
    for thing in selected:
        thing.select_set(False)
    for thing in (armature, *worn):
        thing.select_set(True)
    context.view_layer.objects.active = armature
    try:
        yield
    finally:
        for thing in (armature, *worn):
            thing.select_set(False)
        for thing in selected:
            thing.select_set(True)
        context.view_layer.objects.active = active


@contextmanager
def frame_range(scene: bpy.types.Scene, first: int, last: int) -> Iterator[None]:
    """For the block, the scene lasts from one frame to another."""
    before = scene.frame_start, scene.frame_end, scene.frame_current
    scene.frame_start, scene.frame_end = first, last
    try:
        yield
    finally:
        scene.frame_start, scene.frame_end = before[:2]
        scene.frame_set(before[2])
