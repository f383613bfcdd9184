"""MDM's released sampling loop, draw for draw: same seed, same machine, same bits.

For a denoiser in the released layout (``net(x [B, J, C, F], t [B], y)``)::

    process = ReleasedProcess.of(Schedule("cosine", 1000))            # or .of(..., "ddim50")
    x = sample_exact(net, (B, J, C, F), process=process, y=y, guidance=2.5,
                     generator=torch.manual_seed(10))

Four things make samples differ in bits although the mathematics agrees, and are kept here:

* noise is drawn like the tensor it is added to. At the first step that is contiguous; later it has
  the layout of the network's output, whose memory order is F, B, J, C, and PyTorch fills such a
  tensor in memory order with another routine than a contiguous one;
* noise is drawn at every step, also at the last and for DDIM without noise;
* coefficients are computed in float64, cast to float32, and multiplied in float32 in one order;
  guidance evaluates the conditional and the unconditional pass one after the other;
* the released code leaves ``requires_grad`` of the weights on, and PyTorch chooses by that flag how
  it multiplies matrices, also where no gradient is recorded.

:func:`released_noise` gives the same draws to ``loop.sample``, whose result then differs from
:func:`sample_exact` by rounding only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..errors import InvalidRequest
from .guidance import Denoiser
from .loop import NoiseSource, StepCallback
from .schedule import LINEAR_RANGE, LINEAR_REFERENCE_STEPS, Schedule, sectioned, strided

Array = np.ndarray
Inpaint = tuple[Tensor, Tensor]
"""What to keep: a bool mask, True where kept, and the motion to keep there."""

LOOPS = ("ddpm", "ddim")


def respaced(steps: int, rule: str | int | Sequence[int] | None) -> tuple[int, ...]:
    """Increasing steps that a released respacing rule keeps.

    Args:
        rule: None for all; ``"ddimN"`` every k-th step; a number, ``"N"``, ``"a,b,c"`` or a list:
            so many from each of that many equal sections.
    """
    if rule is None or rule == "":
        return tuple(range(steps))
    if isinstance(rule, str) and rule.startswith("ddim"):
        return strided(steps, int(rule.removeprefix("ddim")))
    if isinstance(rule, str):
        return sectioned(steps, [int(part) for part in rule.split(",")])
    return sectioned(steps, [rule] if isinstance(rule, int) else list(rule))


@dataclass(frozen=True)
class ReleasedProcess:
    """The tables of the released diffusion, float64, one entry per used step.

    Betas are recomputed from the ratios of ``abar`` even where no step is left out, as the
    released respacing does: their last bits differ from the schedule's own.
    """

    timestep_map: tuple[int, ...]
    betas: Array
    abar: Array
    sigma_small: bool = True

    @classmethod
    def of(
        cls,
        schedule: Schedule,
        respacing: str | int | Sequence[int] | None = None,
        *,
        sigma_small: bool = True,
    ) -> ReleasedProcess:
        """Tables of ``schedule`` with the steps of :func:`respaced`."""
        chosen = respaced(schedule.steps, respacing)
        base = np.cumprod(1.0 - base_betas(schedule), axis=0)[list(chosen)]
        before = np.append(1.0, base[:-1])
        betas = 1 - base / before
        return cls(chosen, betas, np.cumprod(1.0 - betas, axis=0), sigma_small)

    @property
    def steps(self) -> int:
        """Number of used steps."""
        return len(self.timestep_map)

    @property
    def abar_prev(self) -> Array:
        """``abar`` one used step earlier, 1 before the first."""
        return np.append(1.0, self.abar[:-1])

    @property
    def posterior_variance(self) -> Array:
        """Variance of q(x_prev | x_t, x0), DDPM eq. 7."""
        return self.betas * (1.0 - self.abar_prev) / (1.0 - self.abar)

    @property
    def log_variance(self) -> Array:
        """Log of the reverse variance; the first entry, which would be -inf, repeats the next."""
        first = self.posterior_variance[min(1, self.steps - 1)]
        rest = self.posterior_variance if self.sigma_small else self.betas
        return np.log(np.append(first, rest[1:]))

    def tables(self) -> dict[str, Array]:
        """Every coefficient that a step uses, by name."""
        abar, prev, betas = self.abar, self.abar_prev, self.betas
        return {
            "of_x0": betas * np.sqrt(prev) / (1.0 - abar),
            "of_xt": (1.0 - prev) * np.sqrt(1.0 - betas) / (1.0 - abar),
            "log_variance": self.log_variance,
            "abar": abar,
            "abar_prev": prev,
            "sqrt_abar": np.sqrt(abar),
            "sqrt_one_minus_abar": np.sqrt(1.0 - abar),
            "sqrt_recip_abar": np.sqrt(1.0 / abar),
            "sqrt_recipm1_abar": np.sqrt(1.0 / abar - 1),
        }


def base_betas(schedule: Schedule) -> Array:
    """The schedule's betas as NumPy computes them (``linspace`` differs in its last bits)."""
    if schedule.kind == "linear":
        low, high = (LINEAR_REFERENCE_STEPS / schedule.steps * end for end in LINEAR_RANGE)
        return np.linspace(low, high, schedule.steps, dtype=np.float64)
    return schedule.betas.numpy()


class _Coefficients:
    """Table entries as float32 tensors expanded to the data's shape."""

    def __init__(self, process: ReleasedProcess, shape: Sequence[int], device: torch.device):
        self._tables = {
            name: torch.from_numpy(np.ascontiguousarray(values)).to(device).float()
            for name, values in process.tables().items()
        }
        self._shape = tuple(shape)

    def __call__(self, name: str, index: Tensor) -> Tensor:
        values = self._tables[name][index]
        return values.reshape(-1, *([1] * (len(self._shape) - 1))).expand(self._shape)


def two_pass(net: Denoiser, guidance: float | Tensor) -> Denoiser:
    """Guidance as released: one conditional pass, one unconditional, u + scale (c - u)."""

    def combined(x: Tensor, t: Tensor, y: dict[str, object]) -> Tensor:
        conditional = net(x, t, y)
        unconditional = net(x, t, {**y, "uncond": True})
        scale = torch.as_tensor(guidance, dtype=torch.float32, device=x.device)
        scale = scale.expand(len(x)).reshape(-1, *([1] * (x.dim() - 1)))
        return unconditional + (scale * (conditional - unconditional))

    return combined


def noise_like(x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Standard normal noise with the shape and the memory layout of ``x``."""
    return torch.empty_like(x).normal_(generator=generator)


def released_noise(
    shape: Sequence[int], generator: torch.Generator, device: torch.device | str = "cpu"
) -> NoiseSource:
    """The released draws in batch-first layout ``[B, F, J*C]``, for ``loop.sample``.

    Args:
        shape: ``(B, J, C, F)``.
        device: where to move them; they are drawn on the generator's device.
    """
    home = generator.device
    batch, joints, channels, frames = shape
    # the start, and the first step's noise, which is drawn like it
    contiguous = 2 if frames > 1 else None
    drawn = 0

    def draw() -> Tensor:
        nonlocal drawn
        drawn += 1
        if contiguous is None or drawn <= contiguous:
            noise = torch.randn(tuple(shape), generator=generator, device=home)
        else:
            later = torch.empty(frames, batch, joints, channels, device=home)
            noise = later.permute(1, 2, 3, 0).normal_(generator=generator)
        return noise.permute(0, 3, 1, 2).reshape(batch, frames, joints * channels).to(device)

    return draw


def as_released(net: Denoiser) -> Denoiser:
    """The network with the ``requires_grad`` of its weights on at each call, as released.

    A pipeline clears the flags; results would then differ by rounding. What is no
    :class:`torch.nn.Module` comes back as it is.
    """
    if not isinstance(net, torch.nn.Module):
        return net

    def call(x: Tensor, timesteps: Tensor, y: dict[str, object]) -> Tensor:
        cleared = [p for p in net.parameters() if not p.requires_grad]
        try:
            for parameter in cleared:
                parameter.requires_grad_(True)
            return net(x, timesteps, y)
        finally:
            for parameter in cleared:
                parameter.requires_grad_(False)

    return call


@torch.no_grad()
def sample_exact(
    net: Denoiser,
    shape: Sequence[int],
    *,
    process: ReleasedProcess,
    y: Mapping[str, object],
    guidance: float | Tensor = 1.0,
    generator: torch.Generator | None = None,
    sampler: str = "ddpm",
    eta: float = 0.0,
    inpaint: Inpaint | None = None,
    const_noise: bool = False,
    skip_timesteps: int = 0,
    init: Tensor | None = None,
    noise: NoiseSource | None = None,
    on_step: StepCallback | None = None,
    on_x0: Callable[[int, Tensor, Tensor], None] | None = None,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Sample ``[B, J, C, F]`` exactly as the released code does.

    Args:
        net: called as ``net(x, t, y)`` with steps of the full process; ``y["uncond"]`` asks for the
            unconditional pass.
        guidance: scale, one number or one per sample; 1 is the plain conditional network.
        generator: of the noise; PyTorch's global one when None, as released.
        sampler: "ddpm" or "ddim".
        eta: fresh noise of DDIM.
        inpaint: mask and motion, both ``[B, J, C, F]``: overwrites each guided x0 prediction.
        const_noise: all samples get the step noise of the first (DDPM only).
        skip_timesteps: leave out that many of the first steps and start from ``init`` noised to
            the first step taken (zeros when None).
        noise: replaces the generator: called for the start and for each step, returning tensors
            shaped like the sample.
        on_step: ``(done, total)`` before the first step and after each.
        on_x0: ``(step number, x0 prediction, x after the step)`` after each step.

    Raises:
        InvalidRequest: unknown sampler.
    """
    if sampler not in LOOPS:
        raise InvalidRequest(f"No exact mode for {sampler!r}.", f"Use {' or '.join(LOOPS)}.")
    device = torch.device(device)
    plain = isinstance(guidance, int | float) and guidance == 1
    denoise = as_released(net) if plain else two_pass(as_released(net), guidance)
    value = _Coefficients(process, shape, device)
    map_ = torch.tensor(process.timestep_map, device=device)
    condition = dict(y)

    def draw(like: Tensor | None) -> Tensor:
        if noise is not None:
            return noise().to(device)
        if like is None:
            return torch.randn(*shape, generator=generator, device=device)
        return noise_like(like, generator)

    def index_of(i: int) -> Tensor:
        return torch.full((shape[0],), i, device=device)

    indices = list(range(process.steps - skip_timesteps))[::-1]
    x = draw(None)
    if skip_timesteps or init is not None:
        start = torch.zeros_like(x) if init is None else init.to(device)
        first = index_of(indices[0])
        x = value("sqrt_abar", first) * start + value("sqrt_one_minus_abar", first) * x
    if on_step is not None:
        on_step(0, len(indices))
    for done, i in enumerate(indices):
        index = index_of(i)
        x0 = denoise(x, map_[index], condition)
        if inpaint is not None:
            mask, kept = inpaint
            x0 = (x0 * ~mask) + (kept * mask)
        fresh = draw(x)
        if const_noise and sampler == "ddpm":
            fresh = fresh[[0]].repeat(len(x), *([1] * (x.dim() - 1)))
        later = (index != 0).float().view(-1, *([1] * (x.dim() - 1)))
        if sampler == "ddpm":
            x = _ddpm(value, index, x, x0, later, fresh)
        else:
            x = _ddim(value, index, x, x0, later, fresh, eta)
        if on_x0 is not None:
            on_x0(done, x0, x)
        if on_step is not None:
            on_step(done + 1, len(indices))
    return x


def _ddpm(
    value: _Coefficients, index: Tensor, x: Tensor, x0: Tensor, later: Tensor, noise: Tensor
) -> Tensor:
    mean = value("of_x0", index) * x0 + value("of_xt", index) * x
    return mean + later * torch.exp(0.5 * value("log_variance", index)) * noise


def _ddim(
    value: _Coefficients,
    index: Tensor,
    x: Tensor,
    x0: Tensor,
    later: Tensor,
    noise: Tensor,
    eta: float,
) -> Tensor:
    """In float32 after the tables, also the square roots, as released."""
    eps = (value("sqrt_recip_abar", index) * x - x0) / value("sqrt_recipm1_abar", index)
    abar, prev = value("abar", index), value("abar_prev", index)
    sigma = eta * torch.sqrt((1 - prev) / (1 - abar)) * torch.sqrt(1 - abar / prev)
    mean = x0 * torch.sqrt(prev) + torch.sqrt(1 - prev - sigma**2) * eps
    return mean + later * sigma * noise
