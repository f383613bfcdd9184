"""HY-Motion between text features and a clip: flow sampling, de-normalisation, smoothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.signal import savgol_filter
from torch import Tensor

from ...diffusion.loop import StepCallback, sample
from ...diffusion.process import Flow
from ...models.hymotion.network import HYMotionNet
from ...motion.representations import motion135
from ...motion.rotation_average import smooth_rotations
from ...store.model_folder import Stats

_STILL = 1e-3
"""A column that deviates less is its mean."""
PATH_WINDOW, PATH_ORDER = 11, 5
"""Savitzky-Golay filter of the translation."""


@dataclass(frozen=True)
class TextFeatures:
    """What the network reads of prompts.

    Attributes:
        tokens: ``[B, M, text_width]``; mask: ``[B, M]`` bool, True on real tokens.
        pooled: ``[B, pooled_width]``.
    """

    tokens: Tensor
    mask: Tensor
    pooled: Tensor


@dataclass(frozen=True)
class NullFeatures:
    """What stands for no text: ``pooled`` ``[pooled_width]``, ``tokens`` ``[text_width]``.

    ``replaces_tokens`` says whether the tokens are replaced too or stay as they are.
    """

    pooled: Tensor
    tokens: Tensor
    replaces_tokens: bool = False


@torch.inference_mode()
def sample_flow(
    net: HYMotionNet,
    text: TextFeatures,
    nulls: NullFeatures,
    lengths: Sequence[int],
    noise: Tensor,
    *,
    steps: int = 50,
    guidance: float = 5.0,
    sampler: str = "euler",
    on_step: StepCallback | None = None,
) -> list[Tensor]:
    """Normalised clips ``[length, features]``.

    Args:
        lengths: frames, 1 to ``config.frames``.
        noise: ``[B, config.frames, features]``; what lies beyond a clip is not used, so that only
            the longest clip's frames are computed.
    """
    longest = max(lengths)
    device = text.pooled.device
    y = {
        "tokens": text.tokens,
        "token_mask": text.mask,
        "pooled": text.pooled,
        "lengths": torch.tensor(list(lengths)),
    }
    x = sample(
        _guided(net, nulls, guidance),
        (len(lengths), longest, net.config.features),
        schedule=Flow(steps),
        sampler=sampler,
        steps=steps,
        y=y,
        x_t=noise[:, :longest].to(device),
        noise=lambda: torch.zeros(()),
        prediction="velocity",
        on_step=on_step,
        device=device,
    )
    return [row[:length] for row, length in zip(x, lengths, strict=True)]


def _guided(net: HYMotionNet, nulls: NullFeatures, guidance: float) -> Any:
    """``u + guidance (c - u)``, both in one batch; weight 1 is the conditional pass alone."""
    if guidance == 1.0:
        return net

    def denoise(x: Tensor, t: Tensor, y: dict[str, Tensor]) -> Tensor:
        tokens, mask, pooled = y["tokens"], y["token_mask"], y["pooled"]
        empty, empty_mask = tokens, mask
        if nulls.replaces_tokens:
            empty = nulls.tokens.to(tokens).expand_as(tokens)
            empty_mask = torch.zeros_like(mask)
            empty_mask[:, 0] = True
        both = {
            "tokens": torch.cat([tokens, empty]),
            "token_mask": torch.cat([mask, empty_mask]),
            "pooled": torch.cat([pooled, nulls.pooled.to(pooled).expand_as(pooled)]),
            "lengths": torch.cat([y["lengths"]] * 2),
        }
        c, u = net(torch.cat([x, x]), torch.cat([t, t]), both).chunk(2)
        return u + guidance * (c - u)

    return denoise


def denormalised(x: Tensor, stats: Stats) -> np.ndarray:
    """Features ``[T, features]`` of a normalised clip; columns that hardly vary are their mean."""
    std = torch.where(stats.std < _STILL, torch.zeros_like(stats.std), stats.std)
    values: np.ndarray = (x.cpu().float() * std + stats.mean).numpy()
    return values


def to_motion135(features: np.ndarray, *, smooth: bool = True) -> np.ndarray:
    """motion_135 ``[T, 135]`` at 30 fps of features, whose first 135 columns it is.

    Args:
        smooth: average rotations over 4 frames to each side and filter the path, as released.
    """
    root, rotations = motion135.unpack(features[:, : motion135.SPEC.dim].astype(np.float32))
    if smooth:
        rotations = smooth_rotations(rotations.astype(np.float64))
        if len(root) >= PATH_WINDOW:
            # in float32, as released: the fitted ends differ otherwise
            root = savgol_filter(root, PATH_WINDOW, PATH_ORDER, axis=0)
    return motion135.pack(root, rotations)
