"""MDM's action recipe on a made-up HumanAct12."""

from __future__ import annotations

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
from backend.training.mdm.smpl_actions import (
    RotationTrainConfig,
    RotationTrainer,
    neutral_rest_joints,
)

GOLDEN = Path(__file__).parents[1] / "parity" / "golden" / "mdm_a2m"
SMALL = RotationTrainConfig(
    layers=1, latent_dim=16, num_frames=10, batch_size=4, lr=3e-3, num_steps=60
)


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
    trainer = RotationTrainer(tmp_path, SMALL, data)
    seen: list[dict[str, float]] = []
    trainer.fit(lambda step, losses: seen.append(losses))
    for term in ("rot_mse", "rcxyz_mse", "vel_mse", "loss"):
        values = [losses[term] for losses in seen]
        assert np.mean(values[-10:]) < 0.7 * np.mean(values[:10]), term
    assert all(np.isfinite(losses["fc"]) for losses in seen)
    net = load_upstream(tmp_path)
    assert net.config.condition == "action" and net.config.features == 150
    for name, value in trainer.net.state_dict().items():
        assert torch.equal(net.state_dict()[name], value), name
    again = RotationTrainer(tmp_path, SMALL, data)
    again.resume()
    assert again.step == SMALL.num_steps


def test_more_classes_than_the_model_has(data: HumanAct12, tmp_path: Path) -> None:
    many = HumanAct12(data.poses, data.joints, np.array([0, 1, 2, 12]))
    with pytest.raises(ArtifactError, match="class 12"):
        RotationTrainer(tmp_path, SMALL, many)


def test_command(tmp_path: Path) -> None:
    command = ["train", "action-mdm", "--form", "rotations", "--data", str(GOLDEN)]
    command += ["--run", str(tmp_path), "--epochs", "2", "--num-frames", "8", "--batch-size", "2"]
    assert main([*command, "--latent-dim", "16", "--layers", "1"]) == 0
    assert load_upstream(tmp_path).config.layers == 1
