#!/usr/bin/env python3
"""Pictures of the list of joints for docs/blender.md, out of a real Blender window.

Installs the built extension with Blender's own command into a folder of its own, opens a window on
a virtual display, shows two characters (one whose joints are all found, one that lost a leg and so
is refused) and cuts the sidebar out of the screen. In the same window it imports a motion file as
the File menu and as drag and drop do, and opens the list as a dialog. Whatever Python complains
about on Blender's error output fails the run.

Usage::

    python scripts/build_extension.py
    KINETYPE_BLENDER=blender python scripts/window_pictures.py [--kit DIR] [--out DIR] [--keep DIR]

``KINETYPE_BLENDER`` is the command of Blender 4.2 or later (the bpy module has no window). It may
have arguments, and be a wrapper, for instance one that enters a chroot of Debian trixie in which
``apt-get install blender libegl1 libgl1-mesa-dri python3-numpy`` ran; it must see these files and
the folder for temporary files under the same paths. Needs Xvfb and Pillow; no graphics card.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parent.parent
MOTION = ROOT / "tests" / "motion" / "files" / "01_tpose.bvh"
WIDTH, HEIGHT = 1280, 1700
"""The screen: high enough that the whole list is seen without scrolling."""
SETTLE_S = 2.0
"""Software rendering needs this long to show what changed."""
MARK = "WINDOW"
PANELS = ("joints", "takes", "edit", "clean_up", "advanced")
WHOLE, INCOMPLETE, LOST = "mpfb_mixamo", "quaternius_man", "left_knee"
"""A skeleton with all joints, one with some; the second loses the bones from this joint on."""
PREFERENCES = """
import bpy
bpy.context.preferences.view.show_splash = False
bpy.context.preferences.system.use_region_overlap = False
bpy.ops.wm.save_userpref()
"""
COMPLAINTS = ("Traceback", "Error:", "unknown operator", "property not found", "not registered")
NO_BLENDER = (
    "KINETYPE_BLENDER is not set. It is the command of Blender 4.2 or later: of a download from"
    " blender.org, or of a package (Debian trixie has 4.3; `apt-get install blender`)."
)


# outside of Blender


def main() -> int:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description="Pictures of the list of joints.")
    default = os.environ.get("KINETYPE_KIT", str(ROOT.parent / "shared" / "kit"))
    parser.add_argument("--kit", type=Path, default=Path(default))
    parser.add_argument("--extension", type=Path, help="the zip; by default the newest in dist/")
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    parser.add_argument("--keep", type=Path, help="also keep every screen, whole, in this folder")
    options = parser.parse_args()
    command = shlex.split(os.environ.get("KINETYPE_BLENDER", ""))
    if not command or shutil.which(command[0]) is None:
        parser.error(NO_BLENDER)
    if shutil.which("Xvfb") is None:
        parser.error("Xvfb is missing (`apt-get install xvfb`).")
    found = sorted((ROOT / "dist").glob("kinetype-*.zip"), key=lambda path: path.stat().st_mtime)
    extension = options.extension or (found[-1] if found else None)
    if extension is None or not extension.is_file():
        parser.error("No extension: run scripts/build_extension.py first.")
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "BLENDER_USER_RESOURCES": str(Path(folder, "user"))}
        install = ["--command", "extension", "install-file", "-r", "user_default", "-e"]
        subprocess.run([*command, *install, str(extension.resolve())], env=environment, check=True)
        # a script runs too late to keep the splash screen away
        plain = ["--background", "--python-expr", PREFERENCES]
        subprocess.run([*command, *plain], env=environment, check=True, stdout=subprocess.DEVNULL)
        return _photograph(command, environment, Path(folder), options)


def _photograph(
    command: list[str], environment: dict[str, str], folder: Path, options: argparse.Namespace
) -> int:
    """Run Blender on a display of its own; a picture at every line that it asks for one with."""
    display, server = _display(folder)
    try:
        script = ["--window-geometry", "0", "0", str(WIDTH), str(HEIGHT), "--python", __file__]
        complaints = folder / "stderr.txt"
        with complaints.open("wb") as errors:
            window = subprocess.Popen(
                [*command, *script, "--", str(options.kit.resolve())],
                env={**environment, "DISPLAY": display},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
            assert window.stdout is not None and window.stdin is not None
            done = _follow(window.stdout, window.stdin, folder, options)
            code = window.wait(timeout=60)
    finally:
        server.terminate()
        server.wait()
    said = complaints.read_text(errors="replace")
    bad = [line for line in said.splitlines() if any(word in line for word in COMPLAINTS)]
    if bad:
        print(said, file=sys.stderr)
    print(f"Blender ended with {code}; {len(bad)} complaints on its error output")
    return 0 if done and not code and not bad else 1


def _display(folder: Path) -> tuple[str, subprocess.Popen]:
    """A virtual screen whose pixels are a file in the folder."""
    reader, writer = os.pipe()
    screen = ["-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-fbdir", str(folder), "-nolisten", "tcp"]
    server = subprocess.Popen(["Xvfb", "-displayfd", str(writer), *screen], pass_fds=(writer,))
    os.close(writer)
    with os.fdopen(reader) as number:
        return f":{number.readline().strip()}", server


def _follow(lines: IO[str], answers: IO[str], folder: Path, options: argparse.Namespace) -> bool:
    """Do what Blender's lines ask for; whether it came to its end."""
    for line in lines:
        kind, _, rest = line.strip().partition(" ")
        if kind != MARK:
            print(line.rstrip())
            continue
        message = json.loads(rest)
        if "done" in message:
            return True
        time.sleep(SETTLE_S)
        screen = _screen(folder / "Xvfb_screen0")
        if options.keep is not None:
            options.keep.mkdir(parents=True, exist_ok=True)
            screen.save(options.keep / f"{message['name']}.png")
        if message["area"]:
            cut = _trimmed(screen.crop(message["area"])).quantize(128)
            options.out.mkdir(parents=True, exist_ok=True)
            cut.save(options.out / f"{message['name']}.png", optimize=True)
        answers.write("\n")
        answers.flush()
    return False


def _screen(path: Path) -> Any:
    """The picture in a framebuffer file of Xvfb (X window dump: 32 bits per pixel)."""
    from PIL import Image

    data = path.read_bytes()
    words = [int.from_bytes(data[i : i + 4], "big") for i in range(0, 100, 4)]
    width, height, stride, colours = words[4], words[5], words[12], words[19]
    start = words[0] + 12 * colours
    order = "BGRX" if words[7] == 0 else "XRGB"
    return Image.frombuffer("RGB", (width, height), data[start:], "raw", order, stride, 1)


def _trimmed(picture: Any) -> Any:
    """Without the empty end of the sidebar."""
    last = picture.height - 16  # below are the rounded corners
    empty = picture.crop((0, last, picture.width, last + 1)).tobytes()
    while last and picture.crop((0, last, picture.width, last + 1)).tobytes() == empty:
        last -= 1
    return picture.crop((0, 0, picture.width, min(last + 12, picture.height)))


# inside of Blender


def inside(kit: Path) -> None:
    """Show one thing after the other; the timer leaves Blender time to draw each."""
    import bpy

    steps = tour(kit)

    def step() -> float | None:
        try:
            next(steps)
        except StopIteration:
            _ask({"done": True})
            bpy.ops.wm.quit_blender()
            return None
        except Exception:
            traceback.print_exc()
            os._exit(1)  # Blender would go on showing its window
        return 1.5

    bpy.app.timers.register(step, first_interval=2.0)


def _ask(message: dict) -> None:
    print(MARK, json.dumps(message), flush=True)


def tour(kit: Path) -> Iterator[None]:
    """What is shown; Blender draws at every ``yield``."""
    import bpy

    _open_list()
    yield
    for name, skeleton, lost in (
        ("joints-found", WHOLE, ""),
        ("joints-missing", INCOMPLETE, LOST),
    ):
        rig = make_rig(kit, skeleton, lost)
        yield
        # the tab exists once the sidebar was drawn
        _sidebar().active_panel_category = "Kinetype"
        _view().tag_redraw()
        yield
        _picture(name, crop=True)
        yield
        if not lost:
            yield from _import(rig)
        bpy.data.objects.remove(rig)
    yield from _menu()


def _import(rig: Any) -> Iterator[None]:
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
    yield
    _picture("imported")
    yield
    window = bpy.context.window_manager.windows[0]
    with bpy.context.temp_override(window=window, area=_view(), region=_sidebar()):
        bpy.ops.kinetype.show_joints("INVOKE_DEFAULT")
    yield
    _picture("dialog")
    yield


def _menu() -> Iterator[None]:
    """File > Import, opened."""
    import bpy

    window = bpy.context.window_manager.windows[0]
    with bpy.context.temp_override(window=window, area=_view()):
        bpy.ops.wm.call_menu(name="TOPBAR_MT_file_import")
    yield
    _picture("menu")
    yield


def _view() -> Any:
    """The 3D view."""
    import bpy

    areas = bpy.context.window_manager.windows[0].screen.areas
    return next(area for area in areas if area.type == "VIEW_3D")


def _sidebar() -> Any:
    return next(region for region in _view().regions if region.type == "UI")


def _open_list() -> None:
    """An empty scene, the sidebar shown, the list of joints unfolded, other panels folded."""
    import addon_utils
    import bpy

    for thing in list(bpy.data.objects):
        bpy.data.objects.remove(thing)
    enabled = [addon.module for addon in bpy.context.preferences.addons]
    package = next(module for module in enabled if module.endswith(".kinetype"))
    settings = bpy.context.preferences.addons[package].preferences
    # nothing is generated, and that no backend is installed is another page's picture
    settings.backend, settings.command = "COMMAND", sys.executable
    panels = [bpy.types.Panel.bl_rna_get_subclass_py(f"KINETYPE_PT_{name}") for name in PANELS]
    # which panels are folded is for the mouse only: let them start so
    addon_utils.disable(package)
    for panel in panels:
        panel.bl_options = {"DEFAULT_CLOSED"} if panel is not panels[0] else set()
    addon_utils.enable(package)
    _view().spaces[0].show_region_ui = True


def _picture(name: str, *, crop: bool = False) -> None:
    """Ask for a picture and wait until it is taken; of the sidebar only, or of the screen."""
    region, area = _sidebar(), None
    if crop:
        top = HEIGHT - region.y - region.height  # Blender counts from below
        area = (region.x, top, region.x + region.width, top + region.height)
    _ask({"name": name, "area": area})
    sys.stdin.readline()


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
    if "bpy" in sys.modules:
        inside(Path(sys.argv[sys.argv.index("--") + 1]))
    else:
        raise SystemExit(main())
