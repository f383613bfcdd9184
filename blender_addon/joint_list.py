"""The list of joints as properties of an armature: what is found, and what a person chooses."""

import atexit
from collections.abc import Callable

import bpy
from bpy.props import PointerProperty, StringProperty

from .backend_access import JOINT_NAMES
from .scene import mapping

ARMATURE_PROPERTY = "kinetype_joint_list"


def title(joint: str) -> str:
    """A joint's name for people: "Left Knee"."""
    return joint.replace("_", " ").title().replace("Spine", "Spine ").strip()


def owner_of(data: bpy.types.Armature) -> bpy.types.Object | None:
    """An object of these bones: the active one if it is."""
    active = bpy.context.active_object
    if active is not None and active.data == data:
        return active
    return next((thing for thing in bpy.data.objects if thing.data == data), None)


def _get(joint: str) -> Callable[[bpy.types.PropertyGroup], str]:
    def get(group: bpy.types.PropertyGroup) -> str:
        owner = owner_of(group.id_data)
        return "" if owner is None else mapping.joints_of(owner).bones.get(joint, "")

    return get


def _set(joint: str) -> Callable[[bpy.types.PropertyGroup, str], None]:
    def choose(group: bpy.types.PropertyGroup, bone: str) -> None:
        owner = owner_of(group.id_data)
        if owner is not None and (not bone or bone in group.id_data.bones):
            mapping.remember(owner, mapping.joints_of(owner).with_bone(joint, bone))

    return choose


class KinetypeJoints(bpy.types.PropertyGroup):
    """The bone of each joint of an armature"""

    __annotations__ = {
        joint: StringProperty(
            name=title(joint),
            description=f"The bone that is keyed for the joint {title(joint)}; empty for none",
            get=_get(joint),
            set=_set(joint),
        )
        for joint in JOINT_NAMES
    }


# Blender 4.2 as a Python module frees the callbacks after Python has ended, and crashes.
atexit.register(KinetypeJoints.__annotations__.clear)

CLASSES = (KinetypeJoints,)


def attach() -> None:
    """Give every armature its list."""
    setattr(bpy.types.Armature, ARMATURE_PROPERTY, PointerProperty(type=KinetypeJoints))


def detach() -> None:
    """Take the lists away again; what a person chose stays on the armatures."""
    delattr(bpy.types.Armature, ARMATURE_PROPERTY)
    mapping.clear_cache()


def list_of(armature: bpy.types.Object) -> KinetypeJoints:
    """The list of an armature object."""
    return getattr(armature.data, ARMATURE_PROPERTY)
