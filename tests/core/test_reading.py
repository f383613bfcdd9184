"""Keys back to motion_135: the inverse of the retarget, for every kind of armature."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.motion import rotations
from backend.motion.representations import motion135
from backend.wire.skeleton import JOINT_NAMES, PARENTS
from blender_addon.core import axes, quaternions
from blender_addon.core.neutral import rest_heads
from blender_addon.core.reading import from_bone_keys
from blender_addon.core.retarget import RestPose, to_bone_keys

from .test_retarget import hang_arms, random_rest


def loose(rest: RestPose) -> RestPose:
    """Hands that inherit no rotation, a head that hangs on the second spine joint."""
    holders = list(PARENTS)
    holders[JOINT_NAMES.index("left_wrist")] = -1
    holders[JOINT_NAMES.index("head")] = JOINT_NAMES.index("spine2")
    return replace(rest, turned_by=tuple(holders))


RESTS = {
    "z-up": random_rest(1, axes.smpl_to_blender(rest_heads())),
    "y-up": random_rest(2, rest_heads()),
    "location in armature axes": random_rest(3, rest_heads(), local_location=False),
    "a-pose, large, elsewhere": random_rest(
        4, 100.0 * axes.smpl_to_blender(hang_arms(rest_heads(), 50.0)) + [3.0, -2.0, 1.0]
    ),
    "hangs otherwise": loose(random_rest(5, axes.smpl_to_blender(rest_heads()))),
}


@pytest.mark.parametrize("name", RESTS)
def test_keys_come_back_as_the_motion(name: str, clip: np.ndarray) -> None:
    keys = to_bone_keys(clip, 30.0, RESTS[name], 30.0)
    back = from_bone_keys(keys.rotations, keys.root_location, RESTS[name])
    assert back.dtype == np.float32 and back.shape == clip.shape
    orthonormal = motion135.pack(*motion135.unpack(clip.astype(np.float64)))
    assert np.abs(back - orthonormal).max() < 2e-6


def test_signs_and_lengths_of_quaternions_do_not_matter(clip: np.ndarray) -> None:
    keys = to_bone_keys(clip, 30.0, RESTS["z-up"], 30.0)
    want = from_bone_keys(keys.rotations, keys.root_location, RESTS["z-up"])
    scale = np.random.default_rng(0).choice([-2.0, 0.5, 1.0], (*keys.rotations.shape[:-1], 1))
    found = from_bone_keys(scale * keys.rotations, keys.root_location, RESTS["z-up"])
    assert np.abs(found - want).max() < 1e-6


@pytest.mark.parametrize("order", ["XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"])
def test_euler_angles_are_read_in_blenders_order(order: str) -> None:
    angles = np.random.default_rng(1).uniform(-3, 3, (50, 3))
    found = quaternions.to_matrix(quaternions.from_euler(angles, order))
    want = np.eye(3)
    for letter in order:  # the first letter turns first
        turn = rotations.rotation_about(letter.lower(), angles[:, "XYZ".index(letter)])
        want = turn @ want
    assert np.abs(found - want).max() < 1e-12
    again = quaternions.to_euler(quaternions.from_euler(angles, order), order)
    same = quaternions.from_euler(again, order)
    assert np.abs(quaternions.to_matrix(same) - want).max() < 1e-9


def test_axis_angles_are_read_with_any_length_of_axis() -> None:
    rng = np.random.default_rng(2)
    axis, angle = rng.normal(size=(40, 3)), rng.uniform(-4, 4, (40, 1))
    found = quaternions.from_axis_angle(np.concatenate([angle, 3.0 * axis], 1))
    unit = axis / np.linalg.norm(axis, axis=1, keepdims=True)
    want = rotations.axis_angle_to_matrix(angle * unit)
    assert np.abs(quaternions.to_matrix(found) - want).max() < 1e-9
    none = quaternions.from_axis_angle(np.array([1.0, 0.0, 0.0, 0.0]))
    assert none.tolist() == [1.0, 0.0, 0.0, 0.0]


def test_rot6d_is_read_back(clip: np.ndarray) -> None:
    rot6d = np.random.default_rng(3).normal(size=(30, 6))
    q = quaternions.from_rot6d(rot6d)
    assert np.abs(quaternions.from_rot6d(quaternions.to_rot6d(q)) - q).max() < 1e-9
