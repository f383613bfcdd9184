"""Rigs that Rigify generates, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bpy
import pytest

from blender_addon.backend_access import JOINT_NAMES

_DEFORM = {
    "pelvis": "spine",
    "neck": "spine.004",
    "head": "spine.006",
    **{f"spine{number}": f"spine.00{number}" for number in (1, 2, 3)},
    **{
        f"{side}_{joint}": f"{bone}.{side[0].upper()}"
        for side in ("left", "right")
        for joint, bone in (
            ("hip", "thigh"),
            ("knee", "shin"),
            ("ankle", "foot"),
            ("foot", "toe"),
            ("collar", "shoulder"),
            ("shoulder", "upper_arm"),
            ("elbow", "forearm"),
            ("wrist", "hand"),
        )
    },
}
DEFORM = {joint: f"DEF-{_DEFORM[joint]}" for joint in JOINT_NAMES}
"""Joint to the deform bone that begins at it."""


@contextmanager
def enabled() -> Iterator[None]:
    """Rigify as an enabled add-on."""
    addon_utils = pytest.importorskip("addon_utils")
    if addon_utils.enable("rigify", default_set=True) is None:
        pytest.skip("this Blender has no Rigify")
    try:
        yield
    finally:
        for kind in (bpy.types.Operator, bpy.types.Panel):
            for made in kind.__subclasses__():  # those of a rig's own script, run without a module
                if made.__module__ == "builtins" and made.is_registered:
                    bpy.utils.unregister_class(made)  # else 4.5 hangs at exit
        addon_utils.disable("rigify", default_set=True)


def metarig(kind: str) -> bpy.types.Object:
    """A metarig of Rigify, active."""
    getattr(bpy.ops.object, f"armature_{kind}_metarig_add")()
    return bpy.context.object


def generated(meta: bpy.types.Object) -> bpy.types.Object:
    """The rig that Rigify generates from a metarig, active and selected; the metarig is gone."""
    bpy.context.view_layer.objects.active = meta
    bpy.ops.pose.rigify_generate()
    rig = bpy.context.object
    bpy.data.objects.remove(meta)
    bpy.context.view_layer.objects.active = rig
    rig.select_set(True)
    return rig
