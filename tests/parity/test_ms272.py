"""MS272 against Li-xingXiao/272-dim-Motion-Representation @ 90cb9a8."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.motion.representations import motion135, ms272, smpl85, statistics
from backend.motion.rotations import axis_angle_to_matrix, matrix_to_euler_zyx

GOLDEN = Path(__file__).parent / "golden" / "ms272"


def load(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def rotations_of(axis_angles: np.ndarray) -> np.ndarray:
    return axis_angle_to_matrix(axis_angles.astype(np.float64).reshape(len(axis_angles), -1, 3))


def check_decode(golden: dict[str, np.ndarray], tolerance: float) -> None:
    joints = ms272.decode_joints(golden["rep272"])
    np.testing.assert_allclose(joints, golden["decode_joints"], atol=tolerance, rtol=0)
    rotations, root = ms272.decode(golden["rep272"])
    expected = rotations_of(golden["decode_smpl_aa"])
    np.testing.assert_allclose(rotations, expected, atol=tolerance, rtol=0)
    np.testing.assert_allclose(root, golden["decode_trans"], atol=tolerance, rtol=0)


@pytest.mark.parametrize("name", ["synth_0", "synth_1", "synth_2", "synth_3"])
def test_synthetic(name: str) -> None:
    golden = load(GOLDEN / f"{name}.npz")
    rotations = rotations_of(golden["facez_smpl85"][:, :66])
    features = ms272.encode(golden["joints22_facez"], rotations)
    np.testing.assert_allclose(features, golden["rep272"], atol=2e-6, rtol=0)
    check_decode(golden, 2e-6)


@pytest.mark.parametrize("name", ["synth_0", "synth_1", "synth_2", "synth_3"])
def test_face_z(name: str) -> None:
    golden = load(GOLDEN / f"{name}.npz")
    rotations, trans, _ = smpl85.unpack(golden["smpl85"].astype(np.float64))
    rotations, trans = ms272.face_z(rotations, trans)
    expected, expected_trans, _ = smpl85.unpack(golden["facez_smpl85"].astype(np.float64))
    np.testing.assert_allclose(rotations, expected, atol=5e-6, rtol=0)
    np.testing.assert_allclose(trans, expected_trans, atol=1e-6, rtol=0)


def test_euler_angles_of_the_bvh_export() -> None:
    for number in range(4):
        golden = load(GOLDEN / f"synth_{number}.npz")
        rotations, _ = ms272.decode(golden["rep272"])
        angles = np.rad2deg(matrix_to_euler_zyx(rotations))
        apart = (angles - golden["decode_euler_zyx_deg"] + 180.0) % 360.0 - 180.0
        assert np.abs(apart).max() < 1e-4


def test_real_clip(kit: Path) -> None:
    inputs = load(kit / "ms272" / "real_000000_inputs.npz")
    golden = load(kit / "ms272" / "real_000000_golden.npz")
    rotations, trans, _ = smpl85.unpack(inputs["smpl85"].astype(np.float64))
    turned, moved = ms272.face_z(rotations, trans)
    root = axis_angle_to_matrix(golden["facez_root_aa"].astype(np.float64))
    np.testing.assert_allclose(turned[:, 0], root, atol=2e-7, rtol=0)
    np.testing.assert_allclose(moved, golden["facez_trans"], atol=2e-7, rtol=0)
    rotations[:, 0] = root
    features = ms272.encode(inputs["joints22_facez"], rotations)
    chosen = features[golden["frame_index"]]
    np.testing.assert_allclose(chosen, golden["rep272"], atol=3e-7, rtol=0)
    for name in ("mean", "std", "min", "max"):
        value = getattr(features, name)(axis=0)
        np.testing.assert_allclose(value, golden[f"rep272_{name}"], atol=3e-7, rtol=0)
    total = np.abs(features).sum(axis=0)
    np.testing.assert_allclose(total, golden["rep272_sum_abs"], rtol=1e-6, atol=3e-4)
    joints = ms272.decode_joints(features)[golden["frame_index"]]
    np.testing.assert_allclose(joints, golden["decode_joints"], atol=1e-6, rtol=0)
    decoded, place = (a[golden["frame_index"]] for a in ms272.decode(features))
    np.testing.assert_allclose(decoded, rotations_of(golden["decode_smpl_aa"]), atol=1e-6, rtol=0)
    np.testing.assert_allclose(place, golden["decode_trans"], atol=1e-6, rtol=0)


def test_real_window(kit: Path) -> None:
    inputs = load(kit / "ms272" / "real_000000_inputs.npz")
    whole = load(kit / "ms272" / "real_000000_golden.npz")
    golden = load(kit / "ms272" / "real_000000_window.npz")
    start, stop = golden["window"]
    rotations = rotations_of(inputs["smpl85"][start:stop, :66])
    rotations[:, 0] = axis_angle_to_matrix(whole["facez_root_aa"][start:stop].astype(np.float64))
    features = ms272.encode(inputs["joints22_facez"][start:stop], rotations)
    np.testing.assert_allclose(features, golden["rep272"], atol=3e-7, rtol=0)
    check_decode(golden, 1e-6)


def test_blocks_of_the_published_statistics(kit: Path) -> None:
    golden = load(kit / "ms272" / "mean_std_272.npz")
    for name in ms272.SPEC.names:
        block = golden["std"][ms272.SPEC.columns(name)]
        np.testing.assert_allclose(block, block[0], rtol=1e-6)
    x = np.random.default_rng(0).normal(size=(5, 272))
    there = statistics.normalise(x, golden["mean"], golden["std"])
    back = statistics.denormalise(there, golden["mean"], golden["std"])
    np.testing.assert_allclose(back, x, atol=1e-12)


def test_bridge_to_motion135_and_back(kit: Path) -> None:
    golden = load(kit / "bridge" / "motion135_to_272.npz")
    clip = golden["motion_135"]
    for offsets, expected in (
        ("solved_offsets22", "rep272_solved"),
        ("smpl_neutral_offsets22_root0", "rep272_smpl_neutral"),
    ):
        joints = motion135.joints(clip.astype(np.float64), golden[offsets])
        features = ms272.encode(joints, motion135.unpack(clip)[1])
        np.testing.assert_allclose(features, golden[expected], atol=5e-6, rtol=0)
    rotations, root = ms272.decode(golden["rep272_solved"])
    back = load(kit / "bridge" / "rep272_to_motion135.npz")["motion_135"]
    np.testing.assert_allclose(motion135.pack(root, rotations), back, atol=1e-9, rtol=0)
