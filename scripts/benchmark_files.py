#!/usr/bin/env python3
"""How long a long BVH takes to read, and what a way through BVH costs.

``python scripts/benchmark_files.py``

A walk in a circle of ten minutes at 120 frames a second (72,000 frames) is written as .npz and as
.bvh and read back with every check of ``kinetype convert``; CPU seconds, and the largest distance
of a joint in millimetres. The last row is the same .bvh as a rig of unknown names, whose body is
found first. ``--minutes`` makes it longer or shorter.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from backend.motion import rotations  # noqa: E402
from backend.motion.io import bvh, load, npz  # noqa: E402
from backend.motion.representations import motion135  # noqa: E402
from backend.wire.messages import Motion  # noqa: E402
from backend.wire.skeleton import JOINT_NAMES  # noqa: E402

FPS = 120.0


def circle(frames: int) -> np.ndarray:
    """``[T, 135]`` of a body that walks in a circle of 2 m and moves every joint."""
    seconds = np.arange(frames) / FPS
    phase = 2 * np.pi * seconds[:, None, None] + np.arange(22)[:, None]
    turns = 0.25 * np.sin(phase * [1.0, 0.5, 0.25])
    turns[:, 0] = np.stack([0 * seconds, -seconds / 2, 0 * seconds], axis=-1)
    about = np.stack([2 * np.cos(seconds / 2), 0 * seconds + 0.95, 2 * np.sin(seconds / 2)], -1)
    return motion135.pack(about, rotations.axis_angle_to_matrix(turns)).astype(np.float32)


def main() -> None:
    """Write, read, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    data = circle(int(parser.parse_args().minutes * 60 * FPS))
    print(f"{len(data):,} frames at {FPS:g} a second\n")
    print("| file | MB | written, CPU s | read with checks, CPU s | largest distance, mm |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        source = Motion(data, FPS, {})
        for name, write in (("a.npz", npz.write_motion), ("a.bvh", bvh.write_motion)):
            path = Path(folder, name)
            began = time.process_time()
            write(path, source)
            written = time.process_time()
            clip = load.read_clip(path)
            ended = time.process_time()
            far = 1000 * np.abs(motion135.joints(clip.data) - motion135.joints(data)).max()
            if path.suffix == ".bvh":
                _renamed(path)
                began_again = time.process_time()
                load.read_clip(path)
                renamed = time.process_time() - began_again
            size = path.stat().st_size / 1e6
            print(
                f"| {path.suffix} | {size:.0f} | {written - began:.1f} | {ended - written:.1f} "
                f"| {far:.3f} |"
            )
        print(f"| .bvh, other names | {size:.0f} | - | {renamed:.1f} | - |")


def _renamed(path: Path) -> None:
    """Give every joint of a written BVH another name."""
    text = path.read_text(encoding="utf-8")
    head, mark, rest = text.partition("MOTION")
    for name in JOINT_NAMES:
        head = head.replace(f" {name}\n", f" rig:{name}\n")
    path.write_text(head + mark + rest, encoding="utf-8")


if __name__ == "__main__":
    main()
