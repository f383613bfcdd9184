from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from backend.motion.representations import smplrifke205
from backend.training.losses import (
    LossConfig,
    joint_velocities,
    motion_loss,
    pelvis_relative_joints,
    stored_joints,
)


@pytest.fixture
def features(make_motion: Callable[..., np.ndarray]) -> torch.Tensor:
    rows = [smplrifke205.from_motion135(make_motion(seed=s, turns=0.7)) for s in range(2)]
    return torch.from_numpy(np.stack(rows)).double()


def test_kinematics_of_features_equal_the_stored_joints(features: torch.Tensor) -> None:
    assert (pelvis_relative_joints(features) - stored_joints(features)).abs().max() < 1e-9


def test_velocities_equal_those_of_the_decoded_world_joints(features: torch.Tensor) -> None:
    speed = joint_velocities(features, stored_joints(features)).norm(dim=-1)
    for row, expected in zip(features.numpy(), speed.numpy(), strict=True):
        _, _, joints = smplrifke205.decode(row)
        world = np.linalg.norm(np.diff(joints[:, :22], axis=0), axis=-1)
        assert np.abs(world - expected).max() < 1e-9


def test_loss_is_zero_only_for_the_truth_and_ignores_padding(features: torch.Tensor) -> None:
    x = features.float()
    mean, std = torch.zeros(205), torch.ones(205)
    mask = torch.ones(x.shape[:2], dtype=torch.bool)
    mask[1, 20:] = False
    signal = torch.tensor([0.9, 0.8])
    total, _ = motion_loss(x, x, mask, signal, mean, std, LossConfig())
    assert float(total) == pytest.approx(0.0, abs=1e-8)

    padded = x.clone()
    padded[1, 20:] += 5.0
    total, _ = motion_loss(padded, x, mask, signal, mean, std, LossConfig())
    assert float(total) == pytest.approx(0.0, abs=1e-6)

    wrong = x.clone()
    wrong[0, 10:, 4:10] += 0.3
    total, parts = motion_loss(wrong, x, mask, signal, mean, std, LossConfig())
    assert float(total) > 1e-3
    assert parts["velocity"] > 0 and parts["position"] > 0


def test_a_sliding_planted_foot_costs_through_the_contact_term(features: torch.Tensor) -> None:
    still = features[:1, :1].repeat(1, 16, 1).float()
    still[..., 1:4] = 0.0
    sliding = still.clone()
    sliding[..., 1] = 0.02
    mask = torch.ones(1, 16, dtype=torch.bool)
    mean, std = torch.zeros(205), torch.ones(205)
    _, parts = motion_loss(sliding, still, mask, torch.ones(1), mean, std, LossConfig())
    assert parts["contact"] > 0.05
