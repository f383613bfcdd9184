#!/usr/bin/env python3
"""How long one call of the add-on's timer holds Blender's main thread (milliseconds of its CPU).

A motion for a new mannequin, one for a character that is there, eight takes at once, and the slices
in which a Rigify rig in IK is read. Blender calls the timer several times a second, so a call
that takes long is a stutter. Nothing above 50 ms is wanted.

Usage::

    python scripts/benchmark_timer.py [--seconds 10]

Needs a Python with bpy.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SERVER = ROOT / "tests" / "service" / "fake_server.py"


def main() -> int:
    """Print a line for each case."""
    parser = argparse.ArgumentParser(description="How long a call of the timer takes.")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of the motions")
    options = parser.parse_args()
    user = tempfile.mkdtemp(prefix="kinetype-timer-")
    os.environ["BLENDER_USER_RESOURCES"] = user  # before the first import of bpy
    sys.path.insert(0, str(ROOT))
    import bpy

    import blender_addon

    bpy.ops.preferences.addon_enable(module=blender_addon.__name__)
    try:
        _measure(options.seconds)
    finally:
        bpy.ops.preferences.addon_disable(module=blender_addon.__name__)
        shutil.rmtree(user, ignore_errors=True)
    return 0


def _measure(seconds: float) -> None:
    import bpy

    from blender_addon.backend_settings import preferences_of

    preferences = preferences_of(bpy.context)
    preferences.backend = "COMMAND"
    preferences.command = shlex.join(["env", f"PYTHONPATH={ROOT}", sys.executable, str(SERVER)])
    bpy.ops.wm.read_homefile(use_factory_startup=True)
    settings = bpy.context.scene.kinetype
    settings.custom_model, settings.cleanup, settings.seconds = "fake", False, seconds
    _report("a new mannequin", bpy.ops.kinetype.generate)
    _report("the same character", bpy.ops.kinetype.generate)
    settings.samples = 8
    _report("8 takes at once", bpy.ops.kinetype.generate)
    settings.samples, settings.custom_model = 1, "editor"
    _rigify_in_ik(seconds)
    settings.edit_frames, settings.edit_first, settings.edit_last = "RANGE", 20, 40
    _report("editing a Rigify rig in IK", bpy.ops.kinetype.edit_motion)


def _rigify_in_ik(seconds: float) -> None:
    import bpy

    from blender_addon.scene import action
    from tests.blender import rigify, synthetic

    with rigify.enabled():
        rig = rigify.generated(rigify.metarig("human"))
    motion = synthetic.random_motion(round(30 * seconds))
    action.apply_motion(rig, motion, scene=bpy.context.scene, start_frame=1)
    arm = rig.pose.bones["upper_arm_parent.R"]
    arm["IK_FK"] = 0.0
    arm.keyframe_insert('["IK_FK"]', frame=1)


def _report(what: str, press: Callable[[], set[str]]) -> None:
    from blender_addon import preparing, pump
    from blender_addon.jobs import board

    press()
    calls = []
    while board.busy or preparing.current() is not None:
        time.sleep(0.02)
        started = time.thread_time()
        pump.tick()
        calls.append(1000.0 * (time.thread_time() - started))
    failed = f"; {board.error.message}" if board.error else ""
    print(f"{what}: at most {max(calls):.0f} ms in {len(calls)} calls{failed}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
