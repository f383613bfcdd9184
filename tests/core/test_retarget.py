"""Keyframe values for armatures of any orientation and size, against forward kinematics."""

from __future__ import annotations

import numpy as np
import pytest

from backend.errors import FormatError
from backend.motion import rotations, skeleton
from backend.motion.representations import motion135
from backend.wire.skeleton import JOINT_NAMES, PARENTS, SOLE_HEIGHT
from blender_addon.core import axes, quaternions
from blender_addon.core.neutral import rest_heads
from blender_addon.core.retarget import (
    RestPose,
    body_scale,
    joint_path,
    to_bone_keys,
    unpack,
)


def blender_fk(rest: RestPose, keys: np.ndarray, location: np.ndarray) -> np.ndarray:
    """Joints as Blender composes them: pose = parent_pose @ parent_rest^-1 @ rest @ basis."""
    frames = len(keys)
    matrices = np.tile(np.eye(4), (22, 1, 1))
    matrices[:, :3, :3], matrices[:, :3, 3] = rest.rotations, rest.heads
    basis = np.tile(np.eye(4), (frames, 22, 1, 1))
    basis[..., :3, :3] = quaternions.to_matrix(keys)
    basis[:, 0, :3, 3] = location if rest.local_location else location @ rest.rotations[0]
    poses: list[np.ndarray] = []
    for joint, parent in enumerate(PARENTS):
        own = matrices[joint] @ basis[:, joint]
        if parent >= 0:
            own = poses[parent] @ np.linalg.inv(matrices[parent]) @ own
        poses.append(own)
    return np.stack(poses, 1)[..., :3, 3]


def random_rest(seed: int, heads: np.ndarray, *, local_location: bool = True) -> RestPose:
    """Bones rolled and pointed anyhow: the joints' positions alone must decide the result."""
    vectors = np.random.default_rng(seed).normal(size=(22, 3))
    return RestPose(rotations.axis_angle_to_matrix(vectors), heads, local_location)


def want(clip: np.ndarray) -> np.ndarray:
    root, local = motion135.unpack(clip)
    return skeleton.forward_kinematics(local, root)


@pytest.mark.parametrize("local_location", [True, False])
def test_any_bone_orientation_gives_the_motions_joints(
    clip: np.ndarray, local_location: bool
) -> None:
    rest = random_rest(3, axes.smpl_to_blender(rest_heads()), local_location=local_location)
    keys = to_bone_keys(clip, 30.0, rest, 30.0)
    found = blender_fk(rest, keys.rotations, keys.root_location)
    assert np.abs(found - axes.smpl_to_blender(want(clip))).max() < 1e-9


def test_an_armature_with_y_up_bones_is_recognised(clip: np.ndarray) -> None:
    rest = random_rest(4, rest_heads())  # SMPL's own axes, under a rotated object
    keys = to_bone_keys(clip, 30.0, rest, 30.0)
    found = blender_fk(rest, keys.rotations, keys.root_location)
    assert np.abs(found - want(clip)).max() < 1e-9


def hang_arms(heads: np.ndarray, degrees: float) -> np.ndarray:
    """The T-pose's joints with both arms turned down at the shoulders."""
    heads = heads.copy()
    for side, sign in (("left", -1.0), ("right", 1.0)):
        shoulder, elbow, wrist = (
            JOINT_NAMES.index(f"{side}_{part}") for part in ("shoulder", "elbow", "wrist")
        )
        turn = rotations.axis_angle_to_matrix(np.array([0.0, 0.0, sign * np.radians(degrees)]))
        for joint in (elbow, wrist):
            heads[joint] = heads[shoulder] + turn @ (heads[joint] - heads[shoulder])
    return heads


def test_arms_that_rest_in_an_a_pose_still_perform_the_motion(clip: np.ndarray) -> None:
    heads = hang_arms(rest_heads(), 50.0)
    assert heads[JOINT_NAMES.index("left_wrist"), 1] < rest_heads()[20, 1] - 0.3
    rest = random_rest(6, axes.smpl_to_blender(heads))
    keys = to_bone_keys(clip, 30.0, rest, 30.0)
    found = blender_fk(rest, keys.rotations, keys.root_location)
    # the arms hung about one axis, but a T-pose's arms are bent a little: hence not to 1e-9
    assert np.abs(found - axes.smpl_to_blender(want(clip))).max() < 0.02
    assert np.abs(joint_path(clip, 30.0, rest, 30.0) - found).max() < 1e-9


def test_small_differences_of_the_rest_pose_are_the_bodys_own(clip: np.ndarray) -> None:
    own = random_rest(7, axes.smpl_to_blender(hang_arms(rest_heads(), 8.0)))
    neutral = RestPose(own.rotations, axes.smpl_to_blender(rest_heads()))
    mine, theirs = (to_bone_keys(clip, 30.0, rest, 30.0).rotations for rest in (own, neutral))
    np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("size", [0.01, 0.6, 100.0])
def test_root_motion_scales_with_the_legs(clip: np.ndarray, size: float) -> None:
    rest = random_rest(5, size * axes.smpl_to_blender(rest_heads()))
    assert body_scale(rest.heads) == pytest.approx(size)
    keys = to_bone_keys(clip, 30.0, rest, 30.0)
    found = blender_fk(rest, keys.rotations, keys.root_location)
    assert np.abs(found - size * axes.smpl_to_blender(want(clip))).max() < 1e-9 * size


def test_an_armature_that_stands_elsewhere_keeps_its_floor_and_place(clip: np.ndarray) -> None:
    shift = np.array([3.0, -2.0, -1.15])  # SMPL's own files have the origin near the pelvis
    heads = axes.smpl_to_blender(rest_heads()) + shift
    rest = random_rest(6, heads)
    keys = to_bone_keys(clip, 30.0, rest, 30.0)
    found = blender_fk(rest, keys.rotations, keys.root_location)
    assert np.abs(found - shift - axes.smpl_to_blender(want(clip))).max() < 1e-9


def test_other_proportions_keep_the_rotations(clip: np.ndarray) -> None:
    heads = axes.smpl_to_blender(rest_heads())
    longer = heads.copy()
    longer[:, 2] *= 1.2
    keys = to_bone_keys(clip, 30.0, random_rest(7, heads), 30.0)
    other = to_bone_keys(clip, 30.0, random_rest(7, longer), 30.0)
    assert np.abs(keys.rotations - other.rotations).max() < 1e-9


def test_joint_path_is_what_the_keys_do(clip: np.ndarray) -> None:
    rest = random_rest(8, 1.3 * axes.smpl_to_blender(rest_heads()) + [0.5, 0.2, 0.1])
    keys = to_bone_keys(clip, 30.0, rest, 24.0)
    found = blender_fk(rest, keys.rotations, keys.root_location)
    assert np.abs(found - joint_path(clip, 30.0, rest, 24.0)).max() < 1e-9


def test_keys_are_sign_continuous(clip: np.ndarray) -> None:
    spinning = clip.copy()
    root, local = motion135.unpack(spinning)
    local[:, 0] = rotations.rotation_about("y", np.linspace(0, 13, len(clip)))
    rest = random_rest(9, axes.smpl_to_blender(rest_heads()))
    keys = to_bone_keys(motion135.pack(root, local), 30.0, rest, 60.0).rotations
    assert (np.einsum("tji,tji->tj", keys[1:], keys[:-1]) > 0).all()
    assert np.abs(np.linalg.norm(keys, axis=-1) - 1).max() < 1e-12


def test_rest_heads_stand_on_the_floor() -> None:
    assert rest_heads()[:, 1].min() == pytest.approx(SOLE_HEIGHT)


def test_measured_basis_is_exact_for_the_neutral_body_in_any_direction() -> None:
    heads = axes.smpl_to_blender(rest_heads())
    assert np.abs(axes.measure_basis(heads) - axes.SMPL_TO_BLENDER).max() == 0
    turn = rotations.rotation_about("z", np.array(np.radians(40.0)))
    basis = axes.measure_basis(heads @ turn.T)
    assert np.abs(basis - turn @ axes.SMPL_TO_BLENDER).max() < 1e-9


def test_change_of_basis_is_blenders() -> None:
    assert axes.smpl_to_blender(np.array([0.0, 0.0, 1.0])).tolist() == [0.0, -1.0, 0.0]
    assert axes.smpl_to_blender(np.array([0.0, 1.0, 0.0])).tolist() == [0.0, 0.0, 1.0]
    assert axes.smpl_to_blender(np.array([1.0, 0.0, 0.0])).tolist() == [1.0, 0.0, 0.0]
    there = np.random.default_rng(0).normal(size=(5, 3))
    assert np.abs(axes.blender_to_smpl(axes.smpl_to_blender(there)) - there).max() == 0


@pytest.mark.parametrize("shape", [(0, 135), (10, 134), (135,)])
def test_wrong_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(FormatError, match=r"\[T, 135\]"):
        unpack(np.zeros(shape))


def test_values_that_are_not_finite_are_refused(clip: np.ndarray) -> None:
    broken = clip.copy()
    broken[3, 7] = np.nan
    with pytest.raises(FormatError, match="not finite"):
        unpack(broken)
