"""Keyframe values of armatures of any orientation and size, against forward kinematics."""

from __future__ import annotations

import numpy as np
import pytest

from backend.errors import ArmatureError, FormatError
from backend.motion import resample, rotations, skeleton
from backend.motion.representations import motion135
from backend.motion.retarget import (
    SMPL_TO_BLENDER,
    blender_to_smpl,
    body_scale,
    joint_path,
    keyed_anew,
    measure_basis,
    posed_anew,
    rest_heads,
    smpl_to_blender,
    to_bone_keys,
    to_motion,
    unpack,
)
from backend.motion.retarget.keys import sampled
from backend.wire.skeleton import JOINT_NAMES, SOLE_HEIGHT

from .bodies import AT, body, shown

REST = smpl_to_blender(rest_heads())
Y_UP = (0.0, 1.0, 0.0)


def want(clip: np.ndarray) -> np.ndarray:
    root, local = motion135.unpack(clip)
    return skeleton.forward_kinematics(local, root)


def hang_arms(heads: np.ndarray, degrees: float) -> np.ndarray:
    """The T-pose's joints (Y-up) with both arms turned down at the shoulders."""
    heads = heads.copy()
    for side, sign in (("left", -1.0), ("right", 1.0)):
        shoulder, elbow, wrist = (AT[f"{side}_{part}"] for part in ("shoulder", "elbow", "wrist"))
        turn = rotations.axis_angle_to_matrix(np.array([0.0, 0.0, sign * np.radians(degrees)]))
        for joint in (elbow, wrist):
            heads[joint] = heads[shoulder] + turn @ (heads[joint] - heads[shoulder])
    return heads


def back(made, keys) -> np.ndarray:
    return to_motion(made, keys.rotations, keys.locations)


@pytest.mark.parametrize("local", [True, False])
def test_any_bone_orientation_gives_the_motions_joints(clip: np.ndarray, local: bool) -> None:
    made = body(REST, 3, local=local)
    found = shown(made, to_bone_keys(made, clip, 30.0, 30.0))
    assert np.abs(found - smpl_to_blender(want(clip))).max() < 1e-9


def test_an_armature_with_y_up_bones_is_recognised(clip: np.ndarray) -> None:
    made = body(rest_heads(), 4, up=Y_UP)  # SMPL's own axes, under a rotated object
    found = shown(made, to_bone_keys(made, clip, 30.0, 30.0))
    assert np.abs(found - want(clip)).max() < 1e-9


def test_arms_that_rest_in_an_a_pose_still_perform_the_motion(clip: np.ndarray) -> None:
    made = body(smpl_to_blender(hang_arms(rest_heads(), 50.0)), 6)
    keys = to_bone_keys(made, clip, 30.0, 30.0)
    found = shown(made, keys)
    # the arms hung about one axis, but a T-pose's arms are bent a little: hence not to 1e-9
    assert np.abs(found - smpl_to_blender(want(clip))).max() < 0.02
    assert np.abs(joint_path(made, clip, 30.0, 30.0) - found).max() < 1e-9


def test_small_differences_of_the_rest_pose_are_the_bodys_own(clip: np.ndarray) -> None:
    own = body(smpl_to_blender(hang_arms(rest_heads(), 8.0)), 7)
    mine, theirs = (to_bone_keys(b, clip, 30.0, 30.0).rotations for b in (own, body(REST, 7)))
    np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("size", [0.01, 0.6, 100.0])
def test_root_motion_scales_with_the_legs(clip: np.ndarray, size: float) -> None:
    assert body_scale(size * REST) == pytest.approx(size)
    made = body(size * REST, 5)
    found = shown(made, to_bone_keys(made, clip, 30.0, 30.0))
    assert np.abs(found - size * smpl_to_blender(want(clip))).max() < 1e-9 * size


def test_the_floor_is_the_objects_own_wherever_the_rest_pose_lies(clip: np.ndarray) -> None:
    """SMPL's own files and BVH imports have the origin near the pelvis."""
    shift = np.array([3.0, -2.0, -0.92])
    made = body(REST + shift, 6)
    found = shown(made, to_bone_keys(made, clip, 30.0, 30.0))
    level = np.array([3.0, -2.0, 0.0])
    assert np.abs(found - level - smpl_to_blender(want(clip))).max() < 1e-9
    # ... unless it stands on the floor of the room: somebody lifted the object
    lifted = body(REST + shift, 6, world_floor=-0.92)
    found = shown(lifted, to_bone_keys(lifted, clip, 30.0, 30.0))
    assert np.abs(found - shift - smpl_to_blender(want(clip))).max() < 1e-9


def test_a_take_begins_where_the_rig_stands(clip: np.ndarray) -> None:
    moved = clip.copy()
    moved[:, :3] += [0.3, 0.0, -0.5]
    made = body(REST, 6)
    a, b = (to_bone_keys(made, x, 30.0, 24.0, here=True).locations["pelvis"] for x in (clip, moved))
    assert np.abs(a - b).max() < 1e-9
    places = joint_path(made, moved, 30.0, 30.0, here=True)
    assert np.abs(places[0, 0, :2]).max() < 1e-9


def test_other_proportions_keep_the_rotations(clip: np.ndarray) -> None:
    longer = REST.copy()
    longer[:, 2] *= 1.2
    keys, other = (to_bone_keys(body(h, 7), clip, 30.0, 30.0) for h in (REST, longer))
    assert np.abs(keys.rotations - other.rotations).max() < 1e-9


def test_joint_path_is_what_the_keys_do(clip: np.ndarray) -> None:
    made = body(1.3 * REST + [0.5, 0.2, 0.1], 8)
    found = shown(made, to_bone_keys(made, clip, 30.0, 24.0))
    assert np.abs(found - joint_path(made, clip, 30.0, 24.0)).max() < 1e-9


def test_keys_are_sign_continuous(clip: np.ndarray) -> None:
    root, local = motion135.unpack(clip)
    local[:, 0] = rotations.rotation_about("y", np.linspace(0, 13, len(clip)))
    keys = to_bone_keys(body(REST, 9), motion135.pack(root, local), 30.0, 60.0).rotations
    assert (np.einsum("tji,tji->tj", keys[1:], keys[:-1]) > 0).all()
    assert np.abs(np.linalg.norm(keys, axis=-1) - 1).max() < 1e-12


BODIES = {
    "z-up": body(REST, 1),
    "y-up": body(rest_heads(), 2, up=Y_UP),
    "location in armature axes": body(rest_heads(), 3, up=Y_UP, local=False),
    "a-pose, large, elsewhere": body(
        100.0 * smpl_to_blender(hang_arms(rest_heads(), 50.0)) + [3.0, -2.0, 1.0], 4
    ),
    "hangs otherwise": body(
        REST, 5, parents={"head": "spine2"}, turned={"left_wrist": False, "right_elbow": False}
    ),
    "another maker's": body(REST + np.array([0.0, 0.0, 0.05]), 6, own_shape=False),
}


@pytest.mark.parametrize("name", BODIES)
def test_keys_come_back_as_the_motion(name: str, clip: np.ndarray) -> None:
    made = BODIES[name]
    found = back(made, to_bone_keys(made, clip, 30.0, 30.0))
    assert found.dtype == np.float32 and found.shape == clip.shape
    orthonormal = motion135.pack(*motion135.unpack(clip.astype(np.float64)))
    assert np.abs(found - orthonormal).max() < 5e-6


@pytest.mark.parametrize("name", ["z-up", "hangs otherwise"])
def test_bones_that_hang_otherwise_show_the_motion(name: str, clip: np.ndarray) -> None:
    made = BODIES[name]
    found = shown(made, to_bone_keys(made, clip, 30.0, 30.0))
    joints = [AT[f"{s}_{p}"] for s in ("left", "right") for p in ("wrist", "ankle")]
    assert np.abs(found - smpl_to_blender(want(clip)))[:, joints].max() < 1e-9


def test_bones_of_other_makers_stand_with_their_hips_over_the_motions(clip: np.ndarray) -> None:
    """A pelvis bone that begins elsewhere moves along; SMPL bodies keep their own shape."""
    lower = REST.copy()
    lower[0] += [0.0, 0.04, -0.15]
    hips = [AT["left_hip"], AT["right_hip"]]
    found, plain = (
        joint_path(body(h, 1, own_shape=False), clip, 30.0, 30.0)[:, hips] for h in (lower, REST)
    )
    assert np.abs(found - plain).max() < 1e-9
    own = joint_path(body(lower, 1), clip, 30.0, 30.0)[:, hips]
    assert np.abs(found - own).max() > 0.1


def test_what_changed_rotations_change_of_the_keys() -> None:
    plain = body(REST, 1)
    for joint in range(len(JOINT_NAMES)):
        assert keyed_anew(plain, {joint}) == ({plain.of_joint[JOINT_NAMES[joint]]}, joint == 0)
    skipped = body(REST, 1, parents={"left_collar": "spine2"})
    turned, _ = keyed_anew(skipped, {AT["spine3"]})
    assert turned == {skipped.of_joint[j] for j in ("spine3", "left_collar")}


def test_what_must_be_keyed_where_other_controls_made_the_pose() -> None:
    """The rest of a limb, what hangs on a change, and the trunk as a whole."""
    made = body(REST, 1)

    def joints(tracks: set[int]) -> set[str]:
        return {JOINT_NAMES[made.tracks[k].low] for k in tracks}

    arm = [AT[f"left_{p}"] for p in ("shoulder", "elbow", "wrist")]
    turned, moved = posed_anew(made, {AT["left_wrist"]})
    assert joints(turned) == {"left_wrist"} and not moved
    turned, _ = posed_anew(made, {AT["left_wrist"]}, [arm])
    assert joints(turned) == {JOINT_NAMES[j] for j in arm}
    turned, moved = posed_anew(made, {0})
    assert joints(turned) == set(JOINT_NAMES) and moved
    turned, moved = posed_anew(made, {AT["spine2"]})
    legs = {f"{s}_{j}" for s in ("left", "right") for j in ("hip", "knee", "ankle", "foot")}
    assert moved and joints(turned) == set(JOINT_NAMES) - legs


def test_a_rest_pose_in_one_line_is_refused() -> None:
    """Blender makes such armatures of some BVH files."""
    line = np.zeros((22, 3))
    line[:, 1] = np.arange(22) * 0.1
    with pytest.raises(ArmatureError, match="along one line") as raised:
        body(line, 1)
    assert "Rest Pose" in raised.value.hint


@pytest.mark.parametrize("fps", [12.0, 23.976, 24.0, 29.97, 59.94, 60.0, 120.0])
def test_samples_lie_where_the_motion_is_at_that_time(fps: float) -> None:
    t = np.arange(91) / 30.0
    half = t[:, None]
    turns = np.concatenate([np.cos(half), 0 * half, np.sin(half), 0 * half], -1)[:, None]
    moved, turned = sampled(np.stack([3 * t, 0 * t, 0 * t], -1), turns, 30.0, fps)
    at = np.minimum(np.arange(len(moved)) / fps, 3.0)
    assert np.abs(moved[:, 0] - 3 * at).max() < 1e-9
    angle = 2 * np.arctan2(turned[:, 0, 2], turned[:, 0, 0])
    assert np.abs((angle - 2 * at + np.pi) % (2 * np.pi) - np.pi).max() < 1e-9
    assert abs((len(moved) - 1) / fps - 3.0) <= 0.5 / fps + 1e-9


def test_the_same_rate_changes_nothing_and_one_frame_stays_one(clip: np.ndarray) -> None:
    root, local = unpack(clip)
    same_root, same = sampled(root, local, 30.0, 30.0)
    assert (same_root == root).all() and (same == local).all()
    assert len(sampled(root[:1], local[:1], 30.0, 24.0)[0]) == 1
    other = resample.resample_motion135(clip, 30.0, 50.0)
    assert np.abs(sampled(root, local, 30.0, 50.0)[0] - other[:, :3]).max() < 1e-6


def test_measured_basis_is_exact_for_the_neutral_body_in_any_direction() -> None:
    def basis(heads: np.ndarray) -> np.ndarray:
        return measure_basis(dict(zip(JOINT_NAMES, heads, strict=True)))[0]

    assert np.abs(basis(REST) - SMPL_TO_BLENDER).max() == 0
    turn = rotations.rotation_about("z", np.array(np.radians(40.0)))
    assert np.abs(basis(REST @ turn.T) - turn @ SMPL_TO_BLENDER).max() < 1e-9


def test_change_of_basis_is_blenders() -> None:
    assert smpl_to_blender(np.array([0.0, 0.0, 1.0])).tolist() == [0.0, -1.0, 0.0]
    assert smpl_to_blender(np.array([0.0, 1.0, 0.0])).tolist() == [0.0, 0.0, 1.0]
    there = np.random.default_rng(0).normal(size=(5, 3))
    assert np.abs(blender_to_smpl(smpl_to_blender(there)) - there).max() == 0
    assert rest_heads()[:, 1].min() == pytest.approx(SOLE_HEIGHT)


@pytest.mark.parametrize("shape", [(0, 135), (10, 134), (135,)])
def test_wrong_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(FormatError, match=r"\[T, 135\]"):
        unpack(np.zeros(shape))


def test_values_that_are_not_finite_are_refused(clip: np.ndarray) -> None:
    broken = clip.copy()
    broken[3, 7] = np.nan
    with pytest.raises(FormatError, match="not finite"):
        unpack(broken)


def test_twist_bones_take_their_share_of_the_roll() -> None:
    """A hand that rolls by 80 degrees about its forearm: a bone half way rolls by 40."""
    frames = 20
    local = np.tile(np.eye(3), (frames, 22, 1, 1))
    along = rest_heads()[AT["left_wrist"]] - rest_heads()[AT["left_elbow"]]
    along /= np.linalg.norm(along)
    angle = np.radians(np.linspace(0.0, 80.0, frames))[:, None]
    local[:, AT["left_wrist"]] = rotations.axis_angle_to_matrix(angle * along)
    clip = motion135.pack(np.tile([0.0, 0.93, 0.0], (frames, 1)), local)
    middle = 0.5 * (REST[AT["left_elbow"]] + REST[AT["left_wrist"]])
    names = {"forearm_twist_l": ("left_elbow", middle), "finger_l": ("left_wrist", middle)}
    plain, with_twists = (body(REST, 2, extra=names, twists=twists) for twists in (False, True))
    assert "forearm_twist_l" not in plain.names
    keys = to_bone_keys(with_twists, clip, 30.0, 30.0)
    column = keys.bones.index("forearm_twist_l")
    turned = 2.0 * np.degrees(np.arccos(np.clip(np.abs(keys.rotations[:, column, 0]), 0, 1)))
    assert np.abs(turned - np.degrees(angle[:, 0]) / 2).max() < 0.01
    elbow = keys.bones.index("left_elbow")
    assert np.abs(keys.rotations[:, elbow, 0]).min() > 1 - 1e-9
    assert np.abs(back(with_twists, keys) - clip).max() < 5e-6
