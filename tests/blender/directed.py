"""A directed character in a real Blender, and what Blender shows of it."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from blender_addon import directing, takes
from blender_addon.scene import armature as armatures


def character(rig: Any = None) -> Any:
    """A selected character; the mannequin by default."""
    rig = rig or armatures.create_armature(bpy.context)
    for thing in bpy.context.selected_objects:
        thing.select_set(False)
    bpy.context.view_layer.objects.active = rig
    rig.select_set(True)
    return rig


def empty(*place: float) -> Any:
    made = bpy.data.objects.new("goal", None)
    bpy.context.scene.collection.objects.link(made)
    made.location = place
    bpy.context.view_layer.update()
    return made


def line(*points: tuple[float, float, float]) -> Any:
    """A curve object of straight pieces."""
    data = bpy.data.curves.new("way", "CURVE")
    data.dimensions = "3D"
    spline = data.splines.new("POLY")
    spline.points.add(len(points) - 1)
    for point, place in zip(spline.points, points, strict=True):
        point.co = (*place, 1.0)
    made = bpy.data.objects.new("way", data)
    bpy.context.scene.collection.objects.link(made)
    bpy.context.view_layer.update()
    return made


def wish(rig: Any, kind: str, at: int, **values: Any) -> Any:
    made = directing.add_wish(directing.of(rig), kind, at)
    for name, value in values.items():
        setattr(made, name, value)
    return made


def direct(rig: Any, **values: Any) -> Any:
    """Generate as directed and wait; the new take."""
    for name, value in values.items():
        setattr(directing.of(rig), name, value)
    assert bpy.ops.kinetype.direct(wait=True, timeout=120.0) == {"FINISHED"}
    return rig.animation_data.action


def asked(take: Any) -> dict[str, Any]:
    """The request of a take."""
    info = takes.info_of(take)
    assert info is not None
    return info.meta["request"]


def head(rig: Any, joint: str, frame: int) -> np.ndarray:
    """Where a joint's bone begins in the world, as Blender shows it."""
    bpy.context.scene.frame_set(frame)
    posed = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
    bone = armatures.find_bones(rig)[joint]
    return np.array(posed.matrix_world @ posed.pose.bones[bone].head)


def heads(rig: Any, frame: int) -> np.ndarray:
    """``[J, 3]`` of all mapped joints."""
    bpy.context.scene.frame_set(frame)
    posed = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
    bones = armatures.find_bones(rig).values()
    return np.array([posed.matrix_world @ posed.pose.bones[bone].head for bone in bones])


def turns(rig: Any, frame: int) -> np.ndarray:
    """``[J, 3, 3]`` of all mapped bones in the world."""
    bpy.context.scene.frame_set(frame)
    posed = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
    bones = armatures.find_bones(rig).values()
    return np.array(
        [(posed.matrix_world @ posed.pose.bones[b].matrix).to_3x3().normalized() for b in bones]
    )


def apart(a: np.ndarray, b: np.ndarray) -> float:
    """The largest angle between rotations, in degrees."""
    cosine = (np.einsum("jik,jik->j", a, b) - 1.0) / 2.0
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))).max())
