"""The SMPL-22 armature: making one, and recognising one that the user brings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import bpy
import numpy as np
from mathutils import Vector

from ..backend_access import HAND_OFFSETS, JOINT_NAMES, PARENTS, ArmatureError, retarget
from . import compat, controls, holding, mapping

Rig = retarget.Rig

CHARACTER_NAME = "Kinetype Character"
_SHEARED = 1.02
"""Ratio of an object's scales along its axes from which limbs change their lengths visibly."""
_MOVED = 1e-4
"""Smaller locations and scales of bones are rounding."""

# Where a bone points when it has several children or none: (child joint, or a SMPL-axes offset in
# metres for the ends of the body).
_TAIL_JOINTS = {
    "pelvis": "spine1",
    "spine3": "neck",
}
_TAIL_OFFSETS = {
    "head": (0.0, 0.19, 0.0),
    "left_foot": (0.005, -0.004, 0.075),
    "right_foot": (-0.005, -0.004, 0.075),
    "left_wrist": HAND_OFFSETS[0],
    "right_wrist": HAND_OFFSETS[1],
}
_UP_IN_ROLL = ("collar", "shoulder", "elbow", "wrist", "foot")


def find_rig(armature: bpy.types.Object) -> Rig:
    """Which bones of an armature object are keyed for the SMPL joints, and how they hang together.

    Raises:
        ArmatureError: not an armature, deleted, bones missing (the message lists them), or in NLA
            tweak mode.
    """
    check_alive(armature)
    if armature.type != "ARMATURE":
        raise ArmatureError(
            f"{armature.name!r} is not an armature.",
            f"Select the armature of a body ({mapping.KNOWN_RIGS}), or let Kinetype create a "
            "character.",
        )
    if armature.animation_data is not None and armature.animation_data.use_tweak_mode:
        raise ArmatureError(
            f"{armature.name!r} is in NLA tweak mode, so Blender does not let its Action change.",
            "Leave tweak mode (Tab in the NLA editor) and try again.",
        )
    return controls.rig_of(armature)


def find_bones(armature: bpy.types.Object) -> dict[str, str]:
    """SMPL joint name to the name of the bone that is keyed; see :func:`find_rig`."""
    return dict(find_rig(armature).bones)


def editable(armature: bpy.types.Object) -> bpy.types.Object:
    """The armature; :class:`ArmatureError` where it is linked from another file."""
    if not armature.is_editable:
        raise ArmatureError(
            f"{armature.name!r} is linked from another file, so it cannot be animated here.",
            "Make a library override of it, or use a new mannequin.",
        )
    return armature


def is_smpl_armature(candidate: bpy.types.Object | None) -> bool:
    """Whether an object is an armature that can take a motion; cheap enough for ``poll``."""
    return mapping.is_body(candidate)


def why_unseen(armature: bpy.types.Object) -> str:
    """What keeps an armature from showing its take, and the way out; '' when nothing does."""
    name = repr(armature.name)
    if armature.data.pose_position == "REST":
        return f"{name} shows its rest position: choose Pose Position in its armature properties."
    data = armature.animation_data
    if data is not None and any(track.is_solo for track in data.nla_tracks):
        return f"A solo NLA track of {name} hides the take: clear its star in the NLA editor."
    if data is not None and data.use_nla and len(data.nla_tracks):
        mixed = data.action_blend_type != "REPLACE" or data.action_influence < 1.0
        if mixed:
            return (
                f"{name} mixes its Action with the NLA tracks below: set Blending to Replace and "
                "Influence to 1 in the NLA editor."
            )
    here = bpy.context.scene in armature.users_scene
    if here and not any(thing.visible_get() for thing in (armature, *armature.children)):
        return f"{name} is hidden: show it in the Outliner."
    sizes = [abs(size) for size in armature.matrix_world.to_scale()]
    if max(sizes) > _SHEARED * max(min(sizes), 1e-9):
        return (
            f"{name} is scaled differently along its axes, which shears the take: apply its scale "
            "(Ctrl A in Object Mode)."
        )
    return _overruled(armature)


def _overruled(armature: bpy.types.Object) -> str:
    """What puts the bones of a take elsewhere than its keys say; '' when nothing does."""
    rig = find_rig(armature)
    bones = rig.bones.values()
    posed = [bone for bone in map(armature.pose.bones.get, bones) if bone is not None]
    keyed = {curve.data_path for curve in compat.active_curves(armature)}
    held = [
        bone.name
        for bone, constraint in holding.holding(armature, bones)
        if holding.mute_path(bone, constraint) not in keyed
    ]
    if held:
        return (
            f"Constraints of {armature.name!r} change the take: mute those of "
            f"{', '.join(held)} to see it as it was made."
        )
    drivers = armature.animation_data.drivers if armature.animation_data else ()
    paths = [f'pose.bones["{bpy.utils.escape_identifier(bone)}"].rot' for bone in bones]
    if any(driver.data_path.startswith(tuple(paths)) for driver in drivers if not driver.mute):
        return f"Drivers of {armature.name!r} turn some of the bones instead of the take."
    driven = controls.driven_switches(armature, rig)
    if driven:
        return (
            f"Drivers of {armature.name!r} set {', '.join(driven)} instead of the take: mute them "
            "in the Drivers editor."
        )
    still = [bone for bone in map(armature.pose.bones.get, rig.still) if bone is not None]
    left = [bone.name for bone in (*posed, *still) if _is_moved(bone, keyed)]
    if left:
        return (
            f"Bones of {armature.name!r} keep an earlier location or scale, which takes do not "
            f"key: clear them in Pose Mode (Alt G, Alt S) on {', '.join(left)}."
        )
    return ""


def _is_moved(bone: bpy.types.PoseBone, keyed: set[str]) -> bool:
    """Whether location or scale are away from rest without keys, so that nothing resets them."""
    path = bone.path_from_id()
    placed = bone.bone.use_connect or f"{path}.location" in keyed
    shift = 0.0 if placed else bone.location.length
    sizes = () if f"{path}.scale" in keyed else bone.scale
    return max(shift, *(abs(size - 1.0) for size in sizes), 0.0) > _MOVED


def ensure_pose(armature: bpy.types.Object) -> None:
    """Give an armature the pose bones of its bones: Blender adds them at the next redraw only."""
    names = {bone.name for bone in armature.data.bones}
    if armature.pose is None or not names.issubset(armature.pose.bones.keys()):
        armature.data = armature.data  # Blender builds the pose anew


def check_alive(armature: bpy.types.Object) -> None:
    """:class:`ArmatureError` when the object was deleted since the caller got hold of it."""
    try:
        armature.name  # noqa: B018  (reading any property of a removed object raises)
    except ReferenceError as error:
        raise ArmatureError(
            "The target armature was deleted.",
            "Select another armature, or let Kinetype create a character.",
        ) from error


def body_of(
    armature: bpy.types.Object, rig: Rig | None = None, *, twists: bool = False
) -> retarget.Body:
    """The armature made ready for the retarget maths; see :func:`retarget.make_body`.

    Raises:
        ArmatureError: see :func:`find_rig`; bones that do not hang together as in a body, lie at
            the same place or in one line, or cannot be moved.
    """
    body = unmade_body(armature, rig or find_rig(armature), twists=twists)()
    check_mover(armature, body)
    return body


def unmade_body(
    armature: bpy.types.Object, rig: Rig, *, twists: bool = False
) -> Callable[[], retarget.Body]:
    """An armature, read: what makes a body of it, and needs Blender no more."""
    skeleton = mapping.skeleton_of(armature, soles=True)
    return lambda: retarget.make_body(skeleton, rig, twists=twists)


def check_mover(armature: bpy.types.Object, body: retarget.Body) -> None:
    """:class:`ArmatureError` when the bone that carries a body cannot be moved."""
    mover = armature.data.bones[body.names[body.root]]
    if mover.use_connect:
        raise ArmatureError(
            f"The bone {mover.name!r} is connected to its parent, so it cannot be moved.",
            "In Edit Mode, clear Bone > Relations > Connected on it.",
        )


def create_armature(
    context: bpy.types.Context,
    *,
    name: str = CHARACTER_NAME,
    collection: bpy.types.Collection | None = None,
) -> bpy.types.Object:
    """A SMPL-22 armature in a T-pose at the world origin, facing -Y, soles on the floor.

    It is as tall as a person by the scene's units, whatever their scale.

    Bones carry the SMPL joint names and point along the limbs; joints lie where the neutral
    skeleton of motion_135 puts them. The user's mode, selection and active object are restored.

    Args:
        collection: where to link it; when omitted the active collection, or the scene's own where
            the active one belongs to another file.
    """
    metre = metre_of(context.scene)
    heads = metre * retarget.smpl_to_blender(retarget.rest_heads())
    tails = metre * retarget.smpl_to_blender(_rest_tails())
    data = bpy.data.armatures.new(name)
    data.display_type = "STICK"  # the other kinds hide the mannequin
    armature = bpy.data.objects.new(name, data)
    armature.show_in_front = True
    (collection or _own_collection(context)).objects.link(armature)
    with edit_mode(context, armature):
        for joint, parent in enumerate(PARENTS):
            bone = data.edit_bones.new(JOINT_NAMES[joint])
            bone.head, bone.tail = Vector(heads[joint]), Vector(tails[joint])
            bone.align_roll(_roll_axis(JOINT_NAMES[joint]))
            if parent >= 0:
                bone.parent = data.edit_bones[JOINT_NAMES[parent]]
                bone.use_connect = bool(np.allclose(tails[parent], heads[joint]))
    for bone in data.bones:
        bone.color.palette = _palette(bone.name)
    for bone in armature.pose.bones:
        bone.rotation_mode = "QUATERNION"
    return armature


def metre_of(scene: bpy.types.Scene) -> float:
    """Blender units that are one metre in a scene."""
    units = scene.unit_settings
    return 1.0 if units.system == "NONE" else 1.0 / units.scale_length


def _own_collection(context: bpy.types.Context) -> bpy.types.Collection:
    active = context.collection
    if active is None or active.library is not None or active.override_library is not None:
        return context.scene.collection
    return active


def _rest_tails() -> np.ndarray:
    """``[22, 3]`` ends of the bones in SMPL axes."""
    heads = retarget.rest_heads()
    tails = np.zeros_like(heads)
    for joint, name in enumerate(JOINT_NAMES):
        children = [c for c, p in enumerate(PARENTS) if p == joint]
        if name in _TAIL_OFFSETS:
            tails[joint] = heads[joint] + np.asarray(_TAIL_OFFSETS[name])
        elif name in _TAIL_JOINTS:
            tails[joint] = heads[JOINT_NAMES.index(_TAIL_JOINTS[name])]
        else:
            tails[joint] = heads[children[0]]
    return tails


def _roll_axis(name: str) -> Vector:
    """Where a bone's local Z should point: up for arms and feet, forward for the rest.

    Elbows then bend about local Z and knees about local X, which is what animators expect.
    """
    direction = (0, 1, 0) if name.endswith(_UP_IN_ROLL) else (0, 0, 1)
    return Vector(retarget.smpl_to_blender(np.array(direction, float)))


def _palette(name: str) -> str:
    if name.startswith("left_"):
        return "THEME02"
    if name.startswith("right_"):
        return "THEME04"
    return "DEFAULT"


@contextmanager
def edit_mode(context: bpy.types.Context, armature: bpy.types.Object) -> Iterator[None]:
    """Edit mode on one armature; afterwards mode, active object and selection are as before."""
    layer = context.view_layer
    active, mode = layer.objects.active, context.mode
    selected = list(context.selected_objects)
    linked_for_edit = armature.name not in layer.objects
    if linked_for_edit:  # the active collection is excluded from the view layer
        context.scene.collection.objects.link(armature)
    if active is not None and mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    layer.objects.active = armature
    try:
        bpy.ops.object.mode_set(mode="EDIT")
        yield
    finally:
        bpy.ops.object.mode_set(mode="OBJECT")
        if linked_for_edit:
            context.scene.collection.objects.unlink(armature)
        for thing in context.selected_objects:
            thing.select_set(thing in selected)
        for thing in selected:
            thing.select_set(True)
        layer.objects.active = active
        if active is not None and mode != "OBJECT":
            bpy.ops.object.mode_set(mode=_object_mode(mode))


def _object_mode(context_mode: str) -> str:
    """``context.mode`` (EDIT_MESH, PAINT_WEIGHT, ...) as ``object.mode_set`` spells it."""
    if context_mode.startswith("EDIT_"):
        return "EDIT"
    words = context_mode.split("_")
    return "_".join(reversed(words)) if words[0] == "PAINT" else context_mode
