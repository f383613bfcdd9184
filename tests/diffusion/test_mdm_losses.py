"""MDM's losses where their value is known by hand."""

from __future__ import annotations

import pytest
import torch

from backend.diffusion.mdm_losses import (
    ACTION_RECIPE,
    STILL,
    LossWeights,
    contact_loss,
    masked_l2,
    mdm_losses,
)

MASK = torch.tensor([[True, True, True, False]])[:, None, None]


def test_padding_counts_for_nothing() -> None:
    a, b = torch.zeros(1, 5, 2, 4), torch.full((1, 5, 2, 4), 3.0)
    b[..., 3] = 1e6
    assert masked_l2(a, b, MASK).item() == pytest.approx(9.0)


def test_a_clip_of_padding_alone_has_no_loss() -> None:
    a = torch.ones(1, 5, 2, 4)
    assert masked_l2(a, -a, torch.zeros_like(MASK)).item() == 0.0


def test_velocity_leaves_out_the_last_row() -> None:
    target, moving = torch.zeros(1, 5, 2, 4), torch.zeros(1, 5, 2, 4)
    moving[:, -1] = torch.arange(4.0)
    assert mdm_losses(moving, target, MASK, LossWeights(velocity=1.0))["vel_mse"].item() == 0.0
    moving[:, 0] = 2 * torch.arange(4.0)
    # one of four rows moves 2 each frame
    terms = mdm_losses(moving, target, MASK, LossWeights(velocity=0.5))
    assert terms["vel_mse"].item() == pytest.approx(1.0)
    assert terms["loss"].item() == pytest.approx(terms["rot_mse"].item() + 0.5)


def test_only_standing_feet_must_not_slide() -> None:
    target, joints = torch.zeros(1, 24, 3, 4), torch.zeros(1, 24, 3, 4)
    joints[:, 7, 0] = 0.3 * torch.arange(4.0)
    # the ankle's x of 4 feet and 3 axes
    assert contact_loss(joints, target, MASK).item() == pytest.approx(0.3**2 / 12)
    target[:, 7, 0] = 1.5 * STILL * torch.arange(4.0)
    assert contact_loss(joints, target, MASK).item() == 0.0


def test_geometric_terms_need_joints() -> None:
    x = torch.zeros(1, 25, 6, 4)
    assert set(mdm_losses(x, x, MASK, ACTION_RECIPE)) == {"rot_mse", "vel_mse", "loss"}
