"""Inverse kinematics against the bridge goldens (formulas of HFTrainer 2f8b929)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backend.motion import ik, resample
from backend.motion.representations import hml263
from backend.motion.skeleton import PARENTS, forward_kinematics

# mean MPJPE in mm of the reference after 80 steps (without, with foot alignment); spec table 3.5
EXPECTED = {
    ("same", "bone"): (0.592, 0.615),
    ("same", "parent_frame"): (1.176, 1.224),
    ("real", "bone"): (31.143, 32.850),
    ("real", "parent_frame"): (31.119, 32.825),
}


def load(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def test_table_is_that_of_the_kit(kit: Path) -> None:
    expected = json.loads((kit / "bridge" / "ik_expected.json").read_text())
    for (target, mode), numbers in EXPECTED.items():
        golden = expected[f"{target}_{mode}"]["scipy"]
        keys = ("mpjpe_mm_iter80_no_foot_align", "mpjpe_mm_iter80_foot_align")
        np.testing.assert_allclose(numbers, [golden[k] for k in keys], atol=6e-4)


def offsets_of(rest: np.ndarray) -> np.ndarray:
    offsets = rest.copy()
    offsets[1:] -= rest[list(PARENTS[1:])]
    return offsets


def targets_of(joints: np.ndarray) -> np.ndarray:
    return resample.linear(joints, resample.end_aligned_grid(len(joints), 20, 30))


@pytest.mark.parametrize(("target", "mode"), EXPECTED)
def test_golden_problems(kit: Path, target: str, mode: str) -> None:
    golden = load(kit / "bridge" / "ik_problem.npz")
    offsets = offsets_of(golden["rest22"])
    targets = targets_of(golden[f"target20_{target}"])
    floor = targets[..., 1].min() if target == "same" else 0.0

    rotations = ik.initial_rotations(targets, offsets, mode)
    joints = forward_kinematics(rotations, targets[:, 0] - offsets[0], offsets)
    expected = golden[f"{target}_{mode}_init_joints"].astype(np.float64)
    lift = expected[:, :1] - joints[:, :1]  # the goldens stand on their own floor
    np.testing.assert_allclose(joints + lift, expected, atol=2e-5, rtol=0)
    if target == "same":
        np.testing.assert_allclose(
            targets - [0, floor, 0], golden["target30_same"], atol=1e-6, rtol=0
        )

    for foot_align, reference in zip((False, True), EXPECTED[target, mode], strict=True):
        errors = {}
        for method in ("adam", "gauss_newton"):
            [fitted] = ik.fit(
                targets,
                offsets,
                mode=mode,
                refinement=ik.Refinement(method=method),
                foot_align=foot_align,
            )
            errors[method] = fitted.error_mm.mean()
        # float32 in the reference, float64 here: 0.005 mm on the exactly reachable target
        assert errors["adam"] < reference + 0.006
        assert errors["gauss_newton"] < reference


def test_chain_from_263(kit: Path) -> None:
    golden = load(kit / "bridge" / "chain_263.npz")
    joints = hml263.decode_joints(golden["features263"])
    np.testing.assert_allclose(joints, golden["joints20"], atol=5e-6, rtol=0)
    targets = targets_of(joints)
    targets[..., 1] -= targets[..., 1].min()
    np.testing.assert_allclose(targets, golden["target30"], atol=5e-6, rtol=0)
    offsets = offsets_of(golden["rest22"])
    [start] = ik.fit(targets, offsets, foot_align=False)
    assert start.error_mm.mean() == pytest.approx(28.230, abs=0.01)
    for method in ("adam", "gauss_newton"):
        [fitted] = ik.fit(targets, offsets, refinement=ik.Refinement(method=method))
        assert fitted.error_mm.mean() < 17.4450
