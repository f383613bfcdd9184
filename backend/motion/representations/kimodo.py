"""Kimodo's features: a smooth root path, joints relative to it, world rotations, speeds, contacts.

``[T, 12 J + 9]`` at 30 fps, metres, Y-up, +Z forward; 369 columns for SOMA-30, 273 for SMPL-X-22.
Nothing is relative to the frame before, so nothing drifts. Rot6d is the first column of the world
rotation, then the second.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ..rotations import matrix_to_rot6d_column
from .kimodo_skeletons import KimodoSkeleton
from .path_smoothing import smooth_path
from .spec import RepresentationSpec

FPS = 30.0
CONTACT_SPEED, CONTACT_HEIGHT = 0.15, 0.10
"""A foot joint slower (m/s) and lower (m) than these stands."""


@cache
def spec_of(joints: int) -> RepresentationSpec:
    """Columns of a skeleton of that many joints."""
    return RepresentationSpec(
        f"kimodo{12 * joints + 9}",
        FPS,
        (
            ("smooth_root", 3),
            ("heading", 2),
            ("joints", 3 * joints),
            ("rotations", 6 * joints),
            ("velocities", 3 * joints),
            ("contacts", 4),
        ),
    )


@dataclass(frozen=True)
class KimodoMotion:
    """A decoded clip.

    Attributes:
        world: ``[T, J, 3, 3]`` world rotations; root: ``[T, 3]`` pelvis, metres.
        joints: ``[T, J, 3]`` by forward kinematics.
        smooth_root: ``[T, 3]``; heading: ``[T, 2]`` cos, sin (not normalised).
        contacts: ``[T, 4]`` bool, left heel and toe, right heel and toe.
    """

    world: np.ndarray
    root: np.ndarray
    joints: np.ndarray
    smooth_root: np.ndarray
    heading: np.ndarray
    contacts: np.ndarray


def heading_of(joints: np.ndarray, skeleton: KimodoSkeleton) -> np.ndarray:
    """Heading ``[...]`` (rad, 0 faces +Z) of joints ``[..., J, 3]``: square to the line of hips."""
    across = joints[..., skeleton.hips[0], :] - joints[..., skeleton.hips[1], :]
    angle: np.ndarray = np.arctan2(across[..., 2], -across[..., 0])
    return angle


def encode(local_rotations: np.ndarray, root: np.ndarray, skeleton: KimodoSkeleton) -> np.ndarray:
    """Features of a clip, float32.

    Args:
        local_rotations: ``[T, J, 3, 3]`` parent-relative.
        root: ``[T, 3]`` pelvis, metres, at 30 fps; the ground is y = 0.
    """
    world = skeleton.world(np.asarray(local_rotations, dtype=np.float64))
    root = np.asarray(root, dtype=np.float64)
    joints = skeleton.positions(world, root)
    path = smooth_path(root[:, [0, 2]])
    angle = heading_of(joints, skeleton)
    smooth = np.stack([path[:, 0], root[:, 1], path[:, 1]], axis=-1)
    steps = np.diff(joints, axis=0) * FPS
    speed = np.concatenate([steps, steps[-1:]]) if len(steps) else np.zeros_like(joints)
    feet = list(skeleton.feet)
    slow = np.linalg.norm(speed[:, feet], axis=-1) < CONTACT_SPEED
    contacts = slow & (joints[:, feet, 1] < CONTACT_HEIGHT)
    parts = (
        smooth,
        np.stack([np.cos(angle), np.sin(angle)], axis=-1),
        relative_joints(joints, smooth),
        matrix_to_rot6d_column(world),
        speed,
        contacts,
    )
    flat = [np.asarray(p, dtype=np.float64).reshape(len(root), -1) for p in parts]
    return np.concatenate(flat, axis=-1).astype(np.float32)


def relative_joints(joints: np.ndarray, smooth_root: np.ndarray) -> np.ndarray:
    """Joints ``[..., J, 3]`` as they are stored: x and z from the smooth root ``[..., 3]``."""
    ground = smooth_root * np.array([1.0, 0.0, 1.0])
    return joints - ground[..., None, :]


def decode(features: np.ndarray, skeleton: KimodoSkeleton) -> KimodoMotion:
    """A clip of un-normalised features ``[T, 12 J + 9]``: positions follow from the rotations."""
    spec = spec_of(skeleton.count)
    x = np.asarray(features, dtype=np.float64)
    smooth = x[:, spec.columns("smooth_root")]
    world = _world_rotations(x[:, spec.columns("rotations")].reshape(len(x), -1, 6))
    pelvis = x[:, spec.columns("joints")][:, :3]
    root = pelvis + smooth * np.array([1.0, 0.0, 1.0])
    return KimodoMotion(
        world,
        root,
        skeleton.positions(world, root),
        smooth,
        x[:, spec.columns("heading")],
        x[:, spec.columns("contacts")] > 0.5,
    )


def _world_rotations(rot6d: np.ndarray) -> np.ndarray:
    """``[..., 6]`` to rotations, the second column made square by way of the third."""
    first, second = rot6d[..., :3], rot6d[..., 3:]
    first = first / np.linalg.norm(first, axis=-1, keepdims=True)
    third = np.cross(first, second)
    third = third / np.linalg.norm(third, axis=-1, keepdims=True)
    return np.stack([first, np.cross(third, first), third], axis=-1)
