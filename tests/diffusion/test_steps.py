from __future__ import annotations

import pytest
import torch

from backend.diffusion import steps
from backend.diffusion.schedule import Schedule


@pytest.fixture
def data() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return tuple(torch.randn(3, 2, 5, 4, dtype=torch.float64, generator=torch.manual_seed(0)))


def test_ddim_with_eta_1_is_ddpm_between_distant_steps(data) -> None:
    x_t, x0, noise = data
    abar = Schedule("cosine", 100).alphas_bar
    for t, previous in [(99, 80), (50, 30), (5, 4)]:
        args = (x_t, x0, abar[t], abar[previous], noise)
        torch.testing.assert_close(
            steps.ddim_step(*args, eta=1.0), steps.ddpm_step(*args), atol=1e-10, rtol=0
        )


def test_posterior_matches_bayes_rule(data) -> None:
    """Product of two Gaussians: q(x_t | x_prev) as a likelihood times q(x_prev | x0)."""
    x_t, x0, _ = data
    abar, previous = torch.tensor(0.3).double(), torch.tensor(0.55).double()
    alpha = abar / previous
    precision = alpha / (1 - alpha) + 1 / (1 - previous)
    mean = (alpha.sqrt() * x_t / (1 - alpha) + previous.sqrt() * x0 / (1 - previous)) / precision
    torch.testing.assert_close(steps.posterior_mean(x_t, x0, abar, previous), mean)
    torch.testing.assert_close(steps.posterior_coefficients(abar, previous)[2], 1 / precision)


def test_every_sampler_ends_on_the_x0_prediction(data) -> None:
    x_t, x0, noise = data
    for result in (
        steps.ddpm_step(x_t, x0, 0.9, 1.0, None),
        steps.ddpm_step(x_t, x0, 0.9, 1.0, noise),
        steps.ddim_step(x_t, x0, 0.9, 1.0),
        steps.dpmpp_2m_step(x_t, x0, 0.9, 1.0, last_x0=noise, last_abar=0.8),
    ):
        torch.testing.assert_close(result, x0)


def test_first_order_dpm_solver_is_ddim(data) -> None:
    x_t, x0, _ = data
    torch.testing.assert_close(
        steps.dpmpp_2m_step(x_t, x0, 0.2, 0.6), steps.ddim_step(x_t, x0, 0.2, 0.6)
    )


def test_second_order_dpm_solver_extrapolates_the_prediction(data) -> None:
    x_t, x0, last = data
    same = steps.dpmpp_2m_step(x_t, x0, 0.2, 0.6, last_x0=x0, last_abar=0.05)
    torch.testing.assert_close(same, steps.ddim_step(x_t, x0, 0.2, 0.6))
    other = steps.dpmpp_2m_step(x_t, x0, 0.2, 0.6, last_x0=last, last_abar=0.05)
    assert (other - same).abs().max() > 1e-3


def test_ddim_needs_noise_for_eta(data) -> None:
    x_t, x0, _ = data
    with pytest.raises(ValueError, match="needs noise"):
        steps.ddim_step(x_t, x0, 0.2, 0.6, eta=0.5)


def test_float32_data_stay_float32(data) -> None:
    x_t, x0, noise = (x.float() for x in data)
    abar = torch.full((2, 1, 1), 0.4, dtype=torch.float64)
    for level in (0.4, abar):
        assert steps.ddpm_step(x_t, x0, level, 0.6, noise).dtype == torch.float32
        assert steps.ddim_step(x_t, x0, level, 0.6).dtype == torch.float32
        assert steps.dpmpp_2m_step(x_t, x0, level, 0.6).dtype == torch.float32
