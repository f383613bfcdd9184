"""A small set of described npz clips on disk, and the dataset and text cache of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from backend.motion.io.npz import write_motion
from backend.motion.representations import motion135
from backend.motion.rotations import rotation_about
from backend.training.data.dataset import MotionDataset
from backend.training.data.text_cache import CaptionEmbeddings
from backend.wire.messages import Motion


def walking(frames: int = 60, speed: float = 1.0, lift: str = "left") -> Motion:
    """A stiff figure that glides ahead at ``speed`` m/s and swings one arm, at 30 fps."""
    time = np.arange(frames) / 30
    root = np.stack([0 * time, np.full(frames, 0.93), speed * time], 1)
    rotations = np.tile(np.eye(3), (frames, 22, 1, 1))
    shoulder = {"left": 16, "right": 17}[lift]
    rotations[:, shoulder] = rotation_about("z", 0.8 * np.sin(3 * time))
    return Motion(motion135.pack(root, rotations).astype(np.float32))


def standing(frames: int = 45) -> Motion:
    """Someone with hanging arms who sways a millimetre."""
    motion = walking(frames, 0.0)
    root, rotations = motion135.unpack(motion.data)
    time = np.arange(frames) / 30
    root[:, 0] = 0.001 * np.sin(2 * time)
    rotations[:, :] = np.eye(3)
    rotations[:, 16] = rotation_about("z", np.full(frames, -1.3))
    rotations[:, 17] = rotation_about("z", np.full(frames, 1.3))
    return Motion(motion135.pack(root, rotations).astype(np.float32))


ENTRIES = {
    "glide_1": {
        "detail": "glide",
        "captions": ["a person glides ahead and swings the left arm", "glide upright"],
        "kind": "capture",
        "tier": "A",
        "take": "t1",
    },
    "glide_2": {"action": "glide", "captions": ["gliding"], "kind": "hand-keyed", "tier": "A"},
    "rest_1": {"action": "rest", "captions": ["someone rests"], "tier": "A"},
    "rest_2": {"action": "rest", "captions": ["resting"], "tier": "B"},
}


def written(folder: Path) -> tuple[Path, Path, Path]:
    """Clips, captions.json and split.json on disk; ``rest_2`` is for validation."""
    clips = folder / "clips"
    clips.mkdir(parents=True)
    for name, motion in {
        "glide_1": walking(),
        "glide_2": walking(50, 0.6, "right"),
        "rest_1": standing(),
        "rest_2": standing(40),
    }.items():
        write_motion(clips / f"{name}.npz", motion)
    captions, split = folder / "captions.json", folder / "split.json"
    captions.write_text(json.dumps(ENTRIES), encoding="utf-8")
    parts = {"train": ["glide_1", "glide_2", "rest_1"], "val": ["rest_2"]}
    split.write_text(json.dumps(parts), encoding="utf-8")
    return clips, captions, split


def text_of(data: MotionDataset) -> CaptionEmbeddings:
    """A text cache whose vectors count: sentence k is the k-th axis, with k % 3 + 2 tokens."""
    order: dict[str, int] = {}
    rows = [order.setdefault(s, len(order)) for pool in data.pools for s in pool]
    count = len(order)
    sizes = np.array([k % 3 + 2 for k in range(count)])
    tokens = np.repeat(np.arange(count, dtype=np.float16), sizes)[:, None] * np.ones(384, "e")
    return CaptionEmbeddings(
        np.eye(count, 384, dtype=np.float32),
        np.zeros((count, 2), np.float32),
        np.zeros((count, 16), np.float32),
        np.array(rows),
        np.cumsum([0] + [len(p) for p in data.pools]),
        tokens,
        np.cumsum([0, *sizes]),
    )
