"""Inverse kinematics: exact on reachable targets, honest gradient, plausible twist."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from backend.errors import FormatError
from backend.motion import ik
from backend.motion.representations import motion135
from backend.motion.rotations import matrix_to_axis_angle
from backend.motion.skeleton import CHILDREN, forward_kinematics, rest_offsets

MotionMaker = Callable[..., np.ndarray]
METHODS = ("adam", "gauss_newton")


def test_analytic_gradient_is_the_derivative() -> None:
    rng = np.random.default_rng(0)
    pose, root = rng.normal(0, 0.6, (2, 22, 3)), rng.normal(size=(2, 3))
    targets, weights = rng.normal(size=(2, 22, 3)), rng.uniform(0.5, 1.0, 22)
    offsets = rest_offsets()

    def objective(pose: np.ndarray, root: np.ndarray) -> float:
        joints = forward_kinematics(ik.axis_angle_to_matrix(pose), root, offsets)
        return float((weights[:, None] * (joints - targets) ** 2).sum())

    by_pose, by_root = ik._position_gradient(pose, root, targets, offsets, weights)
    step = 1e-6
    for joint in (0, 3, 9, 13, 18, 20):
        for axis in range(3):
            delta = np.zeros_like(pose)
            delta[1, joint, axis] = step
            slope = (objective(pose + delta, root) - objective(pose - delta, root)) / (2 * step)
            assert by_pose[1, joint, axis] == pytest.approx(slope, abs=1e-6)
    delta = np.zeros_like(root)
    delta[0, 1] = step
    slope = (objective(pose, root + delta) - objective(pose, root - delta)) / (2 * step)
    assert by_root[0, 1] == pytest.approx(slope, abs=1e-6)


def test_joints_of_the_same_skeleton_are_met_without_refinement(make_motion: MotionMaker) -> None:
    root, rotations = motion135.unpack(make_motion())
    # leaf joints and twist are not visible in positions
    joints = forward_kinematics(rotations, root)
    [fitted] = ik.fit(joints, foot_align=False)
    assert fitted.error_mm.max() < 2.0
    [refined] = ik.fit(joints, foot_align=False, refinement=ik.Refinement(method="gauss_newton"))
    assert refined.error_mm.mean() <= fitted.error_mm.mean() + 0.3
    hips = matrix_to_axis_angle(refined.local_rotations[:, 0].swapaxes(-1, -2) @ rotations[:, 0])
    assert np.rad2deg(np.linalg.norm(hips, axis=-1)).max() < 1.0


@pytest.mark.parametrize("method", METHODS)
def test_refinement_improves_on_another_skeleton(make_motion: MotionMaker, method: str) -> None:
    root, rotations = motion135.unpack(make_motion(40))
    taller = rest_offsets() * np.random.default_rng(3).uniform(0.8, 1.25, (22, 1))
    targets = forward_kinematics(rotations, root, taller)
    [start] = ik.fit(targets, foot_align=False)
    [fitted] = ik.fit(targets, foot_align=False, refinement=ik.Refinement(method=method))
    assert fitted.error_mm.mean() < 0.9 * start.error_mm.mean()
    if method == "gauss_newton":
        squares = [((f.joints - targets) ** 2).sum((-1, -2)) for f in (start, fitted)]
        assert (squares[1] <= squares[0] + 1e-9).all()  # no frame ends worse than it began


@pytest.mark.parametrize("method", METHODS)
def test_clips_in_a_batch_do_not_influence_each_other(
    make_motion: MotionMaker, method: str
) -> None:
    clips = [motion135.joints(make_motion(n, seed=n)) * 1.1 for n in (5, 1, 12)]
    settings = ik.Refinement(method=method, iterations=15)
    together = ik.fit(clips, refinement=settings)
    for clip, fitted in zip(clips, together, strict=True):
        [alone] = ik.fit(clip, refinement=settings)
        assert fitted.joints.shape == clip.shape
        # Adam divides by sqrt(v) + 1e-8, so the scale of the objective shows in the last digits
        tolerance = 1e-3 if method == "adam" else 1e-9
        np.testing.assert_allclose(fitted.joints, alone.joints, atol=tolerance)


def test_twist_stays_plausible_and_continuous(make_motion: MotionMaker) -> None:
    targets = motion135.joints(make_motion(60, turns=1.0)) * [1.05, 1.1, 1.05]
    for method in METHODS:
        [fitted] = ik.fit(targets, refinement=ik.Refinement(method=method))
        between = fitted.local_rotations[1:] @ fitted.local_rotations[:-1].swapaxes(-1, -2)
        steps = np.rad2deg(np.linalg.norm(matrix_to_axis_angle(between), axis=-1))
        assert steps.max() < 30.0  # degrees per frame: no flips
        single = [j for j in range(22) if len(CHILDREN[j]) == 1 and j > 0]
        bones = rest_offsets()[[CHILDREN[j][0] for j in single]]
        along = bones / np.linalg.norm(bones, axis=-1, keepdims=True)
        vectors = matrix_to_axis_angle(fitted.local_rotations[:, single])
        twist = np.rad2deg(np.abs((vectors * along).sum(-1)))
        assert twist.max() < 45.0


def test_foot_alignment_puts_the_lowest_foot_where_the_target_has_it(
    make_motion: MotionMaker,
) -> None:
    targets = motion135.joints(make_motion(10)) * 1.15
    [fitted] = ik.fit(targets)
    feet = [7, 8, 10, 11]
    np.testing.assert_allclose(
        fitted.joints[:, feet, 1].min(1), targets[:, feet, 1].min(1), atol=1e-12
    )


def test_what_it_refuses(make_motion: MotionMaker) -> None:
    joints = motion135.joints(make_motion(4))
    with pytest.raises(FormatError):
        ik.fit(joints[:, :21])
    with pytest.raises(FormatError, match="no clip"):
        ik.fit([])
    with pytest.raises(ValueError, match="mode"):
        ik.initial_rotations(joints, mode="magic")
    with pytest.raises(ValueError, match="refinement"):
        ik.fit(joints, refinement=ik.Refinement(method="magic"))
