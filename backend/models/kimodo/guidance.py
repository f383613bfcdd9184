"""Guidance by text and by constraints apart, with as few network passes as the weights need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Denoiser = Callable[[Tensor, Tensor, dict[str, Any]], Tensor]


def separated(net: Denoiser, text: float = 2.0, constraint: float = 2.0) -> Denoiser:
    """``u + text (t - u) + constraint (c - u)``: t has the text, c the mask, u neither.

    Known values, heading and lengths stay in all of them. Without constraints c is u, and where a
    weight is 0 its pass is not made; all passes are one batch. One pass is left where the text has
    weight 1 and nothing is constrained.
    """

    def denoise(x: Tensor, t: Tensor, y: dict[str, Tensor]) -> Tensor:
        mask = y.get("mask")
        constrained = mask is not None and bool(mask.any())
        if not constrained:
            y = {k: v for k, v in y.items() if k not in ("mask", "observed")}
        weights = {(True, False): text}
        if constrained:
            weights[(False, True)] = constraint
        rest = 1.0 - sum(weights.values())
        passes = {k: w for k, w in {**weights, (False, False): rest}.items() if w != 0.0}
        return _weighted(net, x, t, y, passes)

    return denoise


def joint(net: Denoiser, weight: float) -> Denoiser:
    """Plain guidance ``u + weight (c - u)``: c has text and mask, u neither; 1 is c alone."""

    def denoise(x: Tensor, t: Tensor, y: dict[str, Tensor]) -> Tensor:
        passes = {(True, True): weight, (False, False): 1.0 - weight}
        return _weighted(net, x, t, y, {k: w for k, w in passes.items() if w != 0.0})

    return denoise


def _weighted(
    net: Denoiser,
    x: Tensor,
    t: Tensor,
    y: dict[str, Tensor],
    passes: dict[tuple[bool, bool], float],
) -> Tensor:
    """The weighted sum of passes ``(text, mask)``, evaluated as one batch."""
    count = len(passes)
    if not passes:
        raise ValueError("guidance needs at least one pass")
    many: dict[str, Tensor] = {}
    for key, value in y.items():
        many[key] = torch.cat([value] * count) if isinstance(value, Tensor) else value
    many["text"] = torch.cat([y["text"] if on else torch.zeros_like(y["text"]) for on, _ in passes])
    if y.get("mask") is not None:
        mask = y["mask"]
        many["mask"] = torch.cat([mask if on else torch.zeros_like(mask) for _, on in passes])
    out = net(torch.cat([x] * count), torch.cat([t] * count), many).chunk(count)
    # written as a change from the unguided pass: sums of large weights would lose digits
    base = out[-1]
    return base + sum(
        weight * (part - base)
        for part, weight in zip(out[:-1], list(passes.values())[:-1], strict=True)
    )
