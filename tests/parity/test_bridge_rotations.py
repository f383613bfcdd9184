"""The three rot6d layouts and forward kinematics against the bridge goldens (HFTrainer 2f8b929)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.motion import rotations
from backend.motion.skeleton import (
    PARENTS,
    forward_kinematics,
    global_rotations,
    rest_offsets,
)

GOLDEN = Path(__file__).parent / "golden" / "bridge"
LAYOUTS = {"column": "column", "interleaved": "interleaved", "rows": "rows"}


@pytest.fixture(scope="module")
def rot6d() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "rot6d.npz", allow_pickle=False) as file:
        return dict(file)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rot6d_packing_is_exact(rot6d: dict[str, np.ndarray], layout: str) -> None:
    packed = getattr(rotations, f"matrix_to_rot6d_{layout}")(rot6d["matrices"])
    np.testing.assert_array_equal(packed, rot6d[f"{layout}6"])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rot6d_of_raw_numbers(rot6d: dict[str, np.ndarray], layout: str) -> None:
    matrices = getattr(rotations, f"rot6d_{layout}_to_matrix")(rot6d["raw6"])
    np.testing.assert_allclose(matrices, rot6d[f"decode_raw_as_{layout}"], atol=1e-12, rtol=0)


def test_misread_layout_is_the_known_wrong_answer(rot6d: dict[str, np.ndarray]) -> None:
    wrong = rotations.rot6d_rows_to_matrix(rot6d["interleaved6"])
    np.testing.assert_allclose(
        wrong, rot6d["interleaved_decoded_as_rows_WRONG"], atol=1e-12, rtol=0
    )
    assert np.abs(wrong - rot6d["matrices"]).max() > 1.0


def test_forward_kinematics_of_random_skeletons() -> None:
    with np.load(GOLDEN / "fk_synth.npz", allow_pickle=False) as file:
        golden = dict(file)
    joints = forward_kinematics(golden["local_rotmat"], golden["translation"], golden["offsets"])
    np.testing.assert_allclose(joints, golden["joints"], atol=1e-12, rtol=0)
    world = global_rotations(golden["local_rotmat"])
    np.testing.assert_allclose(world, golden["world_rot"], atol=1e-12, rtol=0)


def test_forward_kinematics_of_a_real_clip(kit: Path) -> None:
    with np.load(kit / "bridge" / "fk_real.npz", allow_pickle=False) as file:
        golden = dict(file)
    with np.load(kit / "bridge" / "rest_offsets.npz", allow_pickle=False) as file:
        offsets = file["solved_offsets22"]
    local = golden["local_rotmat"].astype(np.float64)
    joints = forward_kinematics(local, golden["translation"], offsets)
    np.testing.assert_allclose(joints, golden["joints"], atol=1e-9, rtol=0)
    np.testing.assert_allclose(joints, golden["shipped_joints"], atol=5e-7, rtol=0)
    world = global_rotations(local[:6])
    np.testing.assert_allclose(world, golden["world_rot_first6"], atol=1e-6, rtol=0)


def test_offsets_of_a_real_clip_and_of_the_neutral_body(kit: Path) -> None:
    with np.load(kit / "bridge" / "rest_offsets.npz", allow_pickle=False) as file:
        golden = dict(file)
    assert golden["joint_parents22"].tolist() == list(PARENTS)
    inputs = np.load(kit / "ms272" / "real_000000_inputs.npz", allow_pickle=False)
    facing = np.load(kit / "ms272" / "real_000000_golden.npz", allow_pickle=False)
    poses = inputs["smpl85"][:, :66].astype(np.float64).reshape(-1, 22, 3)
    poses[:, 0] = facing["facez_root_aa"]
    world = global_rotations(rotations.axis_angle_to_matrix(poses))
    joints, parents = inputs["joints22_facez"].astype(np.float64), list(PARENTS[1:])
    bones = (joints[:, 1:] - joints[:, parents])[..., None]
    local = (world[:, parents].swapaxes(-1, -2) @ bones)[..., 0]
    solved = golden["solved_offsets22"]
    np.testing.assert_allclose(local.mean(axis=0), solved[1:], atol=1e-6, rtol=0)
    # SMPL's joints are rigid kinematics on the bones of the body
    assert np.abs(local - solved[1:]).max() < 1e-6
    # ours are the neutral body's to the millimetre they are rounded to
    np.testing.assert_allclose(
        rest_offsets()[1:], golden["smpl_neutral_offsets24"][1:22], atol=2e-3, rtol=0
    )
