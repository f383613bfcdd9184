from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from backend.motion.representations import smplrifke205
from backend.motion.skeleton import joint_index
from backend.training.dit.losses import (
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


def _column(block: str, joint: str) -> int:
    """First column of a joint; the pelvis has rotations but no position of its own."""
    first = smplrifke205.SPEC.columns(block).start
    index = joint_index(joint)
    return first + (6 * index if block == "rotations" else 3 * (index - 1))


@pytest.mark.parametrize("block", ["rotations", "joints"])
@pytest.mark.parametrize(
    ("joint", "factor"),
    [
        ("left_shoulder", 5.0),
        ("right_elbow", 5.0),
        ("right_wrist", 5.0),
        ("left_knee", 1.0),
        ("left_foot", 1.0),
        ("head", 1.0),
    ],
)
def test_errors_of_arm_columns_count_as_often_as_asked(
    features: torch.Tensor, block: str, joint: str, factor: float
) -> None:
    target = features.float()
    predicted = target.clone()
    # every other frame, so that the change from frame to frame is wrong too
    predicted[:, ::2, _column(block, joint)] += 0.5
    mask = torch.ones(target.shape[:2], dtype=torch.bool)
    mean, std = torch.zeros(205), torch.ones(205)

    def parts(arms: float) -> dict[str, float]:
        config = LossConfig(arms=arms)
        return motion_loss(predicted, target, mask, torch.ones(2), mean, std, config)[1]

    plain, weighed = parts(1.0), parts(5.0)
    assert plain["feature"] > 0 and plain["feature_velocity"] > 0
    assert weighed["feature"] == pytest.approx(factor * plain["feature"])
    assert weighed["feature_velocity"] == pytest.approx(factor * plain["feature_velocity"])
