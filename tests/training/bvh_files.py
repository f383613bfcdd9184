"""Small BVH recordings of a T-pose rig with SMPL-like names, written by the tests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from backend.motion.retarget.profiles import canonical_rest
from backend.motion.skeleton import JOINT_NAMES, PARENTS, rest_offsets


def t_pose_offsets() -> np.ndarray:
    """Rest offsets ``[22, 3]`` (m) of the canonical T-pose: legs down, arms straight out."""
    offsets, rest = rest_offsets(), canonical_rest()
    parents = np.array(PARENTS[1:])
    out = offsets.copy()
    # the canonical pose is the SMPL rest pose with every joint turned by C_j in world axes
    out[1:] = (rest[parents] @ offsets[1:, :, None])[..., 0]
    return out


def write_bvh(path: Path, angles: np.ndarray, root: np.ndarray, fps: float = 30.0) -> None:
    """Write local ZXY Euler angles ``[T, 22, 3]`` (degrees) and root positions ``[T, 3]`` (m)."""
    offsets = t_pose_offsets() * 100.0
    lines, order = ["HIERARCHY"], []

    def joint(index: int, depth: int) -> None:
        pad = "  " * depth
        kind = "ROOT" if PARENTS[index] < 0 else "JOINT"
        order.append(index)
        lines.append(f"{pad}{kind} {JOINT_NAMES[index]}")
        lines.append(pad + "{")
        lines.append(f"{pad}  OFFSET " + " ".join(f"{v:.6f}" for v in offsets[index]))
        position = "Xposition Yposition Zposition " if PARENTS[index] < 0 else ""
        count = 6 if position else 3
        lines.append(f"{pad}  CHANNELS {count} {position}Zrotation Xrotation Yrotation")
        children = [c for c, p in enumerate(PARENTS) if p == index]
        for child in children:
            joint(child, depth + 1)
        if not children:
            lines.append(f"{pad}  End Site")
            lines.append(f"{pad}  {{")
            lines.append(f"{pad}    OFFSET 0 0 0")
            lines.append(f"{pad}  }}")
        lines.append(pad + "}")

    joint(0, 0)
    lines += ["MOTION", f"Frames: {len(angles)}", f"Frame Time: {1 / fps:.7f}"]
    for frame in range(len(angles)):
        values = [*(root[frame] * 100.0), *angles[frame, order].ravel()]
        lines.append(" ".join(f"{v:.5f}" for v in values))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def recording(seed: int, frames: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Swinging Euler angles ``[T, 22, 3]`` and a forward path ``[T, 3]``."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames) / 30.0
    amplitude, phase = rng.uniform(2, 20, (22, 3)), rng.uniform(0, 6, (22, 3))
    angles = amplitude * np.sin(4.0 * time[:, None, None] + phase)
    path = np.stack([0 * time, 0.95 + 0.01 * np.sin(8 * time), 0.8 * time], -1)
    return angles, path


def write_dataset(folder: Path, clips: int = 4) -> tuple[Path, Path, Path, Path]:
    """BVH folder, captions.json (one sentence list per clip), split.json and profile.json."""
    bvh = folder / "takes"
    bvh.mkdir(parents=True)
    labels: dict[str, dict[str, object]] = {}
    for index in range(clips):
        name = f"take_{index}"
        angles, path = recording(index, 60 + 10 * index)
        write_bvh(bvh / f"{name}.bvh", angles, path)
        side = "left" if index % 2 else "right"
        labels[name] = {"captions": [f"a person waves the {side} arm", f"waving {side}"]}
    captions, split = folder / "captions.json", folder / "split.json"
    captions.write_text(json.dumps({"clips": labels}), encoding="utf-8")
    names = sorted(labels)
    split.write_text(json.dumps({"train": names[:-1], "val": names[-1:]}), encoding="utf-8")
    profile = folder / "profile.json"
    joints = {name: name for name in JOINT_NAMES if name not in ("left_foot", "right_foot")}
    profile.write_text(
        json.dumps({"name": "t-pose rig", "joints": joints, "rest_axes": {}}), encoding="utf-8"
    )
    return bvh, captions, split, profile
