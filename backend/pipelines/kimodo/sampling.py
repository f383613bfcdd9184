"""Kimodo between text vectors and features: the denoiser in the one sampling loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...diffusion.loop import StepCallback, sample
from ...diffusion.schedule import Schedule
from ...models.kimodo.guidance import joint, separated
from ...models.kimodo.network import KimodoDenoiser
from .constraints import Observed


@dataclass(frozen=True)
class KimodoOptions:
    """How to sample.

    Attributes:
        steps: network evaluations (each of up to three passes).
        text, constraint: weights of the two guidances.
        separated: False guides text and constraints together, with the weight ``text``.
        sampler: "ddim" as released, or "dpmpp".
    """

    steps: int = 100
    text: float = 2.0
    constraint: float = 2.0
    separated: bool = True
    sampler: str = "ddim"


@torch.inference_mode()
def sample_features(
    net: KimodoDenoiser,
    text: Tensor,
    known: Sequence[Observed],
    headings: Sequence[float],
    noise: Sequence[Tensor],
    options: KimodoOptions,
    on_step: StepCallback | None = None,
) -> list[np.ndarray]:
    """Un-normalised features of a batch of clips.

    Args:
        text: ``[B, text_width]``, zeros for an empty prompt.
        known: constraints of each clip; their frames are the clip's length.
        headings: of the first frames, rad.
        noise: ``[T_i, features]`` of each clip, the only random numbers.
    """
    lengths = [len(k.mask) for k in known]
    device = text.device
    shape = (len(known), max(lengths), net.config.features)
    start = torch.zeros(shape)
    observed, mask = torch.zeros(shape), torch.zeros(shape, dtype=torch.bool)
    for row, (part, own) in enumerate(zip(known, noise, strict=True)):
        start[row, : len(own)] = own
        observed[row, : lengths[row]] = torch.from_numpy(part.values)
        mask[row, : lengths[row]] = torch.from_numpy(part.mask)
    y = {
        "text": text,
        "heading": torch.tensor(list(headings), dtype=torch.float32, device=device),
        "lengths": torch.tensor(lengths),
        "observed": net.stats.normalise(observed.to(device)),
        "mask": mask.to(device),
    }
    weighted = (
        separated(net, options.text, options.constraint)
        if options.separated
        else joint(net, options.text)
    )
    x = sample(
        weighted,
        shape,
        schedule=Schedule("cosine", net.config.base_steps),
        sampler=options.sampler,
        steps=options.steps,
        y=y,
        x_t=start,
        noise=lambda: torch.zeros(()),
        on_step=on_step,
        device=device,
    )
    values = net.stats.denormalise(x).float().cpu().numpy()
    return [values[i, :n].copy() for i, n in enumerate(lengths)]
