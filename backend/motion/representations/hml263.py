"""HumanML3D features: 263 columns for SMPL-22 at 20 fps (and 251 for KIT-ML's 21 joints).

Guo et al., "Generating Diverse and Natural 3D Human Motions from Text", CVPR 2022. ``[T-1, 263]``
from T poses, metres, Y-up:

- ``yaw_velocity`` (1): HALF the turn of the root to the next frame (rad);
- ``root_velocity`` (2): x, z step of the root, in the heading of the NEXT frame (m/frame);
- ``root_height`` (1): m above the lowest joint of the clip;
- ``joints`` (63): joints 1..21, heading removed, root x, z removed (m);
- ``rotations`` (126): rot6d in the column layout of joints 1..21, by the reference's own IK;
- ``velocities`` (66): steps of all joints, in the heading of the SAME frame (m/frame);
- ``contacts`` (4): left ankle, left foot, right ankle, right foot: squared step < 0.002.

The reference is followed to its oddities, because models were trained on them: its IK takes the
hips in the wrong order when it looks for the heading, smooths the heading over 80 frames to each
side, and forces the first one to zero, so the first yaw velocity may jump; arms start from the
root's rotation and not from the spine's. The last pose is lost.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from ...errors import FormatError
from ...wire.skeleton import NUM_JOINTS
from ..filters import gaussian_filter1d
from ..rotations import (
    matrix_to_rot6d_column,
    rot6d_column_to_matrix,
    rotation_about,
    shortest_arc,
    transpose,
)
from .spec import RepresentationSpec, check_shape

SMOOTHING = 20.0
"""Standard deviation in frames of the Gaussian that smooths the heading."""


@dataclass(frozen=True)
class Hml3dSkeleton:
    """A skeleton as HumanML3D's processing sees it.

    Attributes:
        chains: joints from the root or a branch to a tip; a chain's first joint is its base.
        raw_offsets: ``[J]`` unit directions of the bones in the reference pose.
        bone_lengths: ``[J]`` of the uniform skeleton, or None to leave clips as they are.
        legs: two leg bones whose lengths give the scale of the root.
        feet: left pair, right pair.
        face: right hip, left hip, right shoulder, left shoulder.
        contact_threshold: squared step of a foot joint in contact (unit of the joints, squared).
        fps: frames per second.
    """

    chains: tuple[tuple[int, ...], ...]
    raw_offsets: tuple[tuple[int, int, int], ...]
    bone_lengths: tuple[float, ...] | None
    legs: tuple[int, int]
    feet: tuple[int, int, int, int]
    face: tuple[int, int, int, int]
    contact_threshold: float
    fps: float

    @property
    def num_joints(self) -> int:
        """J."""
        return len(self.raw_offsets)

    @property
    def parents(self) -> tuple[int, ...]:
        """Parent per joint; -1 for the root."""
        out = [-1] * self.num_joints
        for chain in self.chains:
            for parent, child in itertools.pairwise(chain):
                out[child] = parent
        return tuple(out)

    @property
    def rotation_parents(self) -> tuple[int, ...]:
        """Joint whose rotation each joint's is relative to: every chain restarts at the root."""
        out = list(self.parents)
        for chain in self.chains:
            out[chain[1]] = 0
        return tuple(out)

    @property
    def spec(self) -> RepresentationSpec:
        """Columns of the features."""
        others = self.num_joints - 1
        return RepresentationSpec(
            "hml263" if self.num_joints == NUM_JOINTS else f"hml{12 * self.num_joints - 1}",
            self.fps,
            (
                ("yaw_velocity", 1),
                ("root_velocity", 2),
                ("root_height", 1),
                ("joints", 3 * others),
                ("rotations", 6 * others),
                ("velocities", 3 * self.num_joints),
                ("contacts", 4),
            ),
        )


_X, _Y, _Z = (1, 0, 0), (0, 1, 0), (0, 0, 1)
_LEFT_X, _DOWN = (-1, 0, 0), (0, -1, 0)

HML22 = Hml3dSkeleton(
    chains=(
        (0, 2, 5, 8, 11),
        (0, 1, 4, 7, 10),
        (0, 3, 6, 9, 12, 15),
        (9, 14, 17, 19, 21),
        (9, 13, 16, 18, 20),
    ),
    raw_offsets=(
        (0, 0, 0), _X, _LEFT_X, _Y, _DOWN, _DOWN, _Y, _DOWN, _DOWN, _Y, _Z, _Z, _Y, _X, _LEFT_X, _Z,
        _DOWN, _DOWN, _DOWN, _DOWN, _DOWN, _DOWN,
    ),
    bone_lengths=(
        0.0, 0.10307397, 0.10988337, 0.13156824, 0.39362326, 0.39018822, 0.14319022, 0.432433,
        0.42564335, 0.05736474, 0.14338182, 0.14941907, 0.21936005, 0.13748677, 0.14338283,
        0.10303921, 0.13161404, 0.12298438, 0.25684, 0.26309186, 0.26601171, 0.26987642,
    ),
    legs=(5, 8),
    feet=(7, 10, 8, 11),
    face=(2, 1, 17, 16),
    contact_threshold=0.002,
    fps=20.0,
)  # fmt: skip
"""HumanML3D's SMPL-22 with the bone lengths of its target clip (m)."""

KIT21 = Hml3dSkeleton(
    chains=(
        (0, 11, 12, 13, 14, 15),
        (0, 16, 17, 18, 19, 20),
        (0, 1, 2, 3, 4),
        (3, 5, 6, 7),
        (3, 8, 9, 10),
    ),
    raw_offsets=(
        (0, 0, 0), _Y, _Y, _Y, _Y, _X, _DOWN, _DOWN, _LEFT_X, _DOWN, _DOWN, _X, _DOWN, _DOWN, _Z,
        _Z, _LEFT_X, _DOWN, _DOWN, _Z, _Z,
    ),
    bone_lengths=None,
    legs=(17, 18),
    feet=(19, 20, 14, 15),
    face=(11, 16, 5, 8),
    contact_threshold=0.05,
    fps=12.5,
)  # fmt: skip
"""KIT-ML (millimetres). Its uniform skeleton is not public; pass bone lengths to retarget."""

SPEC = HML22.spec
"""Columns of the 263 features."""

MIN_POSES = 2


# --------------------------------------------------------------------------- encode


def encode(joints: np.ndarray, skeleton: Hml3dSkeleton = HML22) -> np.ndarray:
    """Joint positions to features.

    Args:
        joints: ``[T >= 2, 22, 3]`` metres, Y-up, 20 fps, any place and heading.

    Returns:
        ``[T-1, 263]``, dtype of ``joints``: the clip on the uniform skeleton, on the floor, its
        first frame at the origin facing +Z.

    Raises:
        FormatError: wrong shape, fewer than 2 poses, values that are not finite, zero-length bones.
    """
    joints = check_shape(joints, (skeleton.num_joints, 3), "The joints")
    if len(joints) < MIN_POSES:
        raise FormatError(f"The features need {MIN_POSES} or more poses.", "Use a longer clip.")
    poses = canonicalise(joints.astype(np.float64), skeleton)
    half, rotations = inverse_kinematics(poses, skeleton)
    heading = rotation_about("y", 2.0 * half)

    steps = np.diff(poses, axis=0)
    root_velocity = np.einsum("tij,tj->ti", heading[1:], steps[:, 0])
    velocities = np.einsum("tij,tkj->tki", heading[:-1], steps)
    local = poses.copy()
    local[..., [0, 2]] -= poses[:, :1, [0, 2]]
    local = np.einsum("tij,tkj->tki", heading, local)[:-1]
    contacts = (steps[:, skeleton.feet] ** 2).sum(-1) < skeleton.contact_threshold
    rot6d = matrix_to_rot6d_column(rotations[:-1, 1:])
    rows = len(steps)
    parts = [
        np.arcsin(np.clip(np.sin(np.diff(half)), -1.0, 1.0))[:, None],
        root_velocity[:, [0, 2]],
        local[:, 0, 1:2],
        local[:, 1:].reshape(rows, -1),
        rot6d.reshape(rows, -1),
        velocities.reshape(rows, -1),
        contacts.astype(np.float64),
    ]
    return np.concatenate(parts, axis=-1).astype(joints.dtype)


def canonicalise(joints: np.ndarray, skeleton: Hml3dSkeleton = HML22) -> np.ndarray:
    """Uniform bone lengths, lowest joint at y = 0, first root at x = z = 0, facing +Z.

    Args:
        joints: ``[T, J, 3]`` float64.
    """
    poses = uniform_skeleton(joints, skeleton)
    poses = poses - [0.0, poses[..., 1].min(), 0.0]
    right_hip, left_hip, right_shoulder, left_shoulder = poses[0, skeleton.face]
    forward = _forward((right_hip - left_hip) + (right_shoulder - left_shoulder))
    poses = poses - poses[0, 0] * [1.0, 0.0, 1.0]
    return poses @ rotation_about("y", 2.0 * _half_turn_to_z(forward)).T


def uniform_skeleton(joints: np.ndarray, skeleton: Hml3dSkeleton = HML22) -> np.ndarray:
    """Bones of the uniform lengths in the directions of the clip's; the root scaled by the legs.

    Args:
        joints: ``[T, J, 3]`` in metres, Y-up.

    Returns:
        ``[T, J, 3]``; ``joints`` themselves where the skeleton names no lengths.
    """
    if skeleton.bone_lengths is None:
        return joints
    target = np.array(skeleton.bone_lengths)
    bones, lengths = _bones(joints, skeleton)
    legs = list(skeleton.legs)
    scale = target[legs].sum() / lengths[0, legs].sum()
    out = np.empty_like(joints)
    out[:, 0] = joints[:, 0] * scale
    for chain in skeleton.chains:
        for parent, child in itertools.pairwise(chain):
            direction = bones[:, child] / lengths[:, child, None]
            out[:, child] = out[:, parent] + target[child] * direction
    return out


def inverse_kinematics(
    poses: np.ndarray, skeleton: Hml3dSkeleton = HML22
) -> tuple[np.ndarray, np.ndarray]:
    """Heading and joint rotations as the reference finds them.

    Args:
        poses: ``[T, J, 3]`` float64.

    Returns:
        ``[T]`` half angles about +Y that take the smoothed facing to +Z (0 in the first frame), and
        ``[T, J, 3, 3]`` rotations, each relative to its predecessor in the chain (index 0: root).
    """
    right_hip, left_hip, right_shoulder, left_shoulder = np.moveaxis(poses[:, skeleton.face], 1, 0)
    # sic: the reference has the hips the other way round here, unlike in canonicalise()
    forward = _forward((left_hip - right_hip) + (right_shoulder - left_shoulder))
    forward = gaussian_filter1d(forward, SMOOTHING, axis=0, mode="nearest")
    half = _half_turn_to_z(forward)
    half[0] = 0.0
    bones, _ = _bones(poses, skeleton)
    world = np.empty((*poses.shape[:2], 3, 3))
    world[:, 0] = rotation_about("y", 2.0 * half)
    world[:, 1:] = shortest_arc(np.array(skeleton.raw_offsets[1:], np.float64), bones[:, 1:])
    before = list(skeleton.rotation_parents[1:])
    rotations = world.copy()
    rotations[:, 1:] = transpose(world[:, before]) @ world[:, 1:]
    return half, rotations


def _bones(joints: np.ndarray, skeleton: Hml3dSkeleton) -> tuple[np.ndarray, np.ndarray]:
    """Bone vectors ``[T, J, 3]`` and lengths ``[T, J]``; the root has neither."""
    parents = list(skeleton.parents)
    bones = joints - joints[:, parents]
    bones[:, 0] = 0.0
    lengths = np.linalg.norm(bones, axis=-1)
    if (lengths[:, 1:] < 1e-8).any():
        frame, joint = np.argwhere(lengths[:, 1:] < 1e-8)[0]
        raise FormatError(
            f"Joint {joint + 1} lies on its parent in frame {frame}; its bone has no direction.",
            "Check that the array holds joint positions.",
        )
    return bones, lengths


def _forward(across: np.ndarray) -> np.ndarray:
    """Up x across for unit ``across`` (to the body's right): horizontal, shorter when it tilts."""
    across = across / np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-12)
    return np.stack([across[..., 2], np.zeros(across.shape[:-1]), -across[..., 0]], -1)


def _half_turn_to_z(forward: np.ndarray) -> np.ndarray:
    """Half of the angle about +Y that takes horizontal ``forward [..., 3]`` to +Z."""
    length = np.linalg.norm(forward, axis=-1)
    return np.arctan2(-forward[..., 0], length + forward[..., 2])


# --------------------------------------------------------------------------- decode


def recover_root(x: np.ndarray, skeleton: Hml3dSkeleton = HML22) -> tuple[np.ndarray, np.ndarray]:
    """Heading half angles ``[..., T]`` and root positions ``[..., T, 3]`` of ``[..., T, 263]``."""
    spec = skeleton.spec
    turns = x[..., spec.columns("yaw_velocity").start]
    half = np.cumsum(turns, axis=-1) - turns
    step = np.zeros((*x.shape[:-1], 3), dtype=x.dtype)
    step[..., 1:, [0, 2]] = x[..., :-1, spec.columns("root_velocity")]
    root = np.cumsum((rotation_about("y", -2.0 * half) @ step[..., None])[..., 0], axis=-2)
    root[..., 1] = x[..., spec.columns("root_height").start]
    return half, root


def decode_joints(x: np.ndarray, skeleton: Hml3dSkeleton = HML22) -> np.ndarray:
    """Features (not normalised) to joint positions from the stored positions ("recover_from_ric").

    Args:
        x: ``[..., T, 263]``, any number of leading axes.

    Returns:
        ``[..., T, 22, 3]`` metres, Y-up, dtype kept.

    Raises:
        FormatError: not 263 columns.
    """
    x = _checked(x, skeleton)
    half, root = recover_root(x, skeleton)
    local = x[..., skeleton.spec.columns("joints")]
    local = local.reshape(*x.shape[:-1], skeleton.num_joints - 1, 3)
    joints = local @ transpose(rotation_about("y", -2.0 * half))
    joints[..., [0, 2]] += root[..., None, [0, 2]]
    return np.concatenate([root[..., None, :], joints], axis=-2).astype(x.dtype)


stored_joints = decode_joints


def decode_rotations(x: np.ndarray, skeleton: Hml3dSkeleton = HML22) -> np.ndarray:
    """The rotation block with the root in front: ``[..., T, 263]`` -> ``[..., T, 22, 3, 3]``.

    They turn HumanML3D's reference pose, each relative to its chain predecessor. They are not
    SMPL's rotations: there is no twist in them, and the reference pose differs.
    """
    x = _checked(x, skeleton)
    half, _ = recover_root(x, skeleton)
    rot6d = x[..., skeleton.spec.columns("rotations")]
    rot6d = rot6d.reshape(*x.shape[:-1], skeleton.num_joints - 1, 6)
    others = rot6d_column_to_matrix(rot6d)
    return np.concatenate([rotation_about("y", 2.0 * half)[..., None, :, :], others], axis=-3)


def joints_from_rotations(x: np.ndarray, skeleton: Hml3dSkeleton = HML22) -> np.ndarray:
    """Joints ``[..., T, 22, 3]`` from the rotation block ("recover_from_rot").

    Raises:
        FormatError: not 263 columns, or the skeleton has no bone lengths.
    """
    x = _checked(x, skeleton)
    if skeleton.bone_lengths is None:
        raise FormatError("This skeleton has no bone lengths.", "Pass them in the skeleton.")
    _, root = recover_root(x, skeleton)
    rotations = decode_rotations(x, skeleton)
    offsets = np.array(skeleton.raw_offsets) * np.array(skeleton.bone_lengths)[:, None]
    offsets = offsets.astype(x.dtype)
    joints = np.empty((*x.shape[:-1], skeleton.num_joints, 3), dtype=x.dtype)
    joints[..., 0, :] = root
    for chain in skeleton.chains:
        world = rotations[..., 0, :, :]
        for parent, child in itertools.pairwise(chain):
            world = world @ rotations[..., child, :, :]
            joints[..., child, :] = joints[..., parent, :] + world @ offsets[child]
    return joints


def _checked(x: np.ndarray, skeleton: Hml3dSkeleton) -> np.ndarray:
    x = np.asarray(x)
    spec = skeleton.spec
    if x.ndim < 2:
        return spec.check(x)
    spec.check(x.reshape(-1, x.shape[-1]))
    return x if x.dtype.kind == "f" else x.astype(np.float32)
