"""Gait and physics measures on motions whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from backend.motion import skeleton
from backend.motion.representations import motion135
from backend.motion.rotations import rotation_about
from scripts.starter import measures

FPS = 30.0


def stepping(steps_per_s: float, swing: float, bend: float, seconds: float = 4.0) -> np.ndarray:
    """Legs that swing ``swing`` rad to each side in opposition, knees bent up to ``bend`` rad."""
    time = np.arange(int(seconds * FPS)) / FPS
    phase = np.pi * steps_per_s * time
    rotations = np.tile(np.eye(3), (len(time), skeleton.NUM_JOINTS, 1, 1))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        hip, knee = (skeleton.joint_index(f"{side}_{j}") for j in ("hip", "knee"))
        rotations[:, hip] = rotation_about("x", sign * swing * np.sin(phase))
        rotations[:, knee] = rotation_about("x", bend * (0.5 + 0.5 * sign * np.sin(phase)))
    root = np.stack([np.zeros_like(time), np.full_like(time, 0.9), 1.0 * time], -1)
    return motion135.pack(root, rotations)


@pytest.mark.parametrize("rate", [1.1, 1.8, 2.6])
def test_step_frequency_is_that_of_the_legs(rate: float) -> None:
    assert measures.step_frequency(stepping(rate, 0.5, 0.6), FPS) == pytest.approx(rate, rel=0.05)


def test_step_frequency_does_not_depend_on_heading() -> None:
    motion = stepping(1.8, 0.5, 0.6)
    root, rotations = motion135.unpack(motion)
    turn = rotation_about("y", np.array(2.0))
    rotations[:, 0] = turn @ rotations[:, 0]
    turned = motion135.pack(root @ turn.T, rotations)
    straight = measures.step_frequency(motion, FPS)
    assert measures.step_frequency(turned, FPS) == pytest.approx(straight)


def test_range_of_motion_is_the_swing_of_the_joints() -> None:
    found = measures.range_of_motion(stepping(1.8, 0.5, 0.6))
    # the 5th to 95th percentile of a sine spans 98.8% of its range
    assert found["hip"] == pytest.approx(np.degrees(1.0), rel=0.05)
    # the rest knee is bent a few degrees already, in another plane
    assert found["knee"] == pytest.approx(np.degrees(0.6), rel=0.15)


def test_a_frozen_pose_has_no_range_and_no_steps() -> None:
    frozen = np.repeat(stepping(1.8, 0.5, 0.6)[20:21], 90, 0)
    found = measures.measure(frozen, FPS)
    assert found["knee_rom"] == 0 and found["hip_rom"] == 0 and found["jerk"] == 0
    assert np.isnan(found["steps_per_s"])


def test_jerk_of_a_cubic_path_is_its_third_derivative_at_any_rate() -> None:
    for fps in (20.0, 30.0):
        time = np.arange(60) / fps
        joints = np.zeros((60, 22, 3))
        joints[..., 0] = (0.5 * time**3)[:, None]
        assert measures.jerk(joints, fps) == pytest.approx(3.0)


def test_sliding_is_the_speed_of_the_foot_that_is_down() -> None:
    time = np.arange(60) / FPS
    joints = np.zeros((60, 22, 3))
    left, right = (skeleton.joint_index(f"{s}_foot") for s in ("left", "right"))
    joints[:, left, 2] = 0.25 * time
    joints[:, right, 1] = 0.5  # in the air, and fast
    joints[:, right, 2] = 3.0 * time
    assert measures.low_foot_sliding(joints, FPS) == pytest.approx(25.0)
