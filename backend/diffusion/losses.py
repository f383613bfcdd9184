"""Training losses of diffusion models, with and without a frame mask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .schedule import Schedule

PREDICTIONS = ("x0", "eps")
"""What a network may predict: the clean data or the noise."""


def masked_mean_square(
    difference: Tensor,
    mask: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Mean of the squared ``difference`` over valid frames.

    Args:
        difference: ``[B, T, D]``.
        mask: ``[B, T]`` bool, True on real frames; padding counts for nothing.
        weight: broadcasts to ``[B, T, D]`` (``[D]`` weighs features, ``[B, 1, 1]`` samples).
        reduction: "mean" over all valid elements; "sample" gives one mean per sample ``[B]``.
    """
    square = difference.square()
    if weight is not None:
        square = square * weight
    per_frame = square.mean(dim=-1)
    if mask is None:
        mask = torch.ones_like(per_frame, dtype=torch.bool)
    total = (per_frame * mask).sum(dim=-1)
    count = mask.sum(dim=-1)
    if reduction == "sample":
        return total / count.clamp(min=1)
    if reduction != "mean":
        raise ValueError(f"reduction must be 'mean' or 'sample', not {reduction!r}")
    return total.sum() / count.sum().clamp(min=1)


def x0_loss(predicted_x0: Tensor, x0: Tensor, mask: Tensor | None = None, **options: Any) -> Tensor:
    """The simple loss of a network that predicts the clean data: |x0 - x_theta(x_t, t)|^2.

    Shapes and options are those of :func:`masked_mean_square`.
    """
    return masked_mean_square(predicted_x0 - x0, mask, **options)


def eps_loss(
    predicted_eps: Tensor, noise: Tensor, mask: Tensor | None = None, **options: Any
) -> Tensor:
    """The simple loss of a network that predicts the noise (DDPM, Ho et al. 2020, eq. 14).

    Shapes and options are those of :func:`masked_mean_square`.
    """
    return masked_mean_square(predicted_eps - noise, mask, **options)


def min_snr_weight(schedule: Schedule, t: Tensor, gamma: float = 5.0) -> Tensor:
    """Min-SNR weights for the x0 loss, min(SNR, gamma), ``[B]`` (Hang et al. 2023, eq. 8)."""
    return schedule.signal_to_noise(t).clamp(max=gamma)


def training_loss(
    net: Callable[[Tensor, Tensor, dict[str, Any]], Tensor],
    x0: Tensor,
    *,
    schedule: Schedule,
    t: Tensor,
    noise: Tensor,
    y: dict[str, Any],
    prediction: str = "x0",
    mask: Tensor | None = None,
    **options: Any,
) -> Tensor:
    """Noise ``x0`` to ``t``, ask the network, and compare with what it should predict.

    Args:
        net: called as ``net(x_t, t, y)``.
        x0: clean normalised data ``[B, T, D]``.
        t: 0-based steps ``[B]``.
        noise: standard normal, shaped like ``x0``.
        y: the condition.
        prediction: "x0" or "eps".
        mask: ``[B, T]`` bool, True on real frames.
        options: ``weight`` and ``reduction`` of :func:`masked_mean_square`.
    """
    if prediction not in PREDICTIONS:
        raise ValueError(f"prediction must be one of {PREDICTIONS}, not {prediction!r}")
    output = net(schedule.q_sample(x0, t, noise), t, y)
    if prediction == "eps":
        return eps_loss(output, noise, mask, **options)
    return x0_loss(output, x0, mask, **options)
