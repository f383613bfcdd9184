"""Resampling grids against the bridge goldens (HFTrainer 2f8b929)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from backend.motion import resample


def test_grids(kit: Path) -> None:
    with np.load(kit / "bridge" / "resample.npz", allow_pickle=False) as file:
        golden = dict(file)
    joints = golden["joints20"]
    aligned = resample.end_aligned_grid(len(joints), 20, 30)
    np.testing.assert_allclose(
        resample.linear(joints, aligned), golden["endaligned30"], atol=1e-6, rtol=0
    )
    np.testing.assert_allclose(
        resample.spherical(golden["rotmat20"], aligned), golden["slerp30"], atol=2e-6, rtol=0
    )
    phase = resample.linear(joints, resample.phase_grid(len(joints), 20, 30))
    np.testing.assert_allclose(phase, golden["phase30"], atol=1e-12, rtol=0)
    back = resample.linear(phase, resample.phase_grid(len(phase), 30, 20))
    np.testing.assert_allclose(back, golden["phase30_to_20"], atol=1e-12, rtol=0)
