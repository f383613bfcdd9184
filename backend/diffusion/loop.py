"""The one sampling loop: it owns randomness, guidance, progress and cancel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from ..errors import InvalidRequest
from ..wire.limits import SAMPLERS
from .guidance import Denoiser, guided
from .schedule import Schedule, evenly_spaced, log_snr_spaced
from .steps import ddim_step, ddpm_step, dpmpp_2m_step, x0_from_eps

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


def resolve_timesteps(
    schedule: Schedule, steps: int | Sequence[int] | None, sampler: str = "ddim"
) -> list[int]:
    """Decreasing time steps: all of them (None), that many, or the given ones.

    A number of steps is spread evenly over time, for DPM-Solver++ over the log signal-to-noise.
    """
    if steps is None:
        return list(range(schedule.steps - 1, -1, -1))
    if not isinstance(steps, Iterable):
        if sampler == "dpmpp":
            return list(reversed(log_snr_spaced(schedule, steps)))
        return list(reversed(evenly_spaced(schedule.steps, steps)))
    chosen = sorted({int(t) for t in steps}, reverse=True)
    if not chosen or chosen[-1] < 0 or chosen[0] >= schedule.steps:
        raise InvalidRequest(
            f"Sampling steps must lie between 0 and {schedule.steps - 1}.",
            "Give the number of steps instead of a list.",
        )
    return chosen


@torch.no_grad()
def sample(
    net: Denoiser,
    shape: Sequence[int],
    *,
    schedule: Schedule,
    sampler: str = "ddim",
    steps: int | Sequence[int] | None = None,
    guidance: float = 1.0,
    y: dict[str, Any],
    generator: Generators | None = None,
    lengths: Sequence[int] | None = None,
    on_step: StepCallback | None = None,
    eta: float = 0.0,
    x_t: Tensor | None = None,
    noise: NoiseSource | None = None,
    prediction: str = "x0",
    transform_x0: Callable[[Tensor, int], Tensor] | None = None,
    inpaint: tuple[Tensor, Tensor] | None = None,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Draw samples ``[B, T, ...]`` from a diffusion model.

    Args:
        net: called as ``net(x_t, timesteps [B], y)``; returns what ``prediction`` names.
        shape: of the result, batch first.
        schedule: the noising process that the network was trained with.
        sampler: "ddim", "ddpm" (ancestral) or "dpmpp" (DPM-Solver++(2M)).
        steps: how many, or the steps themselves; all of them when None (:func:`resolve_timesteps`).
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
        prediction: "x0" or "eps".
        transform_x0: edits each x0 prediction, ``(x0, t) -> x0`` (blending).
        inpaint: ``(mask, reference)``: what to keep, bool, True where kept, and the clean data to
            keep there, both broadcastable to ``shape``. Each guided prediction is overwritten, as
            in MDM's editing, so the result equals the reference there.

    Raises:
        InvalidRequest: unknown sampler, or more steps than the schedule has.
    """
    if sampler not in SAMPLERS:
        raise InvalidRequest(f"Unknown sampler {sampler!r}.", f"Use one of: {', '.join(SAMPLERS)}.")
    if noise is None:
        if generator is None:
            raise ValueError("sample needs a generator, so that its result can be made again")
        noise = noise_source(shape, generator, torch.device(device), lengths)
    timesteps = resolve_timesteps(schedule, steps, sampler)
    levels = [float(schedule.alphas_bar[t]) for t in timesteps] + [1.0]
    denoise = guided(net, guidance)
    x = noise() if x_t is None else x_t.to(device)
    step = _stepper(sampler, eta, noise)
    total = len(timesteps)
    if on_step is not None:
        on_step(0, total)
    for index, t in enumerate(timesteps):
        output = denoise(x, torch.full((len(x),), t, device=x.device), y)
        x0 = output if prediction == "x0" else x0_from_eps(x, output, levels[index])
        if transform_x0 is not None:
            x0 = transform_x0(x0, t)
        if inpaint is not None:
            x0 = torch.where(inpaint[0], inpaint[1], x0)
        x = step(x, x0, levels[index], levels[index + 1])
        if on_step is not None:
            on_step(index + 1, total)
    return x


def _stepper(
    sampler: str, eta: float, noise: NoiseSource
) -> Callable[[Tensor, Tensor, float, float], Tensor]:
    """The step function of one run; only the multi-step sampler remembers something."""
    if sampler == "ddpm":
        return lambda x, x0, a, a_prev: ddpm_step(x, x0, a, a_prev, noise() if a_prev < 1 else None)
    if sampler == "ddim":
        return lambda x, x0, a, a_prev: ddim_step(
            x, x0, a, a_prev, noise() if eta and a_prev < 1 else None, eta=eta if a_prev < 1 else 0
        )
    last: dict[str, Any] = {"x0": None, "abar": None}

    def multistep(x: Tensor, x0: Tensor, a: float, a_prev: float) -> Tensor:
        result = dpmpp_2m_step(x, x0, a, a_prev, last_x0=last["x0"], last_abar=last["abar"])
        last["x0"], last["abar"] = x0, a
        return result

    return multistep
