#!/usr/bin/env python3
"""Picture of the models page for docs/blender.md, out of a real Blender window.

Usage::

    python scripts/models_pictures.py [--out DIR]

Which Blender that is, and what is needed for it, says ``blender_window.py`` beside this file.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

import blender_window

ROOT = Path(__file__).resolve().parent.parent
WIDTH, HEIGHT = 1100, 1500
SETTLE_S = 4.0
"""Software rendering needs this long to show what changed."""
SHOWN = "hymotion-lite"


def main() -> int:
    """Take the picture."""
    parser = argparse.ArgumentParser(description="Picture of the models page.")
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    options = parser.parse_args()
    command = blender_window.blender()
    zipped = blender_window.extension()
    with tempfile.TemporaryDirectory() as folder, blender_window.screen(WIDTH, HEIGHT) as screen:
        environment = blender_window.install(command, zipped, Path(folder, "user"))
        script = blender_window.script("models_pictures", WIDTH, HEIGHT)
        window = subprocess.Popen(
            [*command, *script],
            env={**environment, "DISPLAY": screen.name, "HF_HOME": folder},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert window.stdout is not None and window.stdin is not None
        done = any(line.startswith("SHOWN") for line in window.stdout)
        time.sleep(SETTLE_S)
        picture = screen.picture()
        picture.quantize(128).save(options.out / "models-page.png", optimize=True)
        window.kill()
        window.wait()
    return 0 if done else 1


def inside() -> None:
    """Show the models in the preferences."""
    import bpy

    def show() -> None:
        try:
            from bl_ext.user_default.kinetype import model_list

            model_list.show(SHOWN)
            area = max(bpy.context.window.screen.areas, key=lambda a: a.width * a.height)
            area.type = "PREFERENCES"
            with bpy.context.temp_override(window=bpy.context.window_manager.windows[0], area=area):
                bpy.ops.screen.screen_full_area(use_hide_panels=True)
            bpy.context.preferences.active_section = "ADDONS"
            bpy.context.window_manager.addon_search = "Kinetype"
            bpy.ops.preferences.addon_expand(module="bl_ext.user_default.kinetype")
            print("SHOWN", flush=True)
        except Exception:
            traceback.print_exc()
            os._exit(1)  # Blender would go on showing its window

    bpy.app.timers.register(show, first_interval=3.0)


if __name__ == "__main__":
    sys.exit(main())
