"""Two takes side by side: a copy of the character beside it performs the other one.

Only objects are made (bones, meshes and materials are shared), and all of them are marked, so that
taking them away leaves nothing behind, also in a file that was saved meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator

import bpy
from mathutils import Vector

from . import compat

MARK = "kinetype_compared"
_BESIDE = 0.75
"""How far apart they stand, as a part of the height."""


def shown(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """The objects that were made to compare; none while nothing is compared."""
    return [thing for thing in scene.objects if MARK in thing]


def compared(scene: bpy.types.Scene) -> str:
    """Name of the take that the copy performs, '' while nothing is compared."""
    return next((str(thing[MARK]) for thing in shown(scene) if thing.type == "ARMATURE"), "")


def begin(
    scene: bpy.types.Scene, character: bpy.types.Object, take: bpy.types.Action
) -> bpy.types.Object:
    """A copy of the character beside it that performs a take from the same frame on.

    Character, selection and frame stay as they are; an earlier copy is replaced.
    """
    end(scene)
    copy = _copied(character, take.name)
    copy.name = f"{character.name} ({take.name})"
    copy.show_name = True
    _redirect(copy, character)
    for body in _bodies(scene, character):
        own = _copied(body, take.name)
        if own.parent == character:
            own.parent = copy
        for modifier in own.modifiers:
            if modifier.type == "ARMATURE" and modifier.object == character:
                modifier.object = copy
    copy.delta_location += _beside(character)
    _perform(copy, character, take)
    return copy


def end(scene: bpy.types.Scene) -> bool:
    """Remove what was made to compare; whether there was anything."""
    found = shown(scene)
    for thing in found:
        bpy.data.objects.remove(thing)
    return bool(found)


def _bodies(scene: bpy.types.Scene, character: bpy.types.Object) -> Iterator[bpy.types.Object]:
    """The meshes that the character wears."""
    for thing in list(scene.objects):
        if thing.type == "MESH" and character in (thing.find_armature(), thing.parent):
            yield thing


def _copied(thing: bpy.types.Object, take: str) -> bpy.types.Object:
    copy = thing.copy()
    copy[MARK] = take
    copy.hide_select = True  # a motion must not land on it by a click
    for collection in thing.users_collection:
        collection.objects.link(copy)
    return copy


def _redirect(copy: bpy.types.Object, original: bpy.types.Object) -> None:
    """Constraints and drivers of the copy look at the copy."""
    for owner in (copy, *copy.pose.bones):
        for constraint in owner.constraints:
            for holder in (constraint, *getattr(constraint, "targets", ())):
                if getattr(holder, "target", None) == original:
                    holder.target = copy
    for curve in copy.animation_data.drivers if copy.animation_data else ():
        for variable in curve.driver.variables:
            for target in variable.targets:
                if target.id == original:
                    target.id = copy


def _beside(character: bpy.types.Object) -> Vector:
    """Sideways by most of its height, in the space of its location."""
    matrix = character.matrix_world
    heights = [(matrix @ bone.head_local).z for bone in character.data.bones]
    heights += [(matrix @ bone.tail_local).z for bone in character.data.bones]
    sideways = matrix.to_3x3() @ Vector((1.0, 0.0, 0.0))
    way = sideways.normalized() * _BESIDE * (max(heights) - min(heights))
    if character.parent is not None:
        space = character.parent.matrix_world @ character.matrix_parent_inverse
        way = space.to_3x3().inverted_safe() @ way
    return way


def _perform(copy: bpy.types.Object, character: bpy.types.Object, take: bpy.types.Action) -> None:
    """Play the take from where the character's own one begins; a strip shifts it there."""
    data = copy.animation_data or copy.animation_data_create()
    for track in list(data.nla_tracks):
        data.nla_tracks.remove(track)
    compat.assign_action(copy, take)
    slot = compat.slot_of(copy)
    own = character.animation_data.action if character.animation_data else None
    first = (own or take).curve_frame_range[0]
    if first == take.curve_frame_range[0]:
        return
    data.action = None
    strip = data.nla_tracks.new().strips.new(take.name, round(first), take)
    compat.set_strip_slot(strip, slot)
