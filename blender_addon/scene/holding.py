"""Constraints that would move a take's bones elsewhere: keyed properties turn them off.

A constraint on a keyed bone, or an IK chain that runs through one, is muted on the take's first
frame; muting holds against drivers of its influence, too. Where other bones follow the keyed ones
only while a property of the rig says so (IK-FK switches of control rigs), that property is keyed.
Rigs whose switches a preset names (Rigify) are left to :mod:`.controls`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

import bpy
import numpy as np

from ..backend_access import retarget
from . import compat

_CHAINS = ("IK", "SPLINE_IK")
_COPIES = ("COPY_ROTATION", "COPY_TRANSFORMS", "COPY_LOCATION")
_DRIVEN = re.compile(r'^pose\.bones\["(.+)"\]\.constraints\["(.+)"\]\.influence$')
_CUSTOM = re.compile(r'^(?:pose\.bones\["[^\n]+"\])?\["[^\n]+"\]$')
_SHOWN = 6
"""So many bones are named in a sentence."""


def holding(
    armature: bpy.types.Object, bones: Collection[str]
) -> list[tuple[bpy.types.PoseBone, bpy.types.Constraint]]:
    """Constraints that act on some bones and are on, or off only by the Action that is active."""
    keyed = {curve.data_path for curve in compat.active_curves(armature)}
    driven = _driven_influences(armature)
    wanted, found = set(bones), []
    for bone in armature.pose.bones if armature.pose else ():
        for constraint in bone.constraints:
            off = constraint.mute and mute_path(bone, constraint) not in keyed
            weak = constraint.influence <= 0.0 and (bone.name, constraint.name) not in driven
            if not off and not weak and not wanted.isdisjoint(_moved_by(bone, constraint)):
                found.append((bone, constraint))
    return found


def mute_path(bone: bpy.types.PoseBone, constraint: bpy.types.Constraint) -> str:
    """Data path of the property that turns a constraint off."""
    return f"{bone.path_from_id()}.{_inside(constraint)}.mute"


def _inside(constraint: bpy.types.Constraint) -> str:
    return f'constraints["{bpy.utils.escape_identifier(constraint.name)}"]'


def _moved_by(bone: bpy.types.PoseBone, constraint: bpy.types.Constraint) -> set[str]:
    if constraint.type not in _CHAINS:
        return {bone.name}
    chain = [bone, *bone.parent_recursive]
    if constraint.type == "IK" and not constraint.use_tail:
        chain = chain[1:]
    return {part.name for part in chain[: constraint.chain_count or None]}


def write(
    curves: compat.ActionCurves, armature: bpy.types.Object, rig: retarget.Rig, frame: float
) -> None:
    """Key what a take needs of the rig's constraints and switches, on one frame.

    What the Action keys already stays as it is.
    """
    if rig.mover:
        return
    keyed = {curve.data_path for curve in curves.fcurves}
    at, bones = np.array([frame]), set(rig.bones.values())
    for bone, constraint in holding(armature, bones):
        path = mute_path(bone, constraint)
        if path not in keyed:
            compat.write_curves(curves, path, at, np.array([[1.0]]), group=bone.name)
    for path, value in switches(armature, bones).items():
        if path not in keyed:
            compat.write_curves(curves, path, at, np.array([[value]]), group="Switches")


def switches(armature: bpy.types.Object, bones: Collection[str]) -> dict[str, float]:
    """Properties of the rig that let other bones copy some bones, and the value that does."""
    found: dict[str, float] = {}
    for curve, bone, constraint in _influences(armature):
        follows = (
            constraint.type in _COPIES
            and constraint.target == armature
            and constraint.subtarget in bones
            and bone.name not in bones
            and not constraint.mute
        )
        told = _switch_of(curve, armature) if follows else None
        if told is not None:
            found.setdefault(*told)
    return found


def told(armature: bpy.types.Object, rig: retarget.Rig) -> str:
    """What the next take turns off that is on now, and the way back; '' if nothing."""
    if rig.mover:
        return ""
    bones = set(rig.bones.values())
    names = list(dict.fromkeys(b.name for b, c in holding(armature, bones) if not c.mute))
    if not names:
        return ""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (
        f"The take turns off the constraints of {armature.name!r} on {', '.join(names[:_SHOWN])}"
        f"{more} (their Mute is keyed). They stay off when you go back to another Action: turn "
        "them on again in the Bone Constraints tab, or key them in it."
    )


def _influences(
    armature: bpy.types.Object,
) -> Iterator[tuple[bpy.types.FCurve, bpy.types.PoseBone, bpy.types.Constraint]]:
    """Drivers of the influence of constraints."""
    for curve in armature.animation_data.drivers if armature.animation_data else ():
        match = _DRIVEN.match(curve.data_path)
        if match is None or curve.mute:
            continue
        bone = armature.pose.bones.get(bpy.utils.unescape_identifier(match.group(1)))
        name = bpy.utils.unescape_identifier(match.group(2))
        constraint = bone.constraints.get(name) if bone else None
        if constraint is not None:
            yield curve, bone, constraint


def _driven_influences(armature: bpy.types.Object) -> set[tuple[str, str]]:
    return {(bone.name, constraint.name) for _, bone, constraint in _influences(armature)}


def _switch_of(curve: bpy.types.FCurve, armature: bpy.types.Object) -> tuple[str, float] | None:
    """The custom property that alone drives an influence, and its value for an influence of 1.

    None for what is not as simple as ``x`` or ``1 - x``.
    """
    driver = curve.driver
    if len(driver.variables) != 1 or driver.variables[0].type != "SINGLE_PROP":
        return None
    variable = driver.variables[0]
    target = variable.targets[0]
    if target.id != armature or not _CUSTOM.match(target.data_path):
        return None
    text = re.sub(r"[\s()]", "", driver.expression)
    straight = driver.type != "SCRIPTED" or text == variable.name
    if not straight and not re.fullmatch(rf"1(?:\.0*)?-{re.escape(variable.name)}", text):
        return None
    ends = [0.0, 1.0] if straight else [1.0, 0.0]
    if len(curve.keyframe_points):
        ends = [curve.evaluate(value) for value in ends]
    return target.data_path, float(ends[1] > ends[0])
