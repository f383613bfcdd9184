"""Motions made of formulas, so that Blender tests need no model."""

from __future__ import annotations

import numpy as np

from backend.motion.rotations import axis_angle_to_matrix, matrix_to_rot6d_interleaved
from backend.wire.messages import Motion
from backend.wire.skeleton import JOINT_NAMES, NUM_JOINTS


def pack(root: np.ndarray, local: np.ndarray) -> np.ndarray:
    """motion_135 from root ``[T, 3]`` and parent-relative matrices ``[T, 22, 3, 3]``."""
    rot6d = matrix_to_rot6d_interleaved(local).reshape(len(root), -1)
    return np.concatenate([root, rot6d], -1).astype(np.float32)


def random_motion(frames: int = 60, seed: int = 0, scale: float = 0.6) -> Motion:
    """Smooth random rotations of all joints, and a pelvis that turns through half turns."""
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 1, frames)[:, None, None]
    phase = rng.uniform(0, 2 * np.pi, (1, NUM_JOINTS, 3))
    speed = rng.uniform(2, 9, (1, NUM_JOINTS, 3))
    vectors = scale * np.sin(speed * t + phase)
    vectors[:, 0] = [0.1, 1.0, 0.0]
    vectors[:, 0] *= np.linspace(0, 9, frames)[:, None]
    root = np.stack([np.sin(3 * t[:, 0, 0]), 0.9 + 0 * t[:, 0, 0], 2 * t[:, 0, 0]], -1)
    return Motion(pack(root, axis_angle_to_matrix(vectors)), meta=meta())


def walk(seconds: float = 4.0, speed: float = 1.2, turn: float = 0.0) -> Motion:
    """A simple walk along +Z (or along a curve: ``turn`` in radians per second)."""
    t = np.arange(round(seconds * 30)) / 30
    step = 2 * np.pi * 0.9 * t
    vectors = np.zeros((len(t), NUM_JOINTS, 3))

    def joint(name: str) -> int:
        return JOINT_NAMES.index(name)

    swing = 0.45 * np.sin(step)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        vectors[:, joint(f"{side}_hip"), 0] = -sign * swing
        bend = 0.15 + 0.5 * np.clip(sign * np.cos(step), 0, None)
        vectors[:, joint(f"{side}_knee"), 0] = bend
        vectors[:, joint(f"{side}_ankle"), 0] = -0.5 * bend + 0.05
        vectors[:, joint(f"{side}_shoulder"), 2] = -sign * 1.25
        vectors[:, joint(f"{side}_elbow"), 1] = -sign * (0.35 + 0.15 * sign * np.sin(step))
    arms = axis_angle_to_matrix(vectors)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        lift = np.zeros((len(t), 3))
        lift[:, 0] = sign * 0.45 * np.sin(step)
        arms[:, joint(f"{side}_shoulder")] = (
            axis_angle_to_matrix(lift) @ arms[:, joint(f"{side}_shoulder")]
        )
    heading = turn * t
    arms[:, 0] = axis_angle_to_matrix(np.stack([0 * t, heading + 0.06 * np.sin(step), 0 * t], -1))
    velocity = speed * np.stack([np.sin(heading), np.zeros_like(t), np.cos(heading)], -1)
    root = np.concatenate([np.zeros((1, 3)), np.cumsum(velocity[:-1], 0) / 30])
    root[:, 1] = 0.925 + 0.015 * np.cos(2 * step)
    return Motion(pack(root, arms), meta=meta("a person walks forward"))


def meta(prompt: str = "random joints", seed: int = 7) -> dict:
    """What a model would report."""
    return {"prompt": prompt, "seed": seed, "model": "synthetic", "params": {"steps": 50}}
