"""HumanML3D-263 against EricGuo5513/HumanML3D @ 9176e8f."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backend.motion.representations import hml263, humanml3d_raw, statistics

GOLDEN = Path(__file__).parent / "golden" / "hml263"
FEATURE_TOLERANCE = {"rotations": 3e-4, "contacts": 0.0}  # others: 2e-5
JOINT_TOLERANCE = 2e-6


def load(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def check_features(ours: np.ndarray, golden: np.ndarray) -> None:
    assert ours.shape == golden.shape
    for block in hml263.SPEC.names:
        columns = hml263.SPEC.columns(block)
        tolerance = FEATURE_TOLERANCE.get(block, 2e-5)
        np.testing.assert_allclose(
            ours[:, columns], golden[:, columns], atol=tolerance, rtol=0, err_msg=block
        )


def test_features_of_a_made_up_clip() -> None:
    golden = load(GOLDEN / "synthetic_A.npz")
    check_features(hml263.encode(golden["joints_in"]), golden["features"])
    single = hml263.encode(golden["joints_in"].astype(np.float32))
    assert single.dtype == np.float32
    check_features(single, load(GOLDEN / "synthetic_A_float32_input.npz")["features"])


def test_every_stage_of_a_made_up_clip() -> None:
    golden = load(GOLDEN / "synthetic_A.npz")
    uniform = hml263.uniform_skeleton(golden["joints_in"])
    np.testing.assert_allclose(uniform, golden["us_joints"], atol=2e-6, rtol=0)
    poses = hml263.canonicalise(golden["joints_in"])
    np.testing.assert_allclose(poses, golden["global_positions"], atol=3e-6, rtol=0)
    half, rotations = hml263.inverse_kinematics(golden["global_positions"].astype(np.float64))
    np.testing.assert_allclose(np.sin(half), golden["r_rot"][:, 2], atol=1e-6, rtol=0)
    np.testing.assert_allclose(
        rotations[..., 0], golden["cont6d"][..., :3], atol=FEATURE_TOLERANCE["rotations"], rtol=0
    )


def test_recovery_of_a_clip() -> None:
    golden = load(GOLDEN / "synthetic_A.npz")
    joints = hml263.decode_joints(golden["features"])
    np.testing.assert_allclose(joints, golden["joints_ric"], atol=JOINT_TOLERANCE, rtol=0)
    joints = hml263.joints_from_rotations(golden["features"])
    np.testing.assert_allclose(joints, golden["joints_rot"], atol=JOINT_TOLERANCE, rtol=0)


def test_recovery_of_what_a_network_makes() -> None:
    golden = load(GOLDEN / "recover_arbitrary.npz")
    half, root = hml263.recover_root(golden["features"])
    np.testing.assert_allclose(np.cos(half), golden["r_rot_quat"][:, 0], atol=1e-6, rtol=0)
    np.testing.assert_allclose(np.sin(half), golden["r_rot_quat"][:, 2], atol=1e-6, rtol=0)
    np.testing.assert_allclose(root, golden["r_pos"], atol=JOINT_TOLERANCE, rtol=0)
    joints = hml263.decode_joints(golden["features"])
    np.testing.assert_allclose(joints, golden["joints_ric"], atol=JOINT_TOLERANCE, rtol=0)
    batch = hml263.decode_joints(np.stack([golden["features"]] * 2)[:, None])
    np.testing.assert_array_equal(batch[1, 0], joints)
    joints = hml263.joints_from_rotations(golden["features"])
    np.testing.assert_allclose(joints, golden["joints_rot"], atol=JOINT_TOLERANCE, rtol=0)


def test_real_clip_from_its_raw_joints(kit: Path) -> None:
    golden = load(kit / "hml3d" / "real_data" / "clip_000021.npz")
    check_features(hml263.encode(golden["joints_in"]), golden["features"])
    joints = hml263.decode_joints(golden["features"])
    np.testing.assert_allclose(joints, golden["joints_ric"], atol=JOINT_TOLERANCE, rtol=0)


def test_real_clip_as_shipped(kit: Path) -> None:
    golden = load(kit / "hml3d" / "real_data" / "clip_012314.npz")
    check_features(hml263.encode(golden["shipped_joints"]), golden["reprocessed"])
    # made of one pose more, which the smoothed heading of the last 80 rows feels
    early = len(golden["shipped_vecs"]) - 82
    ours = hml263.encode(golden["shipped_joints"])
    check_features(ours[:early], golden["shipped_vecs"][:early])
    half, root = hml263.recover_root(golden["shipped_vecs"])
    np.testing.assert_allclose(np.cos(half), golden["r_rot_quat"][:, 0], atol=1e-6, rtol=0)
    np.testing.assert_allclose(np.sin(half), golden["r_rot_quat"][:, 2], atol=1e-6, rtol=0)
    np.testing.assert_allclose(root, golden["r_pos"], atol=JOINT_TOLERANCE, rtol=0)
    joints = hml263.decode_joints(golden["shipped_vecs"])
    np.testing.assert_allclose(joints, golden["shipped_joints"], atol=JOINT_TOLERANCE, rtol=0)
    joints = hml263.joints_from_rotations(golden["shipped_vecs"])
    np.testing.assert_allclose(joints, golden["joints_rot"], atol=JOINT_TOLERANCE, rtol=0)


def test_constants() -> None:
    constants = json.loads((GOLDEN / "constants.json").read_text())
    for skeleton, name in ((hml263.HML22, "t2m"), (hml263.KIT21, "kit")):
        expected = constants[name]
        assert [list(c) for c in skeleton.chains] == expected["chains"]
        assert [list(o) for o in skeleton.raw_offsets] == expected["raw_offsets"]
        assert list(skeleton.legs) == expected["leg_joints"]
        assert list(skeleton.feet) == expected["feet_left"] + expected["feet_right"]
        assert list(skeleton.face) == expected["face_joints"]
        assert skeleton.contact_threshold == expected["feet_threshold"]
        assert (skeleton.spec.dim, skeleton.fps) == (expected["dims"], expected["fps"])
    lengths = load(GOLDEN / "target_skeleton.npz")["bone_length"]
    np.testing.assert_allclose(hml263.HML22.bone_lengths, lengths, atol=1e-7, rtol=0)


def test_way_from_amass() -> None:
    golden = load(GOLDEN / "axis_pipeline.npz")
    y_up = humanml3d_raw.to_y_up(golden["jtr"])
    np.testing.assert_array_equal(y_up, golden["after_matrix"])
    flipped = humanml3d_raw.cut(y_up, "KIT/3/walk.npy", 0, len(y_up))
    np.testing.assert_array_equal(flipped, golden["after_flip"])
    np.testing.assert_array_equal(humanml3d_raw.mirror(flipped), golden["mirrored"])
    golden = load(GOLDEN / "mirror.npz")
    for count in ("22", "52"):
        mirrored = humanml3d_raw.mirror(golden[f"in{count}"])
        np.testing.assert_array_equal(mirrored, golden[f"out{count}"])
    for case in json.loads((GOLDEN / "resample_rule.json").read_text())["cases"]:
        step = humanml3d_raw.stride(case["fps"])
        assert (step, len(range(0, case["n_frames"], step))) == (case["stride"], case["kept"])


def test_mean_and_std_skip_clips_with_nan() -> None:
    golden = load(GOLDEN / "mean_std.npz")
    clips = [golden[f"clip{i}"] for i in range(3)]
    assert np.isnan(clips[1]).any()
    mean, std = statistics.mean_std(clips, hml263.SPEC)
    np.testing.assert_allclose(mean, golden["mean"], atol=2e-6, rtol=1e-6)
    np.testing.assert_allclose(std, golden["std"], atol=2e-6, rtol=1e-6)


@pytest.mark.parametrize("block", ["root_height", "joints", "contacts"])
def test_columns(block: str) -> None:
    expected = {"root_height": (3, 4), "joints": (4, 67), "contacts": (259, 263)}[block]
    assert hml263.SPEC.columns(block) == slice(*expected)
