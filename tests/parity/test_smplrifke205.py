"""smplrifke205 against nv-tlabs/stmc @ a8b2a1f (features, decode with two first angles)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.motion.representations import smplrifke205, statistics
from backend.motion.rotations import axis_angle_to_matrix

GOLDEN = Path(__file__).parent / "golden" / "smplrifke"
TOLERANCE = 1e-6


def check_clip(path: Path) -> None:
    with np.load(path, allow_pickle=False) as file:
        golden = dict(file)
    rotations = axis_angle_to_matrix(golden["poses"].reshape(-1, 22, 3))
    features = smplrifke205.encode(rotations, golden["trans"], golden["joints24"])
    np.testing.assert_allclose(features, golden["features205"], atol=TOLERANCE, rtol=0)

    rotations, trans, joints = smplrifke205.decode(golden["features205"])
    expected = axis_angle_to_matrix(golden["dec_poses"].reshape(-1, 22, 3))
    np.testing.assert_allclose(rotations, expected, atol=TOLERANCE, rtol=0)
    np.testing.assert_allclose(trans, golden["dec_trans"], atol=TOLERANCE, rtol=0)
    np.testing.assert_allclose(joints, golden["dec_joints"], atol=TOLERANCE, rtol=0)

    rotations, _, joints = smplrifke205.decode(golden["features205"], first_angle=np.pi)
    expected = axis_angle_to_matrix(golden["dec_root_aa_first_angle_pi"])
    np.testing.assert_allclose(joints, golden["dec_joints_first_angle_pi"], atol=TOLERANCE, rtol=0)
    np.testing.assert_allclose(rotations[:, 0], expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("name", ["synth_0", "synth_1", "synth_2"])
def test_synthetic(name: str) -> None:
    check_clip(GOLDEN / f"{name}.npz")


@pytest.mark.parametrize("name", ["real_000000", "real_amass_120to20"])
def test_real(kit: Path, name: str) -> None:
    check_clip(kit / "smplrifke" / f"{name}.npz")


def test_normaliser(kit: Path) -> None:
    with np.load(kit / "smplrifke" / "normalise.npz", allow_pickle=False) as file:
        golden = dict(file)
    mean, std = golden["mean"], golden["std"]
    there = statistics.normalise(golden["x"], mean, std, floor=1e-12)
    np.testing.assert_allclose(there, golden["normalised"], atol=1e-5, rtol=0)
    back = statistics.denormalise(there, mean, std, floor=1e-12)
    np.testing.assert_allclose(back, golden["x"], atol=1e-5, rtol=0)
