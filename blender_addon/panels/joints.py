"""Which bone of the character is which joint."""

from __future__ import annotations

import bpy

from .. import joint_list, placement
from ..backend_access import JOINT_NAMES
from ..scene import mapping
from .main import KinetypePanel
from .status import draw_text

_GROUPS = (
    ("Trunk", ("pelvis", "spine1", "spine2", "spine3", "neck", "head")),
    ("Left Arm", tuple(f"left_{p}" for p in ("collar", "shoulder", "elbow", "wrist"))),
    ("Right Arm", tuple(f"right_{p}" for p in ("collar", "shoulder", "elbow", "wrist"))),
    ("Left Leg", tuple(f"left_{p}" for p in ("hip", "knee", "ankle", "foot"))),
    ("Right Leg", tuple(f"right_{p}" for p in ("hip", "knee", "ankle", "foot"))),
)
assert sorted(j for _, joints in _GROUPS for j in joints) == sorted(JOINT_NAMES)


class KINETYPE_PT_joints(KinetypePanel, bpy.types.Panel):
    """Which bone of the selected armature is which joint of a body"""

    bl_idname = "KINETYPE_PT_joints"
    bl_parent_id = "KINETYPE_PT_main"
    bl_label = "Joints"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        armature = placement.shown_armature(context)
        if armature is None:
            self.layout.label(text="Select an armature or the body that wears it")
            return
        joints = mapping.joints_of(armature)
        kind = f" ({joints.kind})" if joints.kind else ""
        icon = "ERROR" if joints.missing else "CHECKMARK"
        draw_text(self.layout, context, f"{armature.name}{kind}: {joints.describe()}", icon)
        draw_joints(self.layout, armature)


def draw_joints(layout: bpy.types.UILayout, armature: bpy.types.Object) -> None:
    """The list: a bone picker, an eyedropper and the confidence of each joint."""
    group, joints = joint_list.list_of(armature), mapping.joints_of(armature)
    layout = layout.column()
    layout.enabled = armature.data.is_editable
    for title, names in _GROUPS:
        column = layout.column(align=True)
        column.label(text=title)
        for joint in names:
            row = column.row(align=True)
            row.alert = joint in joints.missing
            label = row.row(align=True)
            label.scale_x = 0.8
            label.label(text=joint_list.title(joint))
            row.prop_search(group, joint, armature.data, "bones", text="")
            row.operator("kinetype.joint_pick", text="", icon="EYEDROPPER").joint = joint
            found = joints.joints.get(joint)
            sure = row.row(align=True)
            sure.scale_x = 0.45
            sure.active = found is not None and found.confidence < 0.9
            sure.label(text="" if found is None else f"{100 * found.confidence:.0f} %")
    row = layout.row(align=True)
    row.operator("kinetype.joints_detect", icon="FILE_REFRESH")
    row.operator("kinetype.joints_load", text="", icon="FILE_FOLDER")
    row.operator("kinetype.joints_save", text="", icon="FILE_TICK")


CLASSES = (KINETYPE_PT_joints,)
