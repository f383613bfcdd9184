"""Every switch between Blender versions (4.2 to 5.x), and nothing else.

4.2 and 4.3 have legacy Actions; 4.4 added slots, layers and channelbags and kept
``Action.fcurves`` as a proxy; 5.0 removed the proxy. 4.2 to 4.5 call the rasteriser
``BLENDER_EEVEE_NEXT``, 5.0 ``BLENDER_EEVEE``. 5.0 wants ``media_type`` before a video format.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import bpy
import numpy as np

SLOTTED = hasattr(bpy.types, "ActionSlot")
"""Actions have slots (Blender 4.4 and later)."""

ENGINES = {
    "workbench": "BLENDER_WORKBENCH",
    "eevee": "BLENDER_EEVEE" if bpy.app.version >= (5, 0, 0) else "BLENDER_EEVEE_NEXT",
    "cycles": "CYCLES",
}
"""Our engine names to this Blender's identifiers."""


_LINEAR = bpy.types.Keyframe.bl_rna.properties["interpolation"].enum_items["LINEAR"].value


class ActionCurves:
    """F-curves and groups of one Action for one object, whatever the Action's layout."""

    def __init__(self, fcurves: Any, groups: Any) -> None:
        self.fcurves = fcurves
        self.groups = groups

    def new(self, data_path: str, index: int, group: str) -> bpy.types.FCurve:
        """A new, empty F-curve in a group that is made on first use."""
        curve = self.fcurves.new(data_path, index=index)
        curve.group = self.groups.get(group) or self.groups.new(group)
        return curve


def new_action(
    name: str, owner: bpy.types.Object, *, assign: bool = False
) -> tuple[bpy.types.Action, ActionCurves]:
    """An empty Action with room for ``owner``'s F-curves, assigned to it only on request."""
    action = bpy.data.actions.new(name)
    if not SLOTTED:
        curves = ActionCurves(action.fcurves, action.groups)
    else:
        slot = action.slots.new(id_type="OBJECT", name=owner.name)
        strip = action.layers.new("Layer").strips.new(type="KEYFRAME")
        bag = strip.channelbag(slot, ensure=True)
        curves = ActionCurves(bag.fcurves, bag.groups)
    if assign:
        assign_action(owner, action)
    return action, curves


def write_curves(
    curves: ActionCurves, data_path: str, frames: np.ndarray, values: np.ndarray, *, group: str
) -> None:
    """One new F-curve per column of ``values [T, C]``, a linear key at each of ``frames [T]``.

    Every frame has its key, so straight lines are exact and cannot overshoot. ``foreach_set``
    writes a curve in three calls where ``keyframe_insert`` needs one per key.
    """
    points = np.empty((len(frames), 2), np.float32)
    points[:, 0] = frames
    linear = np.full(len(frames), _LINEAR, np.int32)
    for index in range(values.shape[1]):
        points[:, 1] = values[:, index]
        curve = curves.new(data_path, index, group)
        keyframes = curve.keyframe_points
        keyframes.add(len(points))
        keyframes.foreach_set("co", points.ravel())
        keyframes.foreach_set("interpolation", linear)
        curve.update()


def assign_action(owner: bpy.types.Object, action: bpy.types.Action, slot: object = None) -> None:
    """Make ``action`` the active one of ``owner``, with ``slot``, else with the one made for it."""
    data = owner.animation_data or owner.animation_data_create()
    data.action = action
    if SLOTTED and (suitable := list(data.action_suitable_slots)):
        made = next((s for s in suitable if s.name_display == owner.name), suitable[0])
        data.action_slot = slot or made


def slot_of(owner: bpy.types.Object) -> object:
    """The slot of its active Action that an object uses; None where there are none."""
    return owner.animation_data.action_slot if SLOTTED and owner.animation_data else None


def set_strip_slot(strip: bpy.types.NlaStrip, slot: object) -> None:
    """Let an NLA strip play a slot of its Action."""
    if SLOTTED and slot is not None:
        strip.action_slot = slot


def copied_action(
    owner: bpy.types.Object, source: bpy.types.Action, *, without: Collection[str]
) -> tuple[bpy.types.Action, Any, ActionCurves]:
    """A copy of an Action for the same object, less the F-curves of some data paths.

    Returns:
        The copy, the slot of ``owner`` in it (None where there are no slots), and its F-curves.
    """
    action = source.copy()
    if action.asset_data is not None:
        action.asset_clear()  # one asset must not become two
    if not SLOTTED:
        slot, curves = None, ActionCurves(action.fcurves, action.groups)
    else:
        data = owner.animation_data or owner.animation_data_create()
        # set whenever a slot is assigned, and the same in every copy of an Action
        slot = action.slots.get(data.last_slot_identifier) or next(iter(action.slots), None)
        if slot is None:
            slot = action.slots.new(id_type="OBJECT", name=owner.name)
        layer = action.layers[0] if action.layers else action.layers.new("Layer")
        strip = layer.strips[0] if layer.strips else layer.strips.new(type="KEYFRAME")
        bag = strip.channelbag(slot, ensure=True)
        curves = ActionCurves(bag.fcurves, bag.groups)
    for curve in [curve for curve in curves.fcurves if curve.data_path in without]:
        curves.fcurves.remove(curve)
    return action, slot, curves


def curves_of(owner: bpy.types.Object, action: bpy.types.Action) -> ActionCurves:
    """The F-curves of ``owner``'s slot in its active Action, for writing."""
    if not SLOTTED:
        return ActionCurves(action.fcurves, action.groups)
    layer = action.layers[0] if action.layers else action.layers.new("Layer")
    strip = layer.strips[0] if layer.strips else layer.strips.new(type="KEYFRAME")
    bag = strip.channelbag(owner.animation_data.action_slot, ensure=True)
    return ActionCurves(bag.fcurves, bag.groups)


def active_curves(owner: bpy.types.Object) -> list[bpy.types.FCurve]:
    """The F-curves of the active Action that animate this object, for reading."""
    data = owner.animation_data
    if data is None or data.action is None:
        return []
    if not SLOTTED:
        return list(data.action.fcurves)
    if data.action_slot is None:
        return []
    handle = data.action_slot.handle
    return [
        curve
        for layer in data.action.layers
        for strip in layer.strips
        for bag in strip.channelbags
        if bag.slot_handle == handle
        for curve in bag.fcurves
    ]


def fcurves_of(action: bpy.types.Action) -> list[bpy.types.FCurve]:
    """All F-curves of an Action, for reading."""
    if not SLOTTED:
        return list(action.fcurves)
    return [
        curve
        for layer in action.layers
        for strip in layer.strips
        for bag in strip.channelbags
        for curve in bag.fcurves
    ]


def render_path(path: Path) -> str:
    """A path as ``render.filepath`` wants it: 4.5 and later take ``{name}`` for a template."""
    text = str(path)
    return text.replace("{", "{{").replace("}", "}}") if bpy.app.version >= (4, 5, 0) else text


def set_video_output(scene: bpy.types.Scene) -> None:
    """H.264 in an MP4 container."""
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "VIDEO"
    settings.file_format = "FFMPEG"
    video = scene.render.ffmpeg
    video.format = "MPEG4"
    video.codec = "H264"
    video.constant_rate_factor = "HIGH"
    video.gopsize = 12
    video.audio_codec = "NONE"


def set_image_output(scene: bpy.types.Scene) -> None:
    """8-bit RGB PNG."""
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format = "PNG"
    settings.color_mode = "RGB"
    settings.color_depth = "8"


def mute_file_outputs(scene: bpy.types.Scene) -> None:
    """Keep a compositor from writing files of its own."""
    tree = getattr(scene, "compositing_node_group" if bpy.app.version >= (5, 0, 0) else "node_tree")
    for node in tree.nodes if tree is not None else ():
        if node.bl_idname == "CompositorNodeOutputFile":
            node.mute = True


def set_surface(
    material: bpy.types.Material, colour: tuple[float, float, float], roughness: float
) -> None:
    """Colour (linear) and roughness, for Workbench and for the shader nodes alike."""
    material.diffuse_color = (*colour, 1.0)
    material.roughness = roughness
    for node in material_nodes(material).nodes:
        if node.type == "BSDF_PRINCIPLED":
            node.inputs["Base Color"].default_value = (*colour, 1.0)
            node.inputs["Roughness"].default_value = roughness


def material_nodes(material: bpy.types.Material) -> bpy.types.NodeTree:
    """The shader nodes of a material; 5.x always has them and deprecates ``use_nodes``."""
    if material.node_tree is None:
        material.use_nodes = True
    return material.node_tree


def world_nodes(world: bpy.types.World) -> bpy.types.NodeTree:
    """The shader nodes of a world, as :func:`material_nodes`."""
    if world.node_tree is None:
        world.use_nodes = True
    return world.node_tree
