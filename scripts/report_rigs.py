#!/usr/bin/env python3
"""How well motions land on characters: the table of docs/blender.md, and a contact sheet.

Every skeleton of the kit performs six motions of the starter model (generated when the folder of
motions lacks them). Heights are told for a body of 1.7 m. The sheet shows one walk on each
character: capsules around the bones, its feet and the floor.

Usage::

    python scripts/report_rigs.py [--kit DIR] [--motions DIR] [--sheet PNG] [--json FILE] [--times]

``--times`` measures what applying a take costs in Blender (needs the bpy module).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

# figures of one core: BLAS threads would count as CPU time
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from backend.motion.io import npz  # noqa: E402
from backend.motion.retarget import (  # noqa: E402
    Body,
    Pose,
    Skeleton,
    find_joints,
    make_body,
    of_map,
    performed,
    recognise,
    unpack,
)
from backend.motion.retarget.measures import Standing, measure  # noqa: E402

PROMPTS = {
    "walk": "a person walks forward",
    "run": "a person runs forward",
    "bow": "a person bows",
    "kick": "a person kicks with the right leg",
    "wave": "a person waves with the right hand",
    "turning": "a person turns around",
}
SEED, SECONDS, FRAMES = 3, 6.5, 196
LIMITS = {
    "limbs_deg": 2.0,
    "planted_cm": 0.7,
    "penetration_cm": 1.0,
    "sliding": 1.2,
    "flips": 0,
    "acceleration": 1.2,
}


def motions(folder: Path) -> dict[str, np.ndarray]:
    """The six motions ``[T, 135]`` at 30 fps; those that are not there are generated."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for name, prompt in PROMPTS.items():
        path = folder / f"{name}.npz"
        if not path.is_file():
            command = [sys.executable, "-m", "backend", "generate", prompt]
            command += ["--seconds", str(SECONDS), "--seed", str(SEED), "--out", str(path)]
            subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        found[name] = npz.read_at_own_rate(path).data
    return found


def skeletons(kit: Path) -> dict[str, Skeleton]:
    """The skeletons of the kit in armature space, with what is known of their meshes."""
    found = {}
    for path in sorted((kit / "rigs" / "skeletons").glob("*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        bones, world = data["bones"], np.array(data["object"]["matrix_world"])
        index = {bone["name"]: number for number, bone in enumerate(bones)}
        up = np.linalg.inv(world[:3, :3])[:, 2]
        lowest = data.get("mesh_lowest_z_world_at_rest")
        found[path.stem] = Skeleton(
            tuple(index),
            tuple(index.get(bone["parent"], -1) for bone in bones),
            np.array([bone["matrix_local"] for bone in bones]),
            np.array([bone["head"] for bone in bones]),
            np.array([bone["tail"] for bone in bones]),
            up=tuple(up / np.linalg.norm(up)),
            lowest=None if lowest is None else lowest * float(np.linalg.norm(up)),
            turned=tuple(bone["inherit_rotation"] is True for bone in bones),
            local=tuple(bone["local_location"] for bone in bones),
            movable=tuple(not bone["connect"] for bone in bones),
        )
    return found


def body_of(skeleton: Skeleton) -> Body:
    """A skeleton made ready, its joints found without help."""
    return make_body(skeleton, recognise(skeleton.names) or of_map(find_joints(skeleton)))


def rate(body: Body, motion: np.ndarray) -> dict[str, float]:
    """The figures of one motion on one body: limbs without, the others with planted feet."""
    root, local = unpack(motion)
    free, held = (performed(body, motion, 30.0, 30.0, feet=feet) for feet in (0.0, 1.0))
    before = measure(body, free, root, local, 30.0)
    after: Standing = measure(body, held, root, local, 30.0)
    row = {**asdict(after), "limbs_deg": before.limbs_deg}
    row["sliding_before"], row["planted_before_cm"] = before.sliding, before.planted_cm
    row["acceleration_before"] = before.acceleration
    return row


def table(bodies: dict[str, Body], clips: dict[str, np.ndarray]) -> list[dict]:
    """One row for each character and motion."""
    return [
        {"character": name, "motion": motion, **rate(body, clip)}
        for name, body in bodies.items()
        for motion, clip in clips.items()
    ]


def print_table(rows: list[dict]) -> int:
    """Print the worst of each character and what is over a limit; how many figures are."""
    print("worst of six motions      limbs  planted  in floor  sliding  flips  acceleration")
    print("(limit)                   2 deg   0.7 cm      1 cm    1.2 x      0         1.2 x")
    over = 0
    for name in dict.fromkeys(row["character"] for row in rows):
        own = [row for row in rows if row["character"] == name]
        worst = {key: max(row[key] for row in own) for key in LIMITS}
        print(
            f"{name:25s} {worst['limbs_deg']:5.2f}  {worst['planted_cm']:7.2f} "
            f"{worst['penetration_cm']:9.2f} {worst['sliding']:8.2f} {worst['flips']:6d} "
            f"{worst['acceleration']:13.2f}"
        )
    for row in rows:
        wrong = [key for key, limit in LIMITS.items() if row[key] > limit]
        over += len(wrong)
        if wrong:
            text = ", ".join(f"{key} {row[key]:.2f}" for key in wrong)
            print(f"  over: {row['character']} {row['motion']}: {text}")
    print(f"{len(rows) * len(LIMITS) - over} of {len(rows) * len(LIMITS)} figures within limits")
    return over


# --------------------------------------------------------------------------- the sheet


def draw_sheet(bodies: dict[str, Body], walk: np.ndarray, path: Path) -> None:
    """One walk on every character: five moments side by side, and the floor line."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    moments = np.linspace(8, min(len(walk) - 1, 96), 5).astype(int)
    figure, axes = plt.subplots(len(bodies), 2, figsize=(15, 2.6 * len(bodies)), dpi=60)
    for row, (name, body) in zip(axes, bodies.items(), strict=True):
        for axis, feet in zip(row, (0.0, 1.0), strict=True):
            pose = performed(body, walk, 30.0, 30.0, feet=feet)
            _draw(axis, body, pose, moments)
            axis.set_title(f"{name}: {'feet held' if feet else 'without'}", fontsize=9)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    plt.close(figure)


def _draw(axis: Any, body: Body, pose: Pose, moments: np.ndarray) -> None:
    """Side views of a pose: every keyed bone a capsule, soles as lines, the floor."""
    from backend.motion.retarget.planting import sole_points

    size = 1.0 / body.scale
    for place, frame in enumerate(moments):
        shift = np.array([0.9 * place, 0.0])
        origin = pose.places[frame, body.root] * [0.0, 0.0, 1.0]

        def flat(
            point: np.ndarray, origin: np.ndarray = origin, shift: np.ndarray = shift
        ) -> np.ndarray:
            level = (point - origin) * size
            return np.array([level[2], level[1] - body.ground * size]) + shift

        for k, track in enumerate(body.tracks):
            if track.carrier >= 0:
                a, b = (flat(pose.places[frame, j]) for j in (track.carrier, k))
                axis.plot([a[0], b[0]], [a[1], b[1]], lw=5, color="0.7", solid_capstyle="round")
        for foot, colour in zip(body.feet, ("tab:orange", "tab:blue"), strict=True):
            if foot is not None:
                points = sole_points(body, pose.turns[frame : frame + 1],
                                     pose.places[frame : frame + 1], foot)  # fmt: skip
                line = np.array([flat(p[0]) for p in (points.heel, points.ball, points.tip)])
                axis.plot(line[:, 0], line[:, 1], lw=2, color=colour, marker=".")
    axis.axhline(0.0, color="k", lw=0.8)
    axis.set_aspect("equal")
    axis.set_ylim(-0.15, 1.9)
    axis.axis("off")


# --------------------------------------------------------------------------- times


def apply_times(motion: np.ndarray) -> dict[str, float]:
    """Median CPU milliseconds of applying 196 frames with held feet, by kind of rig."""
    os.environ.setdefault("BLENDER_USER_RESOURCES", str(ROOT / "out" / "blender-user"))
    import bpy
    import addon_utils  # isort: skip  (it is there once bpy was imported)

    from blender_addon.backend_access import Motion
    from blender_addon.scene import action as actions
    from blender_addon.scene import armature as armatures

    clip = Motion(np.resize(motion, (FRAMES, motion.shape[1])), 30.0, {"prompt": "time"})
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    scene.render.fps = 30
    found = {}

    def timed(rig: bpy.types.Object, label: str) -> None:
        times = []
        for _ in range(7):
            started = time.process_time()
            take = actions.apply_motion(rig, clip, scene=scene, start_frame=1, feet=1.0)
            times.append(1000.0 * (time.process_time() - started))
            rig.animation_data.action = None
            bpy.data.actions.remove(take)
        found[label] = sorted(times[1:])[3]

    mannequin = armatures.create_armature(bpy.context)
    timed(mannequin, "mannequin, 22 bones")
    for bone in mannequin.pose.bones:
        bone.rotation_mode = "XYZ"
    timed(mannequin, "mannequin, Euler")
    if addon_utils.enable("rigify", default_set=True) is not None:
        bpy.ops.object.armature_human_metarig_add()
        timed(bpy.context.object, f"metarig, {len(bpy.context.object.data.bones)} bones")
        bpy.ops.pose.rigify_generate()
        timed(bpy.context.object, f"Rigify, {len(bpy.context.object.data.bones)} bones")
        addon_utils.disable("rigify", default_set=True)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures; exit code 1 when one is over its limit."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    default = os.environ.get("KINETYPE_KIT", ROOT.parent / "shared" / "kit")
    parser.add_argument("--kit", type=Path, default=Path(default))
    parser.add_argument("--motions", type=Path, default=ROOT / "out" / "rig_motions")
    parser.add_argument("--sheet", type=Path, help="PNG of one walk on every character")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--times", action="store_true", help="measure applying in Blender")
    options = parser.parse_args(arguments)
    clips = motions(options.motions)
    bodies = {name: body_of(skeleton) for name, skeleton in skeletons(options.kit).items()}
    rows = table(bodies, clips)
    over = print_table(rows)
    times = apply_times(clips["walk"]) if options.times else {}
    for label, milliseconds in times.items():
        print(f"apply, {label:28s} {milliseconds:6.1f} ms")
    if options.sheet is not None:
        draw_sheet(bodies, clips["walk"], options.sheet)
    if options.json is not None:
        options.json.write_text(json.dumps({"rows": rows, "times": times}, indent=1) + "\n")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
