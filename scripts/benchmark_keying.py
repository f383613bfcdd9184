#!/usr/bin/env python3
"""How fast a motion becomes keyframes, against a ``keyframe_insert`` loop in the same run.

The motion is 196 frames of 22 joints with root motion. Two figures:

- writing: the F-curves alone, bulk writer against ``keyframe_insert`` per bone and frame, on the
  same values (target: at least 25 times faster);
- the whole apply step: retarget maths, resampling to a 24 fps scene, sign continuity, F-curves,
  Action with its properties (target: under 25 ms). At 30 fps, without resampling, for comparison.

Usage, in a Python with bpy: ``python scripts/benchmark_keying.py [--repeats 20] [--json FILE]``.
Each figure is the median CPU time of the repeats; the loop is repeated fewer times.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import bpy  # noqa: E402
import numpy as np  # noqa: E402

from backend.motion import retarget  # noqa: E402
from backend.motion.rotations import axis_angle_to_matrix, matrix_to_rot6d_interleaved  # noqa: E402
from backend.wire.messages import Motion  # noqa: E402
from backend.wire.skeleton import NUM_JOINTS  # noqa: E402
from blender_addon.scene import action as actions  # noqa: E402
from blender_addon.scene import armature as armatures  # noqa: E402
from blender_addon.scene import compat  # noqa: E402

FRAMES = 196
MIN_RATIO = 25.0
MAX_APPLY_MS = 25.0


def example_motion() -> Motion:
    """Smooth random rotations of every joint and a moving root."""
    rng = np.random.default_rng(0)
    t = np.linspace(0, 1, FRAMES)[:, None, None]
    speed, phase = rng.uniform(2, 20, (1, NUM_JOINTS, 3)), rng.uniform(0, 6, (1, NUM_JOINTS, 3))
    rotations = axis_angle_to_matrix(0.5 * np.sin(speed * t + phase))
    rot6d = matrix_to_rot6d_interleaved(rotations).reshape(FRAMES, -1)
    root = np.concatenate([2 * t[:, 0], 0.9 + 0 * t[:, 0], np.sin(4 * t[:, 0])], -1)
    meta = {"prompt": "a person walks", "seed": 1, "model": "starter", "params": {"steps": 50}}
    return Motion(np.concatenate([root, rot6d], -1), meta=meta)


def insert_keys(armature: bpy.types.Object, keys: retarget.BoneKeys) -> None:
    """The usual way: set the property, insert a key, per bone and frame."""
    action, _ = compat.new_action("loop", armature, assign=True)
    pose = [armature.pose.bones[bone] for bone in keys.bones]
    ((mover, places),) = keys.locations.items()
    for frame in range(len(keys)):
        armature.pose.bones[mover].location = places[frame]
        armature.pose.bones[mover].keyframe_insert("location", frame=1 + frame)
        for column, bone in enumerate(pose):
            bone.rotation_quaternion = keys.rotations[frame, column]
            bone.keyframe_insert("rotation_quaternion", frame=1 + frame)
    armature.animation_data.action = None
    bpy.data.actions.remove(action)


def write_keys(armature: bpy.types.Object, keys: retarget.BoneKeys) -> None:
    """The add-on's way."""
    action, curves = compat.new_action("bulk", armature)
    actions.write_keys(curves, armature, keys, 1)
    bpy.data.actions.remove(action)


def milliseconds(work: Callable[[], object], repeats: int) -> float:
    """Median CPU time of ``work``, after one run that is not counted.

    Blender writes keys on one thread, so CPU time is what a person waits on an idle machine; unlike
    wall time it does not count other programs, which hit a long loop harder than a short call.
    """
    work()
    times = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        times.append(1000 * (time.process_time() - started))
    return statistics.median(times)


def apply(armature: bpy.types.Object, motion: Motion, fps: int) -> None:
    """The whole step that the add-on takes when a motion arrives; the Action is removed again."""
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = fps, 1.0
    action = actions.apply_motion(armature, motion, scene=scene, start_frame=1)
    armature.animation_data.action = None
    bpy.data.actions.remove(action)


def measure(repeats: int) -> dict[str, Any]:
    """All figures of one run."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    armature = armatures.create_armature(bpy.context)
    motion = example_motion()
    body = armatures.body_of(armature)
    keys = retarget.to_bone_keys(body, motion.data, motion.fps, 30.0)
    loop = milliseconds(lambda: insert_keys(armature, keys), max(2, repeats // 5))
    bulk = milliseconds(lambda: write_keys(armature, keys), repeats)
    return {
        "blender": bpy.app.version_string,
        "python": platform.python_version(),
        "frames": FRAMES,
        "bones": NUM_JOINTS,
        "keyframe_insert_ms": loop,
        "bulk_ms": bulk,
        "ratio": loop / bulk,
        "apply_30_fps_ms": milliseconds(lambda: apply(armature, motion, 30), repeats),
        "apply_24_fps_ms": milliseconds(lambda: apply(armature, motion, 24), repeats),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures; exit code 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args(arguments)
    found = measure(options.repeats)
    print(f"Blender {found['blender']}, {FRAMES} frames x {NUM_JOINTS} bones + root")
    print(f"keyframe_insert loop {found['keyframe_insert_ms']:8.1f} ms")
    print(f"bulk writer          {found['bulk_ms']:8.1f} ms   {found['ratio']:.1f} x faster")
    print(f"whole apply, 30 fps  {found['apply_30_fps_ms']:8.1f} ms")
    print(f"whole apply, 24 fps  {found['apply_24_fps_ms']:8.1f} ms")
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    slowest = max(found["apply_30_fps_ms"], found["apply_24_fps_ms"])
    return 0 if found["ratio"] >= MIN_RATIO and slowest < MAX_APPLY_MS else 1


if __name__ == "__main__":
    sys.exit(main())
