"""MDM's training losses (Tevet et al. 2023, section 3), as its released code computes them.

All are means of squares over the valid frames of each sample, ``[B]``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

FEET = (7, 10, 8, 11)
"""Left ankle and foot, right ankle and foot, of SMPL."""

STILL = 0.01
"""A foot that moves no further than this between two frames (metres) stands."""


@dataclass(frozen=True)
class LossWeights:
    """Factors of the geometric losses; all zero is the recipe of text models.

    ``velocity`` compares frame differences of the features, ``positions`` joint positions,
    ``contact`` keeps feet still where the target's are.
    """

    velocity: float = 0.0
    positions: float = 0.0
    contact: float = 0.0


ACTION_RECIPE = LossWeights(velocity=1.0, positions=1.0, contact=1.0)
"""The released action models' weights."""


def masked_l2(a: Tensor, b: Tensor, mask: Tensor) -> Tensor:
    """Mean square of ``a - b`` ``[B, J, C, F]`` over the frames of ``mask`` ``[B, 1, 1, F]``."""
    square = ((a - b) ** 2 * mask.to(a.dtype)).sum(dim=(1, 2, 3))
    entries = mask.sum(dim=(1, 2, 3)) * a.shape[1] * a.shape[2]
    return square / (entries + 1e-8)


def velocity(x: Tensor) -> Tensor:
    """Differences of neighbouring frames, ``[..., F - 1]``."""
    return x[..., 1:] - x[..., :-1]


def mdm_losses(
    predicted: Tensor,
    target: Tensor,
    mask: Tensor,
    weights: LossWeights | None = None,
    to_joints: Callable[[Tensor], Tensor] | None = None,
) -> dict[str, Tensor]:
    """The losses of a predicted clean motion, one value per sample.

    Args:
        predicted, target: ``[B, J, C, F]``.
        mask: ``[B, 1, 1, F]`` bool, True on real frames.
        weights: of the geometric losses; those of weight zero are left out.
        to_joints: features to joint positions ``[B, 24, 3, F]``; needed for positions and contact.
            Text models have none: both count for nothing there, as released.

    Returns:
        ``rot_mse`` and, where weighted, ``vel_mse``, ``rcxyz_mse`` and ``fc``; ``loss`` is the sum.
    """
    weights = weights or LossWeights()
    terms = {"rot_mse": masked_l2(target, predicted, mask)}
    total = terms["rot_mse"]
    if weights.velocity:
        # without the last row: the root translation of actions
        moved = (velocity(target)[:, :-1], velocity(predicted)[:, :-1])
        terms["vel_mse"] = masked_l2(*moved, mask[..., 1:])
        total = total + weights.velocity * terms["vel_mse"]
    if to_joints is not None and (weights.positions or weights.contact):
        wanted, got = to_joints(target), to_joints(predicted)
        if weights.positions:
            terms["rcxyz_mse"] = masked_l2(wanted, got, mask)
            total = total + weights.positions * terms["rcxyz_mse"]
        if weights.contact:
            terms["fc"] = contact_loss(got, wanted, mask)
            total = total + weights.contact * terms["fc"]
    terms["loss"] = total
    return terms


def contact_loss(joints: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """How fast the feet of ``joints`` move while those of ``target`` stand, ``[B]``."""
    feet = list(FEET)
    standing = velocity(target[:, feet]).norm(dim=2, keepdim=True) <= STILL
    sliding = velocity(joints[:, feet]) * standing
    return masked_l2(sliding, torch.zeros_like(sliding), mask[..., 1:])
