"""Motion files onto a character, and takes out of Blender."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import bpy
from bpy.props import BoolProperty, FloatProperty, IntProperty, StringProperty
from bpy_extras.io_utils import ExportHelper, ImportHelper

from .. import placement
from ..backend_access import (
    InvalidRequest,
    KinetypeError,
    Motion,
    Result,
    load_files,
    load_motion,
)
from ..scene import action as actions
from ..scene import exporting, reading
from ..scene.action import scene_fps
from .base import KinetypeOperator


def read_file(
    path: Path, fps: float | None = None, sample: int | None = None
) -> tuple[Motion, tuple[str, ...]]:
    """A motion file as motion_135 with notes of where it came from, and what is told of it.

    Args:
        fps: instead of what the file says, for those that do not say it.
        sample: which of several motions of the file.

    Raises:
        FormatError: whatever ``kinetype convert`` would not read either.
    """
    files = load_files()
    clip = files.load.read_clip(path, fps=fps, sample=sample)
    warnings = clip.warnings
    if clip.representation != "motion135":
        clip = files.convert.convert(clip.data, clip.representation, "motion135", fps=clip.fps)
    meta = {"prompt": path.stem, "model": "", "source": path.name, "source_fps": clip.fps}
    if path.suffix.lower() == ".npz":
        notes = files.npz.read_notes(path)
        meta = {**meta, **{k: v for k, v in notes.items() if v not in (None, "")}}
    return Motion(clip.data, clip.fps, meta), warnings


class KINETYPE_OT_import_motion(KinetypeOperator, ImportHelper):
    """Key a motion file (.npz, .bvh, .npy, .pkl: whatever kinetype convert reads) on the active
    character as a take, from the current frame
    """

    bl_idname = "kinetype.import_motion"
    bl_label = "Import Motion"
    bl_options = {"REGISTER", "UNDO"}

    filename_ext = ".npz"
    filter_glob: StringProperty(
        name="Filter",
        description="Files that are shown",
        default=";".join(f"*{suffix}" for suffix in load_motion("io.formats").readable()),
        options={"HIDDEN"},
    )
    directory: StringProperty(
        name="Folder",
        description="Folder of the files that were dropped",
        subtype="DIR_PATH",
        options={"HIDDEN", "SKIP_SAVE"},
    )
    files: bpy.props.CollectionProperty(
        name="Files",
        description="Files that were dropped or chosen together",
        type=bpy.types.OperatorFileListElement,
        options={"HIDDEN", "SKIP_SAVE"},
    )
    fps: FloatProperty(
        name="Source Rate",
        description="Frames per second of the file where it does not say so (.npy); 0 as it says",
        default=0.0,
        min=0.0,
        max=1000.0,
    )
    sample: IntProperty(
        name="Motion",
        description="Which motion of a file that holds several (persons of a video, samples); "
        "the first is 0",
        default=0,
        min=0,
    )
    start_frame: IntProperty(
        name="Start",
        description="Frame of the first key; by default the current frame",
        options={"SKIP_SAVE"},
    )

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        try:
            placement.find_target(context)
        except KinetypeError as error:
            return str(error)
        return ""

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if self.directory and self.files:  # dropped into the view
            return self.execute(context)
        if not self.properties.is_property_set("start_frame"):
            self.start_frame = context.scene.frame_current  # or the file browser says 0
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def run(self, context: bpy.types.Context) -> None:
        names = [file.name for file in self.files if file.name]
        paths = [Path(self.directory) / name for name in names] if self.directory and names else []
        paths = paths or [Path(bpy.path.abspath(self.filepath))]
        chosen = self.sample if self.properties.is_property_set("sample") else None
        read = [read_file(path, self.fps or None, chosen) for path in paths]
        motions = tuple(motion for motion, _ in read)
        start = self.start_frame if self.properties.is_property_set("start_frame") else None
        where = placement.capture(context, start_frame=start)
        placed = placement.place(context, Result(motions=motions, id=""), where)
        told = [f"{p.name}: {text}" for p, (_, texts) in zip(paths, read, strict=True)
                for text in texts]  # fmt: skip
        for text in filter(None, (*told, placed.message, placed.warning)):
            self.report({"WARNING"}, text)
        self.report({"INFO"}, f"{len(placed.takes)} take(s) on {placed.armature.name!r}")


class KINETYPE_OT_export_motion(KinetypeOperator, ExportHelper):
    """Save what the active character performs: .npz (motion_135), .bvh, .fbx or .glb"""

    bl_idname = "kinetype.export_motion"
    bl_label = "Export Motion"

    filename_ext = ".npz"
    check_extension = None
    filter_glob: StringProperty(
        name="Filter",
        description="Files that are shown",
        default="*.npz;*.bvh;*.fbx;*.glb",
        options={"HIDDEN"},
    )
    root_bone: BoolProperty(
        name="Root Bone",
        description="The way through the room is on a root bone on the floor, as game engines"
        " expect it (.fbx and .glb)",
    )
    centimetres: BoolProperty(name="Centimetres", description="Unit of a .bvh instead of metres")

    @classmethod
    def problem(cls, context: bpy.types.Context) -> str:
        try:
            armature = placement.find_character(context)
        except KinetypeError as error:
            return str(error)
        if armature is None:
            return "Select the character whose take you want to save"
        return "" if reading.frames_of(armature) else f"{armature.name!r} has no motion yet"

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if not self.filepath:  # type: ignore[has-type]
            armature = placement.find_character(context)
            self.filepath = bpy.path.clean_name(armature.name if armature else "take") + ".npz"
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def run(self, context: bpy.types.Context) -> None:
        armature = placement.find_character(context)
        if armature is None:
            raise InvalidRequest("No character is selected.", "Select the one to save.")
        path = Path(bpy.path.abspath(self.filepath))
        writer = _WRITERS.get(path.suffix.lower())
        if writer is None:
            raise InvalidRequest(
                f"{path.name} has no suffix that can be written.",
                f"End it in {', '.join(sorted(_WRITERS))}.",
            )
        writer(self, context, armature, path)
        self.report({"INFO"}, f"Saved {path.name}")


Writer = Callable[[KINETYPE_OT_export_motion, bpy.types.Context, bpy.types.Object, Path], None]


def _performed(context: bpy.types.Context, armature: bpy.types.Object) -> Motion:
    performance = reading.read_performance(armature, context.scene)
    notes = actions.read_description(performance.action) or {"prompt": performance.action.name}
    return replace(performance.motion, fps=scene_fps(context.scene), meta=notes)


def _npz(
    operator: KINETYPE_OT_export_motion,
    context: bpy.types.Context,
    armature: bpy.types.Object,
    path: Path,
) -> None:
    load_files().npz.write_motion(path, _performed(context, armature))


def _bvh(
    operator: KINETYPE_OT_export_motion,
    context: bpy.types.Context,
    armature: bpy.types.Object,
    path: Path,
) -> None:
    unit = "cm" if operator.centimetres else "m"
    load_files().bvh.write_motion(path, _performed(context, armature), unit=unit)


def _scene_file(
    operator: KINETYPE_OT_export_motion,
    context: bpy.types.Context,
    armature: bpy.types.Object,
    path: Path,
) -> None:
    exporting.write(context, armature, path, root_bone=operator.root_bone)


_WRITERS: dict[str, Writer] = {".npz": _npz, ".bvh": _bvh, ".fbx": _scene_file, ".glb": _scene_file}

CLASSES = (KINETYPE_OT_import_motion, KINETYPE_OT_export_motion)
