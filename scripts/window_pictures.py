#!/usr/bin/env python3
"""Pictures of the list of joints for docs/blender.md, out of a real Blender window.

Installs the built extension with Blender's own command into a folder of its own, opens a window on
a virtual display, shows two characters (one whose joints are all found, one that lost a leg and so
is refused) and cuts the sidebar out of the screen. In the same window it imports a motion file as
the File menu and as drag and drop do, and opens the list as a dialog. Whatever Python complains
about on Blender's error output fails the run.

Usage::

    python scripts/window_pictures.py [--kit DIR] [--out DIR] [--keep DIR]

Which Blender that is, and what is needed for it, says ``blender_window.py`` beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import blender_window

ROOT = Path(__file__).resolve().parent.parent
MOTION = ROOT / "tests" / "motion" / "files" / "01_tpose.bvh"
WIDTH, HEIGHT = 1280, 1700
"""The screen: high enough that the whole list is seen without scrolling."""
PAUSE_S = 1.5
"""What Blender has to draw each thing."""
WHOLE, INCOMPLETE, LOST = "mpfb_mixamo", "quaternius_man", "left_knee"
"""A skeleton with all joints, one with some; the second loses the bones from this joint on."""


# outside of Blender


def main() -> int:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description="Pictures of the list of joints.")
    default = os.environ.get("KINETYPE_KIT", str(ROOT.parent / "shared" / "kit"))
    parser.add_argument("--kit", type=Path, default=Path(default))
    parser.add_argument("--extension", type=Path, help="the zip; by default one that is built now")
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    parser.add_argument("--keep", type=Path, help="also keep every screen, whole, in this folder")
    options = parser.parse_args()
    try:
        command = blender_window.blender()
        zipped = blender_window.extension(options.extension)
        with tempfile.TemporaryDirectory() as folder:
            environment = blender_window.install(command, zipped, Path(folder, "user"))
            kit = str(options.kit.resolve())
            size = (WIDTH, HEIGHT)
            return blender_window.drive(
                command, environment, "window_pictures", size, [kit], partial(_keep, options)
            )
    except blender_window.WindowError as error:
        parser.error(str(error))


def _keep(options: argparse.Namespace, message: dict, picture: Any) -> None:
    """A picture, as Blender's message asks for it."""
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
        picture.save(options.keep / f"{message['name']}.png")
    if message["area"]:
        cut = _trimmed(picture.crop(message["area"])).quantize(128)
        options.out.mkdir(parents=True, exist_ok=True)
        cut.save(options.out / f"{message['name']}.png", optimize=True)


def _trimmed(picture: Any) -> Any:
    """Without the empty end of the sidebar."""
    last = picture.height - 16  # below are the rounded corners
    empty = picture.crop((0, last, picture.width, last + 1)).tobytes()
    while last and picture.crop((0, last, picture.width, last + 1)).tobytes() == empty:
        last -= 1
    return picture.crop((0, 0, picture.width, min(last + 12, picture.height)))


# inside of Blender


def inside() -> None:
    """Show one thing after the other."""
    blender_window.perform(tour(Path(blender_window.given()[0])))


def tour(kit: Path) -> Iterator[float]:
    """What is shown; Blender draws at every ``yield``."""
    import bpy

    _open_list()
    yield PAUSE_S
    for name, skeleton, lost in (
        ("joints-found", WHOLE, ""),
        ("joints-missing", INCOMPLETE, LOST),
    ):
        rig = make_rig(kit, skeleton, lost)
        yield PAUSE_S
        # the tab exists once the sidebar was drawn
        _sidebar().active_panel_category = "Kinetype"
        _view().tag_redraw()
        yield PAUSE_S
        _picture(name, crop=True)
        yield PAUSE_S
        if not lost:
            yield from _import(rig)
        bpy.data.objects.remove(rig)
    yield from _menu()


def _import(rig: Any) -> Iterator[float]:
    """A motion file onto the rig: by its path, and as drag and drop calls it."""
    import bpy

    handlers = [kind.__name__ for kind in bpy.types.FileHandler.__subclasses__()]
    assert "KINETYPE_FH_motion" in handlers, handlers
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0], area=_view()):
        dropped = {"directory": str(MOTION.parent), "files": [{"name": MOTION.name}]}
        for arguments, call in (({"filepath": str(MOTION)}, ()), (dropped, ("INVOKE_DEFAULT",))):
            before = set(bpy.data.actions)
            assert bpy.ops.kinetype.import_motion(*call, **arguments) == {"FINISHED"}
            made = set(bpy.data.actions) - before
            assert len(made) == 1 and rig.animation_data.action in made, made
    yield PAUSE_S
    _picture("imported")
    yield PAUSE_S
    window = bpy.context.window_manager.windows[0]
    with bpy.context.temp_override(window=window, area=_view(), region=_sidebar()):
        bpy.ops.kinetype.show_joints("INVOKE_DEFAULT")
    yield PAUSE_S
    _picture("dialog")
    yield PAUSE_S


def _menu() -> Iterator[float]:
    """File > Import, opened."""
    import bpy

    window = bpy.context.window_manager.windows[0]
    with bpy.context.temp_override(window=window, area=_view()):
        bpy.ops.wm.call_menu(name="TOPBAR_MT_file_import")
    yield PAUSE_S
    _picture("menu")
    yield PAUSE_S


def _view() -> Any:
    """The 3D view."""
    import bpy

    areas = bpy.context.window_manager.windows[0].screen.areas
    return next(area for area in areas if area.type == "VIEW_3D")


def _sidebar() -> Any:
    return next(region for region in _view().regions if region.type == "UI")


def _open_list() -> None:
    """An empty scene, the sidebar shown, the list of joints unfolded, other panels folded."""
    import bpy
    import window_mouse

    for thing in list(bpy.data.objects):
        bpy.data.objects.remove(thing)
    package = window_mouse.package()
    settings = bpy.context.preferences.addons[package].preferences
    # nothing is generated, and that no backend is installed is another page's picture
    settings.backend, settings.command = "COMMAND", sys.executable
    window_mouse.unfold({"joints"}, package)


def _picture(name: str, *, crop: bool = False) -> None:
    """Ask for a picture and wait until it is taken; of the sidebar only, or of the screen."""
    area = blender_window.crop_of(_sidebar(), HEIGHT) if crop else None
    blender_window.ask({"name": name, "area": area})


def make_rig(kit: Path, name: str, lost: str) -> Any:
    """A skeleton of the kit as the active armature, without the bones from a joint on."""
    import bpy
    from mathutils import Matrix, Vector

    data = json.loads((kit / "rigs" / "skeletons" / f"{name}.json").read_text(encoding="utf-8"))
    armature = bpy.data.armatures.new(name)
    rig = bpy.data.objects.new(name, armature)
    bpy.context.scene.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    rig.select_set(True)
    bpy.ops.object.mode_set(mode="EDIT")
    for bone in data["bones"]:
        made = armature.edit_bones.new(bone["name"])
        made.head, made.tail = bone["head"], bone["tail"]
        rest = Matrix(bone["matrix_local"]).to_4x4()
        rest.translation = Vector(bone["head"])
        length = made.length
        made.matrix = rest
        made.length = length
        made.parent = armature.edit_bones.get(bone["parent"] or "")
    bpy.ops.object.mode_set(mode="OBJECT")
    rig.matrix_world = Matrix(data["object"]["matrix_world"])
    if lost:
        first = getattr(armature.kinetype_joint_list, lost)
        gone = [first, *(bone.name for bone in armature.bones[first].children_recursive)]
        bpy.ops.object.mode_set(mode="EDIT")
        for bone_name in gone:
            armature.edit_bones.remove(armature.edit_bones[bone_name])
        bpy.ops.object.mode_set(mode="OBJECT")
    return rig


if __name__ == "__main__":
    raise SystemExit(main())
