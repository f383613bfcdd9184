#!/usr/bin/env python3
"""Pictures of directing for docs/blender.md, out of a real Blender window with a real backend.

Installs the extension with Blender's own command, makes a mannequin, lets it follow a curve past a
pose while a hand is pinned, reads prompts from markers, generates with the model that is named, and
cuts the sidebar and the view out of the screen. It prints what was missed. The backend is this very
Python. What Python complains about on Blender's error output fails the run.

Usage::

    [KINETYPE_BLENDER=blender] python scripts/direct_pictures.py [--model NAME] [--out DIR]

``scripts/blender_window.py`` says where Blender and its screen come from. Needs Pillow.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import blender_window
import window_pictures
from window_pictures import MARK, SETTLE_S

ROOT = Path(__file__).resolve().parent.parent
WIDTH, HEIGHT = 1500, 1250
OPEN = ("direct", "in_between", "takes", "joints", "edit", "clean_up", "advanced")
"""Panels below the main one; the first is unfolded."""
PATIENCE_S = 240.0


def main() -> int:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description="Pictures of directing.")
    parser.add_argument("--model", default="starter")
    parser.add_argument("--backend", default=f'"{sys.executable}" -m backend serve')
    parser.add_argument("--extension", type=Path, help="the zip; by default one that is built now")
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    options = parser.parse_args()
    window_pictures.HEIGHT = HEIGHT
    try:
        command = blender_window.blender()
        zipped = blender_window.extension(options.extension)
        with tempfile.TemporaryDirectory() as folder:
            environment = blender_window.install(command, zipped, Path(folder, "user"))
            environment["PYTHONPATH"] = str(ROOT)
            return _photograph(command, environment, Path(folder), options)
    except blender_window.WindowError as error:
        parser.error(str(error))


def _photograph(
    command: list[str], environment: dict[str, str], folder: Path, options: argparse.Namespace
) -> int:
    complaints = folder / "stderr.txt"
    with blender_window.screen(WIDTH, HEIGHT) as screen, complaints.open("wb") as errors:
        script = blender_window.script("direct_pictures", WIDTH, HEIGHT)
        window = subprocess.Popen(
            [*command, *script, "--", options.model, options.backend],
            env={**environment, "DISPLAY": screen.name},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        assert window.stdout is not None and window.stdin is not None
        done = _follow(window, screen, options.out)
        code = window.wait(timeout=60)
    said = complaints.read_text(errors="replace")
    bad = blender_window.complaints(said)
    if bad:
        print(said, file=sys.stderr)
    print(f"Blender ended with {code}; {len(bad)} complaints on its error output")
    return 0 if done and not code and not bad else 1


def _follow(window: subprocess.Popen, screen: blender_window.Screen, out: Path) -> bool:
    """Do what Blender's lines ask for; whether it came to its end."""
    for line in window.stdout or ():
        kind, _, rest = line.strip().partition(" ")
        if kind != MARK:
            print(line.rstrip())
            continue
        message = json.loads(rest)
        if "done" in message:
            return True
        time.sleep(SETTLE_S)
        picture = screen.picture().crop(message["area"])
        out.mkdir(parents=True, exist_ok=True)
        picture.quantize(128).save(out / f"{message['name']}.png", optimize=True)
        assert window.stdin is not None
        window.stdin.write("\n")
        window.stdin.flush()
    return False


# inside of Blender


def inside() -> None:
    """Show one thing after the other; the timer leaves Blender time to draw each."""
    import bpy

    model, backend = sys.argv[sys.argv.index("--") + 1 :][:2]
    steps = tour(model, backend)

    def step() -> float | None:
        try:
            next(steps)
        except StopIteration:
            print(MARK, json.dumps({"done": True}), flush=True)
            bpy.ops.wm.quit_blender()
            return None
        except Exception:
            traceback.print_exc()
            os._exit(1)  # Blender would go on showing its window
        return 1.5

    bpy.app.timers.register(step, first_interval=2.0)


def tour(model: str, backend: str) -> Iterator[None]:
    """What is shown; Blender draws at every ``yield``."""
    import bpy

    scene = bpy.context.scene
    settings = _prepare(model, backend)
    yield
    window_pictures._sidebar().active_panel_category = "Kinetype"
    bpy.ops.kinetype.add_mannequin()
    rig = bpy.context.active_object
    wants = rig.kinetype_directing
    settings.prompt, settings.seconds = "a person walks forward", 5.0
    settings.lock_seed, settings.seed = True, 4
    scene.render.fps, scene.frame_end = 30, 150
    bpy.ops.kinetype.add_path()
    wants.wishes[0].curve.data.splines[0].bezier_points[1].co.x += 0.6
    wants.wishes[0].curve.data.splines[0].bezier_points[2].co.x += 1.4
    scene.frame_set(60)
    bpy.ops.kinetype.add_pin(limb="left-hand")
    pin = wants.wishes[1]
    pin.goal.location, pin.last = (0.75, -1.45, 1.15), 72
    yield
    yield from _generated("direct", rig, lambda: bpy.ops.kinetype.direct())
    scene.frame_set(72)
    _look()
    yield
    _picture("direct-path", whole=True)
    yield
    rig.animation_data_clear()
    for frame, words in ((1, "a person walks forward"), (75, "a person waves"), (130, "a bow")):
        scene.timeline_markers.new(words, frame=frame)
    bpy.ops.kinetype.prompts_from_markers()
    wants.wishes[0].enabled = wants.wishes[1].enabled = False
    yield
    yield from _generated("prompts", rig, lambda: bpy.ops.kinetype.direct())
    yield  # panels slide into their places
    _look()
    yield
    _picture("direct-prompts")
    yield


def _generated(name: str, rig: Any, call: Any) -> Iterator[None]:
    """Click, and wait as a person does."""
    before = rig.animation_data.action if rig.animation_data else None
    print(name, call(), flush=True)
    end = time.monotonic() + PATIENCE_S
    while rig.animation_data is None or rig.animation_data.action == before:
        if time.monotonic() > end:
            raise TimeoutError(name)
        yield
    take = rig.animation_data.action
    told = json.loads(take["kinetype_params"]).get("directed", [])
    print(name, take.name, tuple(take.frame_range), json.dumps(told), flush=True)


def _prepare(model: str, backend: str) -> Any:
    """An empty scene, the sidebar shown, the panel of directing unfolded, a backend."""
    import addon_utils
    import bpy

    for thing in list(bpy.data.objects):
        bpy.data.objects.remove(thing)
    enabled = [addon.module for addon in bpy.context.preferences.addons]
    package = next(module for module in enabled if module.endswith(".kinetype"))
    panels = [bpy.types.Panel.bl_rna_get_subclass_py(f"KINETYPE_PT_{name}") for name in OPEN]
    # which panels are folded is for the mouse only: let them start so
    addon_utils.disable(package)
    for panel in filter(None, panels):
        panel.bl_options = {"DEFAULT_CLOSED"} if panel is not panels[0] else set()
    addon_utils.enable(package)
    preferences = bpy.context.preferences.addons[package].preferences
    preferences.backend, preferences.command = "COMMAND", backend
    window_pictures._view().spaces[0].show_region_ui = True
    settings = bpy.context.scene.kinetype
    settings.custom_model = "" if model == "starter" else model
    return settings


def _look() -> None:
    """The view from the front and above, on what is there."""
    import bpy
    from mathutils import Euler

    region = window_pictures._view().spaces[0].region_3d
    region.view_perspective = "PERSP"
    region.view_rotation = Euler((1.1, 0.0, 0.55)).to_quaternion()
    region.view_location, region.view_distance = (0.9, -1.3, 0.7), 4.6
    for thing in bpy.context.selected_objects:
        thing.select_set(thing.type == "ARMATURE")


def _picture(name: str, *, whole: bool = False) -> None:
    """Ask for a picture of the sidebar, or of the view with it, and wait until it is taken."""
    region = window_pictures._sidebar()
    view = window_pictures._view()
    shown = view if whole else region
    top = HEIGHT - shown.y - shown.height  # Blender counts from below
    area = (shown.x, top, shown.x + shown.width, top + shown.height)
    print(MARK, json.dumps({"name": name, "area": area}), flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    sys.exit(main())
