"""Ancestral sampling with float32 tables, as from-scratch training codes write it.

:mod:`backend.diffusion.loop` keeps its tables in float64 and is what to use otherwise. This one
rounds where the released action model rounds and draws its noise in the same order (one draw for
the start, then one at every step, the last included), so that the same seed gives the same motion.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .schedule import LINEAR_RANGE, LINEAR_REFERENCE_STEPS

_MIN_VARIANCE = 1e-20


class Float32DDPM:
    """Linear betas (1e-4 to 0.02 for 1,000 steps; Ho et al. 2020), tables ``[steps]`` float32."""

    def __init__(
        self, steps: int = LINEAR_REFERENCE_STEPS, device: torch.device | str = "cpu"
    ) -> None:
        scale = LINEAR_REFERENCE_STEPS / steps
        low, high = (scale * end for end in LINEAR_RANGE)
        self.steps = steps
        self.betas = torch.linspace(low, high, steps).to(device)
        self.alphas = 1.0 - self.betas
        self.alphas_bar = torch.cumprod(self.alphas, dim=0)
        self.alphas_bar_prev = torch.cat([self.alphas_bar.new_ones(1), self.alphas_bar[:-1]])

    def add_noise(self, x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Noise ``x0`` ``[B, F, D]`` to the steps ``t`` ``[B]``."""
        abar = self.alphas_bar[t].reshape(-1, 1, 1)
        return abar.sqrt() * x0 + (1.0 - abar).clamp(min=0.0).sqrt() * noise

    def step(self, x0: Tensor, x_t: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """Sample q(x_prev | x_t, x0); ``noise`` has no effect where ``t`` is 0."""
        beta, alpha, abar, abar_prev = (
            table[t].reshape(-1, 1, 1)
            for table in (self.betas, self.alphas, self.alphas_bar, self.alphas_bar_prev)
        )
        mean = (abar_prev.sqrt() * beta * x0 + alpha.sqrt() * (1.0 - abar_prev) * x_t) / (
            1.0 - abar
        )
        variance = beta * (1.0 - abar_prev) / (1.0 - abar)
        noisy = (t > 0).to(x_t.dtype).reshape(-1, 1, 1)
        return mean + noisy * variance.clamp(min=_MIN_VARIANCE).sqrt() * noise

    @torch.no_grad()
    def sample(
        self,
        net: Callable[[Tensor, Tensor, dict[str, Any]], Tensor],
        shape: tuple[int, int, int],
        y: dict[str, Any],
        generator: torch.Generator,
        on_step: Callable[[int, int], None] | None = None,
    ) -> Tensor:
        """Run every step from pure noise ``shape`` ``[B, F, D]``.

        Args:
            net: predicts x0, called as ``net(x_t, t, y)``.
            generator: on the CPU; noise is drawn there and moved.
            on_step: called as ``on_step(done, total)``; it may raise ``Cancelled``.
        """
        device = self.betas.device

        def draw() -> Tensor:
            return torch.randn(shape, generator=generator).to(device)

        x = draw()
        for done, step in enumerate(range(self.steps - 1, -1, -1)):
            if on_step is not None:
                on_step(done, self.steps)
            t = torch.full((shape[0],), step, dtype=torch.long, device=device)
            x = self.step(net(x, t, y), x, t, draw())
        if on_step is not None:
            on_step(self.steps, self.steps)
        return x
