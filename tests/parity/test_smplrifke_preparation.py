"""Axis change, frame rate and mirroring of smplrifke data against nv-tlabs/stmc @ a8b2a1f."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.motion import resample
from backend.motion.mirror import mirror_positions, mirror_rotations
from backend.motion.representations.smplrifke205 import Z_UP_FROM_Y_UP
from backend.motion.rotations import axis_angle_to_matrix


@pytest.fixture(scope="module")
def golden(kit: Path) -> dict[str, np.ndarray]:
    with np.load(kit / "smplrifke" / "resample_fps.npz", allow_pickle=False) as file:
        return dict(file)


def test_y_up_to_z_up(golden: dict[str, np.ndarray]) -> None:
    source = golden["smpl85_yup_60fps"].astype(np.float64)
    rotations = axis_angle_to_matrix(source[:, :66].reshape(-1, 22, 3))
    rotations[:, 0] = Z_UP_FROM_Y_UP @ rotations[:, 0]
    expected = axis_angle_to_matrix(golden["poses_zup"].reshape(-1, 22, 3))
    np.testing.assert_allclose(rotations, expected, atol=1e-6, rtol=0)
    trans = source[:, 72:75] @ Z_UP_FROM_Y_UP.T
    np.testing.assert_allclose(trans, golden["trans_zup"], atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("fps", "poses", "trans", "result"),
    [
        (60, "poses_zup", "trans_zup", "a"),
        (120, "amass_poses_120", "amass_trans_120", "b"),
        (100, "amass_poses_120", "amass_trans_120", "c"),
    ],
)
def test_frame_rates(
    golden: dict[str, np.ndarray], fps: int, poses: str, trans: str, result: str
) -> None:
    grid = resample.centred_grid(len(golden[poses]), fps, 20)
    vectors = golden[poses].reshape(-1, 22, 3)
    out = resample.vector_slerp(vectors, grid).reshape(len(grid), 66)
    np.testing.assert_allclose(out, golden[f"poses20_{result}"], atol=2e-6, rtol=0)
    moved = resample.linear(golden[trans], grid)
    np.testing.assert_allclose(moved, golden[f"trans20_{result}"], atol=2e-6, rtol=0)


def test_mirror(golden: dict[str, np.ndarray]) -> None:
    rotations = axis_angle_to_matrix(golden["poses20_b"].reshape(-1, 22, 3))
    expected = axis_angle_to_matrix(golden["mirrored_poses_b"].reshape(-1, 22, 3))
    np.testing.assert_allclose(mirror_rotations(rotations), expected, atol=1e-6, rtol=0)
    np.testing.assert_array_equal(mirror_positions(golden["trans20_b"]), golden["mirrored_trans_b"])
