"""Which bone of the character is which joint."""

from __future__ import annotations

import bpy

from .. import joint_list, placement
from ..backend_access import JOINT_NAMES, retarget
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
_NAME = 0.25
"""Share of a line that "Shoulder" needs in a sidebar as wide as Blender opens it."""
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
            text = "Select an armature or the body that wears it"
            draw_text(self.layout, context, text, "INFO")
            return
        joints = mapping.joints_of(armature)
        kind = f" ({joints.kind})" if joints.kind else ""
        icon = "ERROR" if joints.missing else "CHECKMARK"
        head = self.layout.row(align=True)
        draw_text(head, context, f"{armature.name}{kind}: {joints.describe()}", icon)
        # long names of bones do not fit into a sidebar
        head.operator("kinetype.show_joints", text="", icon="WINDOW", emboss=False)
        draw_joints(self.layout, armature)


def draw_joints(layout: bpy.types.UILayout, armature: bpy.types.Object) -> None:
    """The list: a bone picker, the selected bone's button and the confidence of each joint."""
    joints = mapping.joints_of(armature)
    layout = layout.column()
    layout.enabled = armature.data.is_editable
    for title, names in _GROUPS:
        column = layout.column(align=True)
        column.label(text=title)
        for joint in names:
            _draw_joint(column, armature, joint, joints)
    row = layout.row(align=True)
    row.operator("kinetype.joints_detect", icon="FILE_REFRESH")
    row.operator("kinetype.joints_load", text="", icon="FILE_FOLDER")
    row.operator("kinetype.joints_save", text="", icon="FILE_TICK")


def _draw_joint(
    column: bpy.types.UILayout,
    armature: bpy.types.Object,
    joint: str,
    joints: retarget.JointMap,
) -> None:
    """One line; red where a body needs the joint and has no bone for it."""
    split = column.split(factor=_NAME, align=True)
    split.alert = any(joint in missing.split(" or ") for missing in joints.missing)
    # the heading says the side
    split.label(text=joint_list.title(joint.removeprefix("left_").removeprefix("right_")))
    row = split.row(align=True)
    row.prop_search(joint_list.list_of(armature), joint, armature.data, "bones", text="")
    # Blender 4.3 has an eyedropper of its own in an empty field, for a click in the view
    row.operator("kinetype.joint_pick", text="", icon="RESTRICT_SELECT_OFF").joint = joint
    found = joints.joints.get(joint)
    sure = row.row(align=True)
    sure.scale_x = 0.45
    sure.active = found is not None and found.confidence < 0.9
    sure.label(text="" if found is None else f"{100 * found.confidence:.0f} %")


CLASSES = (KINETYPE_PT_joints,)
