"""MDM's action recipe on a made-up HumanAct12."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.cli.main import main
from backend.errors import ArtifactError
from backend.models.mdm import load_upstream
from backend.motion.action_body import ActionBody
from backend.motion.skeleton import forward_kinematics
from backend.training.data.humanact12 import HumanAct12, axis_angle_to_matrix, rotation_features
from backend.training.loop import Training
from backend.training.mdm.smpl_actions import (
    RotationRecipe,
    RotationTrainConfig,
    neutral_rest_joints,
)

GOLDEN = Path(__file__).parents[1] / "parity" / "golden" / "mdm_a2m"
SMALL = RotationTrainConfig(
    layers=1, latent_dim=16, num_frames=10, batch_size=4, lr=3e-3, num_steps=60
)


def training(run: Path, data: HumanAct12, config: RotationTrainConfig = SMALL) -> Training:
    recipe = RotationRecipe(config, data)
    return Training(recipe, recipe.folder(run))


@pytest.fixture
def data() -> HumanAct12:
    draw = np.random.default_rng(0)
    poses = tuple(np.cumsum(0.05 * draw.normal(size=(14, 72)), axis=0) for _ in range(4))
    joints = tuple(np.cumsum(0.02 * draw.normal(size=(14, 24, 3)), axis=0) for _ in range(4))
    return HumanAct12(poses, joints, np.array([0, 1, 2, 11]))


def test_joints_of_the_skeleton_are_forward_kinematics(data: HumanAct12) -> None:
    pose = data.poses[0]
    x = torch.from_numpy(rotation_features(pose, data.joints[0]))[None]
    points = ActionBody(neutral_rest_joints()).joints(x)[0].permute(2, 0, 1).numpy()
    matrices = axis_angle_to_matrix(pose.reshape(14, 24, 3))[:, :22]
    expected = forward_kinematics(matrices, np.zeros((14, 3), np.float32))
    np.testing.assert_allclose(points[:, :22], expected, atol=1e-5)


def test_every_loss_falls_and_the_run_is_a_released_checkpoint(
    data: HumanAct12, tmp_path: Path
) -> None:
    trainer = training(tmp_path, data)
    seen = [trainer.train_step() for _ in range(SMALL.num_steps)]
    assert trainer.fit()  # nothing is left to do but to save
    for term in ("rot_mse", "rcxyz_mse", "vel_mse", "loss"):
        values = [losses[term] for losses in seen]
        assert np.mean(values[-10:]) < 0.7 * np.mean(values[:10]), term
    assert all(np.isfinite(losses["fc"]) for losses in seen)
    net = load_upstream(tmp_path)
    assert net.config.condition == "action" and net.config.features == 150
    for name, value in trainer.recipe.net.state_dict().items():
        assert torch.equal(net.state_dict()[name], value), name
    again = training(tmp_path, data)
    again.resume()
    assert again.step == SMALL.num_steps


def test_more_classes_than_the_model_has(data: HumanAct12, tmp_path: Path) -> None:
    many = HumanAct12(data.poses, data.joints, np.array([0, 1, 2, 12]))
    with pytest.raises(ArtifactError, match="class 12"):
        RotationRecipe(SMALL, many)


def test_command(tmp_path: Path) -> None:
    command = ["train", "action-mdm", "--form", "rotations", "--data", str(GOLDEN)]
    command += ["--run", str(tmp_path), "--epochs", "2", "--num-frames", "8", "--batch-size", "2"]
    assert main([*command, "--latent-dim", "16", "--layers", "1"]) == 0
    assert load_upstream(tmp_path).config.layers == 1


def test_a_resumed_run_sees_the_windows_that_it_would_have_seen(
    data: HumanAct12, tmp_path: Path
) -> None:
    small = replace(SMALL, num_steps=6)
    whole = training(tmp_path / "whole", data, small)
    whole.fit()
    training(tmp_path / "parts", data, replace(small, num_steps=4)).fit()
    again = training(tmp_path / "parts", data, small)
    again.resume()
    again.fit()
    for name, value in whole.recipe.net.state_dict().items():
        assert torch.equal(value, again.recipe.net.state_dict()[name]), name


def test_minutes_end_a_call_and_the_run_goes_on(data: HumanAct12, tmp_path: Path) -> None:
    run = training(tmp_path, data, replace(SMALL, minutes=1e-9))
    assert not run.fit() and run.step == 1
    again = training(tmp_path, data, replace(SMALL, num_steps=2))
    again.resume()
    assert again.step == 1 and again.fit() and again.step == 2


@pytest.mark.parametrize(
    "option",
    [
        *("--stride=2", "--start=random", "--short=hold", "--coordinates=local", "--final-lr=1e-5"),
        *(
            "--statistics=columns",
            "--balance=1",
            "--ff-dim=32",
            "--condition-tokens=2",
            "--ema=0.9",
        ),
        *("--min-clips=1", "--max-clips=5", "--actions=walk", "--save-every=2", "--init=model"),
        "--plot=a.png",
    ],
)
def test_options_of_the_other_form_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    """They were read and ignored once."""
    command = ["train", "action-mdm", "--form", "rotations", "--data", str(GOLDEN)]
    assert main([*command, "--run", str(tmp_path / "run"), option]) == 2
    said = capsys.readouterr().err
    assert f"{option.split('=')[0]} is no option of this form" in said
    assert not (tmp_path / "run").exists()
