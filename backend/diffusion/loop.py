"""The one sampling loop: it owns randomness, guidance, progress and cancel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from .guidance import Denoiser, guided
from .process import Flow, Steps, process_of
from .process import resolve_timesteps as resolve_timesteps
from .schedule import Schedule

Generators: TypeAlias = torch.Generator | Sequence[torch.Generator]
StepCallback = Callable[[int, int], None]
NoiseSource = Callable[[], Tensor]


def seeded_generators(seed: int, count: int) -> list[torch.Generator]:
    """Generators seeded ``seed + i``, so that each sample can be made again alone."""
    return [torch.Generator().manual_seed(seed + i) for i in range(count)]


def noise_source(
    shape: Sequence[int],
    generator: Generators,
    device: torch.device,
    lengths: Sequence[int] | None = None,
    dtype: torch.dtype = torch.float32,
) -> NoiseSource:
    """A function that draws standard normal noise of ``shape`` ``[B, T, ...]``.

    Args:
        generator: one for the batch, or one per sample. Noise is drawn on the generator's device
            and moved, so that a CPU generator gives the same sample on every device.
        lengths: with one generator per sample, draw only that many frames each and leave the
            padding zero, so that a sample does not depend on the longest of its batch.
    """
    if isinstance(generator, torch.Generator):
        home = generator.device
        return lambda: torch.randn(tuple(shape), generator=generator, device=home, dtype=dtype).to(
            device
        )
    generators = list(generator)
    if len(generators) != shape[0]:
        raise ValueError(f"{len(generators)} generators for a batch of {shape[0]}")
    frames = [shape[1]] * shape[0] if lengths is None else [int(n) for n in lengths]

    def draw() -> Tensor:
        noise = torch.zeros(tuple(shape), dtype=dtype)
        for row, (source, length) in enumerate(zip(generators, frames, strict=True)):
            values = torch.randn(
                (length, *shape[2:]), generator=source, device=source.device, dtype=dtype
            )
            noise[row, :length] = values.to(noise.device)
        return noise.to(device)

    return draw


@torch.no_grad()
def sample(
    net: Denoiser,
    shape: Sequence[int],
    *,
    schedule: Schedule | Flow,
    sampler: str = "ddim",
    steps: Steps = None,
    guidance: float = 1.0,
    y: dict[str, Any],
    generator: Generators | None = None,
    lengths: Sequence[int] | None = None,
    on_step: StepCallback | None = None,
    eta: float = 0.0,
    x_t: Tensor | None = None,
    noise: NoiseSource | None = None,
    prediction: str = "x0",
    transform_x0: Callable[[Tensor, float], Tensor] | None = None,
    inpaint: tuple[Tensor, Tensor] | None = None,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Draw samples ``[B, T, ...]`` from a diffusion or flow model.

    Args:
        net: called as ``net(x_t, timesteps [B], y)``; returns what ``prediction`` names.
        shape: of the result, batch first.
        schedule: the noising process that the network was trained with.
        sampler: "ddim", "ddpm" (ancestral) or "dpmpp" (DPM-Solver++(2M)); of a flow "euler", or
            "heun", which asks the network twice a step.
        steps: how many, or the steps themselves; all of them, or the flow's own number, when None
            (:func:`.process.process_of`).
        guidance: classifier-free guidance scale; 1 is the plain conditional model.
        y: the condition, tensors with one row per sample.
        generator: one torch.Generator, or one per sample; needed unless ``noise`` is given.
        lengths: valid frames of each sample, see :func:`noise_source`.
        on_step: called as ``on_step(done, total)`` before the first step and after each one;
            an exception it raises (``Cancelled``) ends the loop.
        eta: fresh noise of the DDIM sampler, 0 (deterministic) to 1.
        x_t: start from this instead of pure noise.
        noise: a source of noise that replaces the generators; called once for the start (unless
            ``x_t`` is given) and once for each step that needs it.
        prediction: "x0" or "eps"; of a flow "velocity" or "x0".
        transform_x0: edits each x0 prediction, ``(x0, t) -> x0`` (blending).
        inpaint: ``(mask, reference)``: what to keep, bool, True where kept, and the clean data to
            keep there, both broadcastable to ``shape``. Each guided prediction is overwritten, as
            in MDM's editing, so the result equals the reference there.

    Raises:
        InvalidRequest: a sampler that does not fit, or more steps than the schedule has.
    """
    process = process_of(schedule, steps, sampler)
    if noise is None:
        if generator is None:
            raise ValueError("sample needs a generator, so that its result can be made again")
        noise = noise_source(shape, generator, torch.device(device), lengths)
    denoise = guided(net, guidance)

    def predict(x: Tensor, time: float) -> Tensor:
        x0 = process.clean(x, denoise(x, process.told(time, x), y), time, prediction)
        if transform_x0 is not None:
            x0 = transform_x0(x0, time)
        return x0 if inpaint is None else torch.where(inpaint[0], inpaint[1], x0)

    x = noise() if x_t is None else x_t.to(device)
    step = process.stepper(sampler, eta, noise)
    total = len(process.times)
    if on_step is not None:
        on_step(0, total)
    for index, time in enumerate(process.times):
        x = step(x, predict(x, time), index, predict)
        if on_step is not None:
            on_step(index + 1, total)
    return x
