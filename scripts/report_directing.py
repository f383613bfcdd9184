#!/usr/bin/env python3
"""What directing meets on characters in Blender: the table of docs/blender.md, and a contact sheet.

The add-on, with a real model behind it, is asked for poses, pins, paths, prompts in time and
in-betweens on a mannequin and on skeletons of the kit. What is told is measured on the bones that
Blender shows, not by the add-on. Needs the bpy module.

Usage::

    python scripts/report_directing.py [--model NAME] [--kit DIR] [--sheet PNG] [--seed N]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))
if "BLENDER_USER_RESOURCES" not in os.environ:
    os.environ["BLENDER_USER_RESOURCES"] = tempfile.mkdtemp(prefix="kinetype-directing-")

import bpy  # noqa: E402
import numpy as np  # noqa: E402

import addon_utils  # isort: skip  # noqa: E402  (it is there once bpy was imported)

from backend.wire.skeleton import JOINT_NAMES, PARENTS  # noqa: E402

RIGS = ("mannequin", "mpfb_mixamo", "quaternius_man")
PATIENCE_S = 300.0


@dataclass
class Shown:
    """What one direction gave on one character.

    Attributes:
        joints: ``[T, 22, 3]`` in metres of a body of 1.7 m, as Blender shows them.
        frames: of the drawing. goals: places ``[N, 3]`` to draw on the frames ``asked``.
        cm, degrees: missed by, measured on the bones; nan where nothing is asked of it.
    """

    name: str
    joints: np.ndarray
    frames: list[int]
    goals: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    asked: tuple[int, ...] = ()
    cm: float = float("nan")
    degrees: float = float("nan")
    note: str = ""


def main() -> int:
    """Print the table, draw the sheet."""
    parser = argparse.ArgumentParser(description="What directing meets in Blender.")
    default = os.environ.get("KINETYPE_KIT", str(ROOT.parent / "shared" / "kit"))
    parser.add_argument("--model", default="starter")
    parser.add_argument("--kit", type=Path, default=Path(default))
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    addon_utils.enable("blender_addon", default_set=True)
    from blender_addon.backend_settings import preferences_of

    os.environ["PYTHONPATH"] = str(ROOT)
    preferences = preferences_of(bpy.context)
    preferences.backend = "COMMAND"
    preferences.command = f'"{sys.executable}" -m backend serve'
    found: list[tuple[str, Shown]] = []
    try:
        for rig in RIGS:
            for direct in (pose, pin, path, prompts, in_between):
                shown = direct(_character(rig, options))
                found.append((rig, shown))
                told = f"{shown.cm:.2f} | {shown.degrees:.1f} | {shown.note}"
                print(f"| {rig} | {shown.name} | {told} |", flush=True)
    finally:
        addon_utils.disable("blender_addon", default_set=True)
    if options.sheet:
        _sheet(found, options.sheet)
    return 0


# --------------------------------------------------------------------------- what is asked


def pose(rig: Any) -> Shown:
    """A bow on frame 60 of a walk, read from another take."""
    _generate(rig, "a person bows")
    bpy.context.scene.frame_set(60)
    wanted, turned = _places(rig), _turns(rig)
    bpy.ops.kinetype.use_pose()
    rig.animation_data_clear()
    _direct(rig, "a person walks forward")
    bpy.context.scene.frame_set(60)
    off = np.linalg.norm(_places(rig) - wanted, axis=-1).max()
    cosine = (np.einsum("jik,jik->j", _turns(rig), turned) - 1.0) / 2.0
    angle = float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))).max())
    moments, missed = [1, 30, 52, 60, 68, 90, 120], 100 * off / _size(rig)
    return Shown("pose", _joints(rig), moments, wanted, (60,), missed, angle)


def pin(rig: Any) -> Shown:
    """The left hand at an empty that moves, on frames 40 to 80; the other hand waves."""
    bpy.context.view_layer.update()
    base = _head(rig, "pelvis")
    size, goal = _size(rig), bpy.data.objects.new("goal", None)
    bpy.context.scene.collection.objects.link(goal)
    ahead = _ahead(rig)
    for frame, height in ((40, 0.3), (80, 0.55)):
        goal.location = base + size * (0.35 * ahead + np.array([0.0, 0.0, height]))
        goal.keyframe_insert("location", frame=frame)
    goal.select_set(True)
    bpy.ops.kinetype.add_pin(limb="left-hand")
    entry = rig.kinetype_directing.wishes[0]
    entry.frame, entry.last = 40, 80
    _direct(rig, "a person waves with the right hand")
    off, goals = [], []
    for frame in range(40, 81):
        bpy.context.scene.frame_set(frame)
        place = np.array(goal.evaluated_get(bpy.context.evaluated_depsgraph_get()).matrix_world)
        goals.append(place[:3, 3])
        off.append(np.linalg.norm(_head(rig, "left_wrist") - goals[-1]))
    missed = 100.0 * float(max(off)) / size
    moments = [1, 25, 40, 60, 80, 95, 120]
    return Shown("pin", _joints(rig), moments, np.array(goals), (40, 60, 80), missed)


def path(rig: Any) -> Shown:
    """A curve that turns by a quarter, over the whole of a walk."""
    size, ahead = _size(rig), _ahead(rig)
    side = np.cross(ahead, [0.0, 0.0, 1.0])
    start = _head(rig, "pelvis") * [1.0, 1.0, 0.0]
    data = bpy.data.curves.new("way", "CURVE")
    data.dimensions = "3D"
    spline = data.splines.new("BEZIER")
    spline.bezier_points.add(2)
    ways = ((0.0, 0.0), (1.8, 0.3), (2.6, 1.8))
    for point, (along, beside) in zip(spline.bezier_points, ways, strict=True):
        point.co = start + size * (along * ahead + beside * side)
        point.handle_left_type = point.handle_right_type = "AUTO"
    way = bpy.data.objects.new("way", data)
    bpy.context.scene.collection.objects.link(way)
    way.select_set(True)
    bpy.ops.kinetype.add_path()
    _direct(rig, "a person walks forward")
    from blender_addon.scene import places

    line = places.curve_points(way)
    lengths = places.length_of(line) * np.linspace(0.0, 1.0, 150)
    wanted, tangent = places.along(line, lengths)
    joints = _joints(rig)
    off = np.linalg.norm((joints[:150, 0] - wanted)[:, :2], axis=-1)
    across = (joints[:150, [1, 16]] - joints[:150, [2, 17]]).sum(1)
    facing = np.cross(across, [0.0, 0.0, 1.0])[:, :2]
    kernel = np.ones(15) / 15  # half a second: hips and shoulders sway
    facing = np.stack([np.convolve(facing[:, k], kernel, "same") for k in (0, 1)], -1)[8:-8]
    cosine = (facing * tangent[8:-8, :2]).sum(-1)
    cosine /= np.linalg.norm(facing, axis=-1) * np.linalg.norm(tangent[8:-8, :2], axis=-1)
    angle = float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))).max())
    missed = 100 * float(off.max()) / size
    return Shown("path", joints, [1, 25, 50, 75, 100, 125, 150], wanted[::10], (), missed, angle)


def prompts(rig: Any) -> Shown:
    """Three prompts of the timeline's markers."""
    markers = bpy.context.scene.timeline_markers
    for frame, words in ((1, "a person walks forward"), (70, "a person waves"), (120, "a bow")):
        markers.new(words, frame=frame)
    bpy.ops.kinetype.prompts_from_markers()
    take = _direct(rig, "")
    told = json.loads(take["kinetype_params"]).get("segments")
    note = f"frames {take.frame_range[0]:.0f}-{take.frame_range[1]:.0f}; {json.dumps(told)[:90]}"
    return Shown("prompts", _joints(rig), [1, 35, 70, 95, 120, 150, 190], note=note)


def in_between(rig: Any) -> Shown:
    """Three frames of a kick keyed by hand, the rest made anew as a walk."""
    _generate(rig, "a person kicks with the right leg")
    kept, was = (1, 60, 120), {}
    for frame in kept:
        bpy.context.scene.frame_set(frame)
        was[frame] = (_places(rig), _turns(rig))
    directing = rig.kinetype_directing
    directing.keep, directing.kept = "LIST", ", ".join(map(str, kept))
    bpy.context.scene.kinetype.prompt = "a person walks forward"
    assert bpy.ops.kinetype.in_between(wait=True, timeout=PATIENCE_S) == {"FINISHED"}
    off, angle = 0.0, 0.0
    for frame, (places, turned) in was.items():
        bpy.context.scene.frame_set(frame)
        off = max(off, float(np.linalg.norm(_places(rig) - places, axis=-1).max()))
        cosine = (np.einsum("jik,jik->j", _turns(rig), turned) - 1.0) / 2.0
        angle = max(angle, float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))).max()))
    moments, missed = [1, 20, 40, 60, 80, 100, 120], 100 * off / _size(rig)
    return Shown("in-between", _joints(rig), moments, was[60][0], (60,), missed, angle)


def _generate(rig: Any, prompt: str) -> Any:
    settings = bpy.context.scene.kinetype
    settings.prompt = prompt
    bpy.context.scene.frame_set(1)
    assert bpy.ops.kinetype.generate(wait=True, timeout=PATIENCE_S) == {"FINISHED"}
    return rig.animation_data.action


def _direct(rig: Any, prompt: str) -> Any:
    bpy.context.scene.kinetype.prompt = prompt or "a person walks forward"
    assert bpy.ops.kinetype.direct(wait=True, timeout=PATIENCE_S) == {"FINISHED"}
    return rig.animation_data.action


# --------------------------------------------------------------------------- what Blender shows


def _character(name: str, options: argparse.Namespace) -> Any:
    """An empty file with one character, selected."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    from blender_addon.scene import armature as armatures

    if name == "mannequin":
        rig = armatures.create_armature(bpy.context)
    else:
        import window_pictures

        rig = window_pictures.make_rig(options.kit, name, "")
    bpy.context.view_layer.objects.active = rig
    rig.select_set(True)
    settings = bpy.context.scene.kinetype
    settings.seconds, settings.lock_seed, settings.seed = 5.0, True, options.seed
    settings.custom_model = "" if options.model == "starter" else options.model
    bpy.context.scene.render.fps = 30
    return rig


def _bones(rig: Any) -> dict[str, str]:
    from blender_addon.scene import armature as armatures

    return armatures.find_bones(rig)


def _head(rig: Any, joint: str) -> np.ndarray:
    posed = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return np.array(posed.matrix_world @ posed.pose.bones[_bones(rig)[joint]].head)


def _places(rig: Any) -> np.ndarray:
    """``[22, 3]``; an absent joint lies on the one above it."""
    posed = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
    bones, found = _bones(rig), np.zeros((len(JOINT_NAMES), 3))
    for index, joint in enumerate(JOINT_NAMES):
        if joint in bones:
            found[index] = posed.matrix_world @ posed.pose.bones[bones[joint]].head
        else:
            found[index] = found[max(PARENTS[index], 0)]
    return found


def _turns(rig: Any) -> np.ndarray:
    posed = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
    bones = _bones(rig).values()
    return np.array(
        [(posed.matrix_world @ posed.pose.bones[b].matrix).to_3x3().normalized() for b in bones]
    )


def _joints(rig: Any) -> np.ndarray:
    last = int(rig.animation_data.action.frame_range[1])
    found = []
    for frame in range(1, last + 1):
        bpy.context.scene.frame_set(frame)
        found.append(_places(rig))
    return np.array(found)


def _size(rig: Any) -> float:
    """Units of the world for a metre of a body of 1.7 m."""
    from blender_addon.scene import places

    space = places.Space(rig, bpy.context.scene)
    return space.size / space.metre


def _ahead(rig: Any) -> np.ndarray:
    """Where the character faces at rest, level, in the world."""
    across = _head(rig, "left_hip") - _head(rig, "right_hip")
    ahead = np.cross(across, [0.0, 0.0, 1.0])
    return ahead / np.linalg.norm(ahead)


# --------------------------------------------------------------------------- the sheet


def _sheet(found: list[tuple[str, Shown]], path: Path) -> None:
    """Moments of each take as stick figures from the side and front, with what was asked."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure = plt.figure(figsize=(15, 2.1 * len(found)), dpi=64)
    for number, (rig, shown) in enumerate(found):
        axis = figure.add_subplot(len(found), 1, number + 1)
        _draw(axis, shown)
        missed = "" if np.isnan(shown.cm) else f"  {shown.cm:.1f} cm"
        missed += "" if np.isnan(shown.degrees) else f", {shown.degrees:.1f}°"
        axis.set_title(f"{rig}: {shown.name}{missed}", fontsize=10)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    plt.close(figure)


def _draw(axis: Any, shown: Shown) -> None:
    high = float(np.ptp(shown.joints[0, :, 2]))
    look: Callable[[np.ndarray], np.ndarray] = lambda p: np.stack(  # noqa: E731
        [p[..., 0] * 0.8 - p[..., 1] * 0.6, p[..., 2] + 0.25 * (p[..., 0] + p[..., 1])], -1
    )
    centre = shown.joints[:, 0].mean(0) * [1.0, 1.0, 0.0]
    for place, frame in enumerate(shown.frames):
        if frame > len(shown.joints):
            continue
        shift = np.array([0.95 * high * place, 0.0])
        joints = shown.joints[frame - 1]
        local = look(joints - (joints[0] * [1.0, 1.0, 0.0])) + shift
        for joint, parent in enumerate(PARENTS):
            if parent >= 0:
                axis.plot(*local[[parent, joint]].T, color="0.3", lw=2)
        axis.text(*shift - [0.0, 0.25 * high], f"{frame}", fontsize=8, ha="center")
        if len(shown.goals) and frame in shown.asked:
            goals = look(shown.goals - (joints[0] * [1.0, 1.0, 0.0])) + shift
            axis.plot(*goals.T, ".", color="tab:red", ms=3)
    shift = np.array([0.95 * high * len(shown.frames) + 0.4 * high, 0.4 * high])
    way = (shown.joints[:, 0] - centre)[:, :2] * 0.4 + shift
    axis.plot(*way.T, color="tab:blue", lw=1.5)
    if shown.name == "path":
        axis.plot(*((shown.goals - centre)[:, :2] * 0.4 + shift).T, ".", color="tab:red", ms=4)
    axis.set_aspect("equal")
    axis.axis("off")


if __name__ == "__main__":
    sys.exit(main())
