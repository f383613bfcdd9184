"""Classifier-free guidance (Ho & Salimans 2022), evaluated as one batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

Denoiser = Callable[[Tensor, Tensor, dict[str, Any]], Tensor]
"""A network call: ``(x_t [B, ...], timesteps [B], y) -> prediction [B, ...]``."""

DROP = "drop"
"""Key of ``y`` that marks the rows ``[B]`` bool to evaluate without their condition."""
BATCH_SECOND = "text_embed"
"""Key of MDM's ``y`` whose tensors have the batch as their second axis."""


def guided(net: Denoiser, guidance: float) -> Denoiser:
    """``net`` with guidance: uncond + guidance * (cond - uncond).

    Both halves are evaluated in one call, the conditional rows first; MDM's released form, whose
    texts have the batch as second axis, takes two calls, as released. Guidance 1 is the plain
    conditional network and 0 the unconditional one; neither pays for the other half. A network
    that can share work between the halves has a method ``guided(guidance)`` of its own, which is
    used then.
    """
    own = getattr(net, "guided", None)
    if own is not None:
        return own(guidance)
    if guidance == 1:
        return net
    if guidance == 0:
        return lambda x, t, y: net(x, t, {**y, DROP: _flags(x, True)})

    def combined(x: Tensor, t: Tensor, y: dict[str, object]) -> Tensor:
        if BATCH_SECOND in y:
            cond = net(x, t, y)
            uncond = net(x, t, {**y, DROP: _flags(x, True)})
            return uncond + guidance * (cond - uncond)
        both = doubled(y, len(x))
        both[DROP] = torch.cat([_flags(x, False), _flags(x, True)])
        cond, uncond = net(torch.cat([x, x]), torch.cat([t, t]), both).chunk(2)
        return uncond + guidance * (cond - uncond)

    return combined


def doubled(y: Mapping[str, object], batch: int) -> dict[str, object]:
    """``y`` with every tensor or list of ``batch`` rows repeated once; other values as they are."""
    result: dict[str, object] = {}
    for key, value in y.items():
        if isinstance(value, Tensor) and value.dim() > 0 and len(value) == batch:
            result[key] = torch.cat([value, value])
        elif isinstance(value, list) and len(value) == batch:
            result[key] = value + value
        else:
            result[key] = value
    return result


def _flags(x: Tensor, value: bool) -> Tensor:
    return torch.full((len(x),), value, dtype=torch.bool, device=x.device)
