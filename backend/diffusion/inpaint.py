"""Masked sampling: part of the clean motion is known, the rest is sampled around it.

At every step the known entries of the x0 prediction are replaced by their values, as MDM does
(Tevet et al. 2023, section 4.3). A network that was given few steps decides on the unknown part
while the known part is still noise, so the two may not agree. Restarts mend that: the result is
noised again to a level at which the known part can be seen but the unknown part can still move, and
denoised from there (RePaint's resampling, Lugmayr et al. 2022, with one long jump).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .guidance import Denoiser
from .loop import Generators, noise_source, sample
from .process import Flow, Steps, process_of
from .schedule import Schedule

Constraint = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Inpainting:
    """What is known of the result.

    Attributes:
        mask: ``[B, T, D]`` bool, True where ``reference`` is known.
        reference: ``[B, T, D]`` in the network's normalised space.
        constrain: maps a prediction to the nearest one that fulfils some condition; applied to
            every x0 prediction after the replacement.
        restarts: for each restart, the share of the way to noise that it goes back.
    """

    mask: Tensor
    reference: Tensor
    constrain: Constraint | None = None
    restarts: tuple[float, ...] = ()


def sample_masked(
    net: Denoiser,
    shape: Sequence[int],
    known: Inpainting,
    *,
    schedule: Schedule | Flow,
    sampler: str,
    steps: Steps,
    y: dict[str, object],
    generator: Generators,
    on_step: Callable[[int, int], None] | None = None,
    prediction: str = "x0",
    device: torch.device | str = "cpu",
) -> tuple[Tensor, Tensor]:
    """Sample ``[B, T, D]`` around what is known; arguments as :func:`.loop.sample`.

    Returns:
        The sample, equal to the reference where it is known, and the network's last prediction
        as it was before the replacement: it is smooth across the borders of the known part.
    """
    mask, reference = known.mask.to(device), known.reference.to(device)
    raw: list[Tensor] = []

    def replace(x0: Tensor, _t: float) -> Tensor:
        raw[:] = [x0]
        x0 = torch.where(mask, reference.to(x0.dtype), x0)
        return x0 if known.constrain is None else known.constrain(x0)

    process = process_of(schedule, steps, sampler)
    rounds = [list(process.times), *(process.after(share) for share in known.restarts)]
    total = sum(map(len, rounds))
    noise = noise_source(shape, generator, torch.device(device))
    options: dict[str, Any] = {
        "schedule": schedule,
        "sampler": sampler,
        "y": y,
        "prediction": prediction,
        "transform_x0": replace,
        "device": device,
        "noise": noise,
    }

    def reporter(before: int) -> Callable[[int, int], None] | None:
        return None if on_step is None else lambda done, _: on_step(before + done, total)

    x = sample(net, shape, steps=rounds[0], on_step=reporter(0), **options)
    done = len(rounds[0])
    for again in (r for r in rounds[1:] if r):
        noised = process.noised(x, again[0], noise())
        x = sample(net, shape, steps=again, x_t=noised, on_step=reporter(done), **options)
        done += len(again)
    return torch.where(mask, reference.to(x.dtype), x), raw[0]
