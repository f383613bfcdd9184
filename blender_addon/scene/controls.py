"""Control rigs in a scene: how their controls hang together, and the state that a take needs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import bpy
import numpy as np

from ..backend_access import JOINT_NAMES, ArmatureError, retarget
from . import compat, mapping

PLACING = ("location", "scale", "rotation_quaternion", "rotation_axis_angle", "rotation_euler")
_SAME = 1e-3
"""Switches are sliders: a person's 1 may be a rounded one."""


def rig_of(armature: bpy.types.Object) -> retarget.Rig:
    """The rig that an armature is, with the names of its own bones.

    Raises:
        ArmatureError: bones or switches are missing (the message lists them).
    """
    bones = armature.data.bones
    rig = mapping.rig_of(armature)
    if not rig.mover:
        return rig
    missing = [f"{s.name} of {s.bone}" for s in rig.switches if _value(armature, s) is None]
    if missing:
        raise ArmatureError(
            f"The {rig.name} rig {armature.name!r} lacks {', '.join(missing)}.", rig.needs
        )
    return retarget.settle(rig, lambda name: bones[name].parent and bones[name].parent.name)


def _value(armature: bpy.types.Object, switch: retarget.Switch) -> float | None:
    """The present value of a switch; None where the rig has no such number."""
    bone = armature.pose and armature.pose.bones.get(switch.bone)
    if not bone:  # a script has just made the object: its pose has no properties yet
        return switch.value
    value = bone.get(switch.name)
    return float(value) if isinstance(value, (int, float)) else None


def switch_path(switch: retarget.Switch) -> str:
    """Data path of a switch."""
    bone, name = map(bpy.utils.escape_identifier, (switch.bone, switch.name))
    return f'pose.bones["{bone}"]["{name}"]'


def limbs_of(rig: retarget.Rig) -> list[list[int]]:
    """Joints that have a switch in common, as numbers."""
    return [[JOINT_NAMES.index(joint) for joint in switch.joints] for switch in rig.switches]


def driven_switches(armature: bpy.types.Object, rig: retarget.Rig) -> list[str]:
    """Switches that a driver sets, whatever a take says."""
    drivers = armature.animation_data.drivers if armature.animation_data else ()
    paths = {driver.data_path for driver in drivers if not driver.mute}
    return [f"{s.name} of {s.bone}" for s in rig.switches if switch_path(s) in paths]


def write_switches(
    curves: compat.ActionCurves, rig: retarget.Rig, frame: float, joints: Collection[str]
) -> None:
    """Key the switches of some joints on one frame, those that the Action does not key yet."""
    keyed = {curve.data_path for curve in curves.fcurves}
    for switch in rig.switches:
        path = switch_path(switch)
        if path not in keyed and not set(switch.joints).isdisjoint(joints):
            value = np.array([[switch.value]])
            compat.write_curves(curves, path, np.array([frame]), value, group=switch.bone)


def state_paths(
    armature: bpy.types.Object, rig: retarget.Rig, joints: Collection[str], *, still: bool
) -> set[str]:
    """Data paths of the switches of some joints and, if asked, of the controls to be at rest."""
    paths = {switch_path(s) for s in rig.switches if not set(s.joints).isdisjoint(joints)}
    for bone in rig.still if still else ():
        base = armature.pose.bones[bone].path_from_id()
        paths |= {f"{base}.{name}" for name in PLACING}
    return paths


@dataclass(frozen=True)
class Unkeyed:
    """Switches whose values an Action does not key: Blender keeps those that a take leaves."""

    action: str
    values: dict[retarget.Switch, float]


def unkeyed_switches(armature: bpy.types.Object) -> Unkeyed:
    """Switches that the active Action of an armature leaves to the person; without one, none."""
    data = armature.animation_data
    if data is None or data.action is None:
        return Unkeyed("", {})
    keyed = {curve.data_path for curve in compat.active_curves(armature)}
    free = [s for s in rig_of(armature).switches if switch_path(s) not in keyed]
    values = {switch: _value(armature, switch) for switch in free}
    return Unkeyed(data.action.name, {s: v for s, v in values.items() if v is not None})


def left_behind(before: Unkeyed, take: bpy.types.Action) -> str:
    """What a take changes for the Action that was active, and the way back; '' if nothing."""
    keyed = {curve.data_path for curve in compat.fcurves_of(take)}
    found: dict[str, list[str]] = {}
    for switch, value in before.values.items():
        if abs(value - switch.value) > _SAME and switch_path(switch) in keyed:
            found.setdefault(f"{switch.name} = {value:g}", []).append(switch.bone)
    if not found:
        return ""
    values = "; ".join(f"{value} ({', '.join(bones)})" for value, bones in found.items())
    return (
        f"The Action {before.action!r} does not key {values}, which the take changes. Set them "
        "again when you go back to that Action, or key them in it."
    )


def is_unlike_takes(
    armature: bpy.types.Object,
    rig: retarget.Rig,
    curves: dict[tuple[str, int], bpy.types.FCurve],
    at: range,
) -> bool:
    """Whether an Action has a switch of the rig elsewhere than a take needs it, on any frame."""
    for switch in rig.switches:
        curve = curves.get((switch_path(switch), 0))
        present = _value(armature, switch) or 0.0
        values = np.array([present] if curve is None else [curve.evaluate(frame) for frame in at])
        if np.abs(values - switch.value).max() > _SAME:
            return True
    return False
