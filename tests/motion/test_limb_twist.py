"""Elbows tell the twist of the upper arms; no joint moves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from backend.motion import ik, limb_twist
from backend.motion.representations import motion135
from backend.motion.rotations import axis_angle_to_matrix, rotation_about, transpose
from backend.motion.skeleton import forward_kinematics, joint_index, rest_offsets

MotionMaker = Callable[..., np.ndarray]
FRAMES = 40


def degrees(rotations: np.ndarray) -> np.ndarray:
    trace = np.trace(rotations, axis1=-2, axis2=-1)
    return np.rad2deg(np.arccos(np.clip((trace - 1.0) / 2.0, -1.0, 1.0)))


def joints(rotations: np.ndarray) -> np.ndarray:
    return forward_kinematics(rotations, np.zeros((len(rotations), 3)))


def bending(upper: str, hinge: str, axis: list[float], bend: float, twist: float) -> np.ndarray:
    """``[40, 22, 3, 3]``: a limb that bends by ``bend`` while its upper bone turns by ``twist``."""
    time = np.linspace(0, 1, FRAMES)[:, None]
    rotations = np.tile(np.eye(3), (FRAMES, 22, 1, 1))
    bone = rest_offsets()[joint_index(hinge)]
    bone = bone / np.linalg.norm(bone)
    rotations[:, joint_index(upper)] = axis_angle_to_matrix(
        np.sin(2 * time) * [0.2, 0.3, -0.4]
    ) @ axis_angle_to_matrix(np.deg2rad(twist) * np.sin(3 * time) * bone)
    rotations[:, joint_index(hinge)] = axis_angle_to_matrix(np.deg2rad(bend) * np.array(axis))
    return rotations


LIMBS = [
    ("left_shoulder", "left_elbow", [0.0, -1.0, 0.0], 60.0),
    ("right_shoulder", "right_elbow", [0.0, 1.0, 0.0], -60.0),
]


@pytest.mark.parametrize(("upper", "hinge", "axis", "twist"), LIMBS)
def test_the_twist_of_a_bent_limb_is_found(
    upper: str, hinge: str, axis: list[float], twist: float
) -> None:
    true = bending(upper, hinge, axis, 80.0, twist)
    untwisted = ik.initial_rotations(joints(true))
    found = limb_twist.hinge_twist(untwisted)
    np.testing.assert_allclose(joints(found), joints(untwisted), atol=1e-9)
    limb = [joint_index(upper), joint_index(hinge)]
    before, after = (degrees(transpose(r[:, limb]) @ true[:, limb]) for r in (untwisted, found))
    assert before.mean() > 15.0
    assert after.mean() < 0.25 * before.mean()
    assert limb_twist.hinge_twist(found.astype(np.float32)).dtype == np.float32
    others = [j for j in range(22) if j not in limb]
    np.testing.assert_allclose(found[:, others], untwisted[:, others], atol=1e-12)


@pytest.mark.parametrize(("upper", "hinge", "axis", "twist"), LIMBS)
@pytest.mark.parametrize("bend", [0.0, 5.0, -20.0, -90.0])
def test_straight_and_backward_limbs_do_not_flip(
    upper: str, hinge: str, axis: list[float], twist: float, bend: float
) -> None:
    untwisted = ik.initial_rotations(joints(bending(upper, hinge, axis, bend, 0.0)))
    found = limb_twist.hinge_twist(untwisted)
    np.testing.assert_allclose(joints(found), joints(untwisted), atol=1e-9)
    assert degrees(transpose(found) @ untwisted)[:, joint_index(upper)].max() < 15.0


def test_any_motion_stays_smooth_and_in_place(make_motion: MotionMaker) -> None:
    for seed in range(5):
        rotations = motion135.unpack(make_motion(60, seed=seed))[1]
        # an elbow that swings through straight to bent, as arms do
        swing = np.deg2rad(45.0) * (1.0 - np.cos(np.linspace(0, 12, 60)))
        rotations[:, joint_index("left_elbow")] = rotation_about("y", -swing)
        rotations[:, joint_index("right_elbow")] = rotation_about("y", swing)
        untwisted = ik.initial_rotations(joints(rotations))
        found = limb_twist.hinge_twist(untwisted)
        np.testing.assert_allclose(joints(found), joints(untwisted), atol=1e-9)
        steps = degrees(transpose(found[1:]) @ found[:-1])
        assert steps.max() < 40.0, "a limb flipped from one frame to the next"
    single = limb_twist.hinge_twist(untwisted[:1])
    np.testing.assert_allclose(joints(single), joints(untwisted[:1]), atol=1e-9)
