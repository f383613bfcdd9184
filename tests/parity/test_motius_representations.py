"""Representations and bridges against outputs of Motius @50cf750."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.cli.main import main
from backend.motion import convert, ik, native_bridge, position_error, skeleton_file
from backend.motion.representations import (
    babel135,
    dart276,
    hymotion201,
    joints66,
    motion135,
    ms272,
)
from backend.motion.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from backend.motion.skeleton import pelvis_at_root

CLIPS = (0, 1, 2)


@pytest.fixture(scope="module")
def golden(kit: Path) -> dict[str, np.ndarray]:
    with np.load(kit / "motius" / "representations.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def skeleton(kit: Path) -> np.ndarray:
    """The evaluator's skeleton, from its file."""
    return skeleton_file.load_offsets(kit / "motius")


def apart(a: np.ndarray, b: np.ndarray) -> float:
    assert a.shape == b.shape
    return float(np.abs(a - b).max())


@pytest.mark.parametrize("i", CLIPS)
def test_272_on_the_evaluators_skeleton(
    golden: dict[str, np.ndarray], skeleton: np.ndarray, i: int
) -> None:
    assert apart(skeleton, golden["canon272_offsets"]) == 0.0
    x = golden[f"motion135_{i}"]
    options = convert.IkOptions(offsets=skeleton)
    points = convert.convert(x.astype(np.float64), "motion135", "joints", options=options).data
    assert apart(points, golden[f"joints_{i}"]) < 2e-6
    made = convert.convert(
        x, "motion135", "ms272", options=convert.IkOptions(offsets_272=skeleton)
    ).data
    assert apart(made, golden[f"ms272_default_{i}"]) < 2e-6
    assert apart(convert.motion272_to_hml263(made), golden[f"hml263_from_ms272_{i}"]) < 3e-5
    assert apart(skeleton_file.skeleton_of([made]), skeleton) < 1e-5


@pytest.mark.parametrize("i", CLIPS)
def test_263_from_motion135(golden: dict[str, np.ndarray], skeleton: np.ndarray, i: int) -> None:
    points = golden[f"joints_{i}"].astype(np.float64)
    for rate in (30, 20):
        # frames at 20 fps that are said to be so many fps are not resampled
        made = convert.convert(points, "joints", "hml263", fps=20.0 if rate == 30 else 30.0).data
        assert apart(made, golden[f"hml263_30to{rate}_{i}"]) < 3e-5


@pytest.mark.parametrize("i", CLIPS)
def test_native_bridge(golden: dict[str, np.ndarray], skeleton: np.ndarray, i: int) -> None:
    x = golden[f"hml263_30to20_{i}"]
    options = convert.IkOptions(native_bridge=True, offsets_272=skeleton)
    clip = convert.convert(x, "hml263", "ms272", options=options)
    assert [step.name for step in clip.steps] == ["hml263 -> ms272"]
    assert apart(clip.data, golden[f"ms272_from_hml263_native_{i}"]) < 2e-5
    longer = native_bridge.hml263_to_motion272(x, skeleton, 50)
    assert apart(longer, golden[f"ms272_from_hml263_native_len50_{i}"]) < 2e-5


@pytest.mark.parametrize("i", CLIPS)
def test_hymotion201(golden: dict[str, np.ndarray], skeleton: np.ndarray, i: int) -> None:
    made = hymotion201.encode(golden[f"motion135_{i}"], skeleton)
    assert apart(made, golden[f"hymotion201_{i}"]) < 2e-6
    assert apart(hymotion201.stored_joints(made), golden[f"hymotion201_joints_{i}"]) < 2e-6
    back = convert.convert(golden[f"hymotion201_{i}"], "hymotion201", "motion135").data
    assert apart(back, golden[f"motion135_{i}"]) < 1e-6


@pytest.mark.parametrize("i", CLIPS)
def test_dart276(golden: dict[str, np.ndarray], i: int) -> None:
    x, smpl = golden[f"dart276_{i}"], golden[f"dart276_smpl_in_{i}"].astype(np.float64)
    options = convert.IkOptions.preset("published")
    clip = convert.convert(x, "dart276", "motion135", target_fps=20.0, options=options)
    assert clip.fps == 20.0
    # near half a turn the reference's own axis-angles, in float32, are off by up to 4e-3
    root = axis_angle_to_matrix(smpl[:, :3])
    angle = np.linalg.norm(matrix_to_axis_angle(dart276.TO_Y_UP.T @ motion135.unpack(
        clip.data.astype(np.float64))[1][:, 0]), axis=-1)  # fmt: skip
    sure = angle < np.pi - 0.02
    assert sure.sum() > len(sure) / 2
    theirs = golden[f"dart276_to_motion135_{i}"]
    assert apart(clip.data[sure], theirs[sure]) < 2e-5
    assert apart(clip.data, theirs) < 1e-4
    points = position_error.joint_positions(x, "dart276")
    assert apart(points, golden[f"dart276_to_joints_mbench_{i}"]) < 2e-5
    rotations = axis_angle_to_matrix(smpl[:, :66].reshape(-1, 22, 3))
    assert np.array_equal(rotations[:, 0], root)
    made = dart276.encode(golden[f"dart276_joints_in_{i}"], rotations, smpl[:, 66:])
    steady = sure[:-1] & sure[1:]
    assert apart(made[steady], x[steady]) < 2e-5
    rest = np.ones(276, bool)
    rest[dart276.SPEC.columns("root", "root_step")] = False
    assert apart(made[:, rest], x[:, rest]) < 2e-5
    kept = dart276.to_motion135(x)
    height = kept[:, 1] - clip.data[:, 1]
    assert height.min() > -1e-5, "the ground of the clip is never above that of a frame"


@pytest.mark.parametrize("i", CLIPS)
def test_babel135(golden: dict[str, np.ndarray], skeleton: np.ndarray, i: int) -> None:
    x = golden[f"babel135_{i}"]
    made = babel135.to_motion135(x)
    assert apart(made, golden[f"babel135_to_motion135_{i}"]) < 2e-5
    points = motion135.joints(made.astype(np.float64), pelvis_at_root(skeleton))
    assert apart(points, golden[f"babel135_to_joints_{i}"]) < 2e-5
    assert apart(babel135.from_motion135(made), x) < 2e-5


def test_canonical_joints(kit: Path) -> None:
    with np.load(kit / "motius" / "canonical_joints.npz", allow_pickle=False) as file:
        for i in range(4):
            points = file[f"in{i}"]
            assert apart(joints66.canonicalise(points), file[f"out{i}"]) < 1e-5
            standing = joints66.canonicalise(points, floor_align=False)
            assert apart(standing, file[f"out_nofloor{i}"]) < 1e-5


@pytest.mark.parametrize("i", (0, 1))
@pytest.mark.parametrize("iterations", (0, 5, 80))
def test_published_inverse_kinematics(kit: Path, i: int, iterations: int) -> None:
    with np.load(kit / "motius" / "ik.npz", allow_pickle=False) as file:
        rest, parents = file["rest_joints"].astype(np.float64), file["parents"]
        x, theirs = file[f"hml263_{i}"], file[f"motion_135_{i}_iter{iterations}"]
        fitted = file[f"fitted_joints_{i}_iter{iterations}"]
        error = file[f"fit_mpjpe_mm_{i}_iter{iterations}"]
    offsets = rest.copy()
    offsets[1:] -= rest[parents[1:]]
    preset = convert.IkOptions.preset("published")
    options = convert.IkOptions(
        ik.Refinement(iterations=iterations, settle=False) if iterations else None,
        foot_align=preset.foot_align,
        hinge_twist=preset.hinge_twist,
        offsets=offsets,
    )
    if iterations == 80:
        assert preset.refinement == options.refinement
    made, mpjpe = convert.joints_to_motion135(convert.hml263_to_joints(x), options=options)
    points = motion135.joints(made.astype(np.float64), pelvis_at_root(offsets))
    assert apart(points, fitted) < (1e-5 if iterations == 0 else 1e-3)
    assert apart(mpjpe, error) < 0.002
    assert apart(made[:, 3:], theirs[:, 3:]) < 1e-3
    assert apart(made[:, :3], theirs[:, :3] + rest[0].astype(np.float32)) < 1e-3


@pytest.mark.parametrize("i", (0, 1))
def test_steady_twist_and_floor(kit: Path, i: int) -> None:
    with np.load(kit / "motius" / "ik.npz", allow_pickle=False) as file:
        rest, parents = file["rest_joints"].astype(np.float64), file["parents"]
        points = convert.hml263_to_joints(file[f"hml263_{i}"])
        steady = file[f"twist_stabilised_len70_motion_135_{i}"]
        no_floor = file[f"no_floor_motion_135_{i}"]
    offsets = rest.copy()
    offsets[1:] -= rest[parents[1:]]
    options = replace(convert.IkOptions.preset("published"), refinement=None, offsets=offsets)
    made, _ = convert.joints_to_motion135(
        points, options=replace(options, steady_twist=True), frames=70
    )
    made[:, :3] -= rest[0].astype(np.float32)
    assert apart(made, steady) < 1e-5
    made, _ = convert.joints_to_motion135(points, options=replace(options, floor_align=False))
    made[:, :3] -= rest[0].astype(np.float32)
    assert apart(made, no_floor) < 1e-5


def test_from_the_command_line(
    kit: Path, golden: dict[str, np.ndarray], skeleton: np.ndarray, tmp_path: Path
) -> None:
    np.save(tmp_path / "a.npy", golden["hml263_30to20_0"])
    np.save(tmp_path / "m.npy", golden["motion135_0"])
    command = ["convert", "--quiet", "--to", "ms272", "--skeleton", str(kit / "motius")]
    native = [*command, "--bridge", "native", str(tmp_path / "a.npy"), str(tmp_path / "b.npy")]
    assert main(native) == 0
    assert apart(np.load(tmp_path / "b.npy"), golden["ms272_from_hml263_native_0"]) < 2e-5
    assert main([*command, str(tmp_path / "m.npy"), str(tmp_path / "c.npy")]) == 0
    assert apart(np.load(tmp_path / "c.npy"), golden["ms272_default_0"]) < 2e-6
    np.save(tmp_path / "d.npy", golden["dart276_0"])
    arguments = [str(tmp_path / "d.npy"), str(tmp_path / "e.npy"), "--format", "npy"]
    dart = ["convert", "--quiet", "--to", "motion135", "--ik", "published", "--target-fps", "20"]
    assert main([*dart, *arguments]) == 0
    assert apart(np.load(tmp_path / "e.npy"), golden["dart276_to_motion135_0"]) < 1e-4
    assert ms272.decode(np.load(tmp_path / "b.npy"))[1].shape == (60, 3)
