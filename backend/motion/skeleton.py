"""SMPL-22 skeleton and forward kinematics, batched over frames, clips and anything else."""

from __future__ import annotations

import numpy as np

from ..wire.skeleton import HAND_OFFSETS, JOINT_NAMES, NUM_JOINTS, PARENTS, REST_OFFSETS
from .rotations import Array, _is_torch, _lib

__all__ = [
    "CHILDREN",
    "FOOT_JOINTS",
    "HAND_OFFSETS",
    "JOINT_NAMES",
    "MIRROR_ORDER",
    "NUM_JOINTS",
    "PARENTS",
    "forward_kinematics",
    "global_rotations",
    "joint_index",
    "local_rotations_from_global",
    "pelvis_at_root",
    "rest_offsets",
]

CHILDREN: tuple[tuple[int, ...], ...] = tuple(
    tuple(c for c, p in enumerate(PARENTS) if p == j) for j in range(NUM_JOINTS)
)


def joint_index(name: str) -> int:
    """Index of a joint by its SMPL name; ``ValueError`` for a name that is not one."""
    return JOINT_NAMES.index(name)


def _mirror_name(name: str) -> str:
    if name.startswith("left_"):
        return "right_" + name.removeprefix("left_")
    if name.startswith("right_"):
        return "left_" + name.removeprefix("right_")
    return name


MIRROR_ORDER: tuple[int, ...] = tuple(joint_index(_mirror_name(n)) for n in JOINT_NAMES)
"""Where each joint's data comes from when left and right are swapped."""

FOOT_JOINTS: tuple[int, ...] = tuple(
    joint_index(n) for n in ("left_ankle", "left_foot", "right_ankle", "right_foot")
)


def rest_offsets() -> np.ndarray:
    """A fresh ``[22, 3]`` float64 array of parent-relative rest offsets (metres, Y-up)."""
    return np.array(REST_OFFSETS, dtype=np.float64)


def pelvis_at_root(offsets: np.ndarray | None) -> np.ndarray | None:
    """Rest offsets ``[22, 3]`` (m) for motion_135, whose root is the pelvis: row 0 is zero."""
    if offsets is None:
        return None
    out = np.array(offsets, dtype=np.float64)
    out[0] = 0.0
    return out


def global_rotations(local_rotations: Array) -> Array:
    """Parent-relative ``[..., J, 3, 3]`` to world rotations of the same shape (J = 22 or fewer)."""
    world: list[Array] = []
    for joint in range(local_rotations.shape[-3]):
        parent = PARENTS[joint]
        own = local_rotations[..., joint, :, :]
        world.append(own if parent < 0 else world[parent] @ own)
    return _lib(local_rotations).stack(world, -3)


def local_rotations_from_global(world: Array) -> Array:
    """World ``[..., 22, 3, 3]`` to parent-relative rotations: ``R_parent^T @ R`` per joint."""
    parents = list(PARENTS[1:])
    parent_world = world[..., parents, :, :]
    inverse = parent_world.transpose(-1, -2) if _is_torch(world) else parent_world.swapaxes(-1, -2)
    lib = _lib(world)
    rest = inverse @ world[..., 1:, :, :]
    first = world[..., :1, :, :]
    return lib.cat([first, rest], -3) if _is_torch(world) else np.concatenate([first, rest], -3)


def forward_kinematics(local_rotations: Array, root: Array, offsets: Array | None = None) -> Array:
    """Joint positions of a pose.

    Args:
        local_rotations: ``[..., 22, 3, 3]`` parent-relative rotation matrices (pelvis: world).
        root: ``[..., 3]`` root translation in metres.
        offsets: ``[22, 3]`` (or broadcastable ``[..., 22, 3]``) parent-relative rest offsets;
            the neutral :func:`rest_offsets` when omitted. The pelvis offset is added to the
            translation without being rotated, as in SMPL.

    Returns:
        ``[..., 22, 3]`` world positions, same array type and dtype as ``local_rotations``.
    """
    lib = _lib(local_rotations)
    if offsets is None:
        offsets = rest_offsets()
    if _is_torch(local_rotations):
        offsets = lib.as_tensor(offsets, dtype=local_rotations.dtype, device=local_rotations.device)
    else:
        offsets = np.asarray(offsets, dtype=local_rotations.dtype)
    rotations = [local_rotations[..., 0, :, :]]
    positions = [root + offsets[..., 0, :]]
    for joint in range(1, NUM_JOINTS):
        parent = PARENTS[joint]
        bone = offsets[..., joint, :, None]
        positions.append(positions[parent] + (rotations[parent] @ bone)[..., 0])
        rotations.append(rotations[parent] @ local_rotations[..., joint, :, :])
    return lib.stack(positions, -2)
