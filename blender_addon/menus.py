"""Where our import and export stand among Blender's own: the File menu, and drag and drop."""

from __future__ import annotations

import bpy

from .backend_access import load_motion

LABEL = "Kinetype Motion (.npz, .bvh, .npy, .pkl)"


def _draw_import(self: bpy.types.Menu, context: bpy.types.Context) -> None:
    del context
    self.layout.operator("kinetype.import_motion", text=LABEL)


def _draw_export(self: bpy.types.Menu, context: bpy.types.Context) -> None:
    del context
    self.layout.operator("kinetype.export_motion", text="Kinetype Take (.npz, .bvh, .fbx, .glb)")


class KINETYPE_FH_motion(bpy.types.FileHandler):
    """A motion file dropped into the 3D view goes onto the active character"""

    bl_idname = "KINETYPE_FH_motion"
    bl_label = "Kinetype Motion"
    bl_import_operator = "kinetype.import_motion"
    bl_file_extensions = ";".join(load_motion("io.formats").readable())

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        return context.area is not None and context.area.type == "VIEW_3D"


CLASSES = (KINETYPE_FH_motion,)


def attach() -> None:
    """Add our entries to the File menu."""
    bpy.types.TOPBAR_MT_file_import.append(_draw_import)
    bpy.types.TOPBAR_MT_file_export.append(_draw_export)


def detach() -> None:
    """Take them away again."""
    bpy.types.TOPBAR_MT_file_export.remove(_draw_export)
    bpy.types.TOPBAR_MT_file_import.remove(_draw_import)
