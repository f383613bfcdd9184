"""The list of joints: find them anew, take the selected bone, keep and load maps."""

import json
from pathlib import Path

import bpy
from bpy.props import EnumProperty, StringProperty
from bpy_extras.io_utils import ExportHelper, ImportHelper

from .. import joint_list, placement
from ..backend_access import JOINT_NAMES, FormatError, OutputError, atomic, retarget
from ..scene import mapping
from .base import KinetypeOperator

FOLDER = "joint_maps"
"""Below the user's folder of the extension."""


def maps_folder(*, create: bool = False) -> Path:
    """Where a person's maps are kept."""
    package = __package__.rpartition(".operators")[0]
    try:
        return Path(bpy.utils.extension_path_user(package, path=FOLDER, create=create))
    except ValueError:  # not installed as an extension: a checkout
        return Path(bpy.utils.user_resource("CONFIG", path=f"kinetype/{FOLDER}", create=create))


class JointOperator(KinetypeOperator):
    """Shared by the operators on the list of one armature."""

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        armature = placement.shown_armature(context)
        if armature is None:
            return "Select an armature, or the body that wears it"
        if not armature.data.is_editable:
            return f"The bones of {armature.name!r} are linked from another file"
        return ""

    def armature(self, context: bpy.types.Context) -> bpy.types.Object:
        """The armature that is meant."""
        found = placement.shown_armature(context)
        assert found is not None
        return found


class KINETYPE_OT_joints_detect(JointOperator):
    """Find the joints anew by the names and places of the bones; choices made by hand are lost"""

    bl_idname = "kinetype.joints_detect"
    bl_label = "Detect Again"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: bpy.types.Context) -> None:
        armature = self.armature(context)
        mapping.forget(armature)
        self.report({"INFO"}, mapping.joints_of(armature).describe())


class KINETYPE_OT_joint_pick(JointOperator):
    """Take the selected bone for this joint"""

    bl_idname = "kinetype.joint_pick"
    bl_label = "Take the Selected Bone"
    bl_options = {"REGISTER", "UNDO"}

    joint: EnumProperty(
        name="Joint",
        description="Which joint the bone is",
        items=[(j, joint_list.title(j), f"The joint {joint_list.title(j)}") for j in JOINT_NAMES],
    )

    @classmethod
    def description(
        cls, context: bpy.types.Context, properties: bpy.types.OperatorProperties
    ) -> str:
        text = (
            f"Take the bone that is selected in Pose Mode as {joint_list.title(properties.joint)}"
        )
        armature = placement.shown_armature(context)
        found = mapping.joints_of(armature).joints.get(properties.joint) if armature else None
        if found is None:
            return text
        return f"{text}. Now it is {found.bone} ({100 * found.confidence:.0f} %: {found.reason})"

    def run(self, context: bpy.types.Context) -> set[str] | None:
        armature = self.armature(context)
        bone = armature.data.bones.active
        if bone is None:
            return self.refuse("Select a bone in Pose Mode first")
        mapping.remember(armature, mapping.joints_of(armature).with_bone(self.joint, bone.name))
        return None


class KINETYPE_OT_joints_save(JointOperator, ExportHelper):
    """Save the list as a file, for other armatures with the same bones"""

    bl_idname = "kinetype.joints_save"
    bl_label = "Save Joints"
    filename_ext = ".json"
    filter_glob: StringProperty(
        name="Filter",
        description="Files that are shown",
        default="*.json",
        options={"HIDDEN"},
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        name = bpy.path.clean_name(self.armature(context).name)
        self.filepath = str(maps_folder(create=True) / f"{name}.json")
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def run(self, context: bpy.types.Context) -> None:
        armature = self.armature(context)
        data = {"name": armature.name, **mapping.joints_of(armature).to_dict()}
        with atomic.atomic_path(Path(self.filepath)) as temporary:
            try:
                temporary.write_text(json.dumps(data, indent=1), encoding="utf-8")
            except OSError as error:
                raise OutputError(
                    f"Cannot write {self.filepath}: {error.strerror}.", "Choose another folder."
                ) from error


class KINETYPE_OT_joints_load(JointOperator, ImportHelper):
    """Load a list of joints from a file: one that was saved here, or a preset of a rig"""

    bl_idname = "kinetype.joints_load"
    bl_label = "Load Joints"
    bl_options = {"REGISTER", "UNDO"}
    filename_ext = ".json"
    filter_glob: StringProperty(
        name="Filter",
        description="Files that are shown",
        default="*.json",
        options={"HIDDEN"},
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        self.filepath = str(maps_folder()) + "/"
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def run(self, context: bpy.types.Context) -> set[str] | None:
        armature = self.armature(context)
        joints = read_map(Path(self.filepath), armature)
        if not joints.joints:
            return self.refuse(
                f"None of the bones of {Path(self.filepath).name} is in this armature"
            )
        mapping.remember(armature, joints)
        self.report({"INFO"}, joints.describe())
        return None


def read_map(path: Path, armature: bpy.types.Object) -> retarget.JointMap:
    """A saved map, or a preset, as far as the armature has its bones.

    Raises:
        FormatError: the file cannot be read or is neither.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise FormatError(
            f"{path.name} cannot be read: {error}.", "Choose a file that was saved here."
        ) from error
    names = armature.data.bones.keys()
    joints = data.get("joints") if isinstance(data, dict) else None
    if isinstance(joints, dict) and any(isinstance(v, list) for v in joints.values()):
        return retarget.map_of_preset(data, path.name, names)
    return retarget.JointMap.from_dict(data).limited_to(names)


class KINETYPE_OT_show_joints(JointOperator):
    """Show which bone is which joint, and choose those that are missing"""

    bl_idname = "kinetype.show_joints"
    bl_label = "Joints"
    bl_options = {"INTERNAL"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_props_dialog(self, width=460)

    def draw(self, context: bpy.types.Context) -> None:
        from ..panels.joints import draw_joints

        draw_joints(self.layout, self.armature(context))

    def run(self, context: bpy.types.Context) -> None:
        del context


CLASSES = (
    KINETYPE_OT_joints_detect,
    KINETYPE_OT_joint_pick,
    KINETYPE_OT_joints_save,
    KINETYPE_OT_joints_load,
    KINETYPE_OT_show_joints,
)
