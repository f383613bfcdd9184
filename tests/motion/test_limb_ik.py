"""Two-bone IK reaches what it can reach and changes nothing else."""

from __future__ import annotations

import numpy as np

from backend.motion import limb_ik
from backend.motion.representations import motion135
from backend.motion.rotations import axis_angle_to_matrix
from backend.motion.skeleton import forward_kinematics, global_rotations, joint_index


def bent_legs(frames: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(0, 0.4, (frames, 22, 3))
    vectors[:, limb_ik.KNEES] = [1.0, 0.0, 0.0] * rng.uniform(0.8, 1.6, (frames, 2, 1))
    return axis_angle_to_matrix(vectors), rng.normal(0, 1, (frames, 3))


def solve(
    rotations: np.ndarray, root: np.ndarray, offset: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    joints = forward_kinematics(rotations, root)
    limit = limb_ik.reach(joints[:, limb_ik.HIPS], joints[:, limb_ik.ANKLES])
    targets = joints[:, limb_ik.ANKLES] + offset
    out = limb_ik.solve_limbs(rotations, root, targets, limit)
    return out, joints, forward_kinematics(out, root), targets


def test_no_move_no_change() -> None:
    rotations, root = bent_legs()
    out, _, _, _ = solve(rotations, root, np.zeros(3))
    np.testing.assert_allclose(out, rotations, atol=1e-7)


def test_reachable_targets_are_reached_and_feet_keep_their_orientation() -> None:
    rotations, root = bent_legs()
    offset = np.random.default_rng(1).uniform(-0.03, 0.03, (len(root), 2, 3))
    out, before, after, targets = solve(rotations, root, offset)
    np.testing.assert_allclose(after[:, limb_ik.ANKLES], targets, atol=1e-6)
    np.testing.assert_allclose(np.linalg.det(out), 1.0, atol=1e-9)
    feet = [joint_index("left_ankle"), joint_index("right_ankle")]
    np.testing.assert_allclose(
        global_rotations(out)[:, feet], global_rotations(rotations)[:, feet], atol=1e-9
    )
    others = [j for j in range(22) if j not in (4, 5, 7, 8, 10, 11)]
    np.testing.assert_allclose(after[:, others], before[:, others], atol=1e-12)


def test_unreachable_targets_leave_a_straight_leg_towards_them() -> None:
    rotations, root = bent_legs()
    _, _, after, targets = solve(rotations, root, np.array([0.0, -2.0, 0.0]))
    hip, knee, ankle = (after[:, i] for i in (limb_ik.HIPS, limb_ik.KNEES, limb_ik.ANKLES))
    stretched = np.linalg.norm(ankle - hip, axis=-1)
    assert (stretched <= limb_ik.LEG_LENGTHS.sum(0) + 1e-9).all()
    aim = targets - hip
    cosine = ((ankle - hip) * aim).sum(-1) / stretched / np.linalg.norm(aim, axis=-1)
    np.testing.assert_allclose(cosine, 1.0, atol=1e-6)
    np.testing.assert_allclose(
        np.linalg.norm(knee - hip, axis=-1), np.tile(limb_ik.LEG_LENGTHS[0], (40, 1)), atol=1e-9
    )


def test_a_straight_leg_bends_forward() -> None:
    rotations = np.tile(np.eye(3), (1, 22, 1, 1))
    root = np.array([[0.0, 0.93, 0.0]])
    _, before, after, targets = solve(rotations, root, np.array([0.0, 0.1, 0.0]))
    np.testing.assert_allclose(after[:, limb_ik.ANKLES], targets, atol=1e-6)
    assert (after[:, limb_ik.KNEES, 2] > before[:, limb_ik.KNEES, 2] + 0.05).all()


def test_small_target_steps_make_small_pose_steps() -> None:
    rotations = np.tile(np.eye(3), (60, 22, 1, 1))
    rotations[:, limb_ik.KNEES] = axis_angle_to_matrix(np.array([0.05, 0.0, 0.0]))
    lift = np.linspace(0.0, 0.12, 60)[:, None, None] * np.array([0.1, 1.0, 0.3])
    out, _, after, _ = solve(rotations, np.tile([0.0, 0.93, 0.0], (60, 1)), lift)
    steps = np.linalg.norm(np.diff(after[:, limb_ik.KNEES], axis=0), axis=-1)
    assert steps.max() < 0.06
    motion135.SPEC.check(motion135.pack(np.zeros((60, 3)), out))
