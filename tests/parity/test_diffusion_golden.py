"""Schedules and step functions against golden data (nv-tlabs/stmc @a8b2a1f; MDM's diffusion)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from backend.diffusion import steps
from backend.diffusion.schedule import Schedule, evenly_spaced, sectioned, strided

GOLDEN = Path(__file__).parent / "golden" / "diffusion"


def load(name: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / name, allow_pickle=False) as data:
        return dict(data)


def close(actual: torch.Tensor, expected: np.ndarray, atol: float) -> None:
    np.testing.assert_allclose(actual.numpy(), expected, rtol=0, atol=atol)


@pytest.mark.parametrize(
    ("kind", "count"), [("cosine", 100), ("cosine", 1000), ("linear", 1000), ("linear", 50)]
)
def test_schedule_tables(kind: str, count: int) -> None:
    golden = load("diffusion_schedules.npz")
    schedule = Schedule(kind, count)
    name = f"{kind}{count}"
    close(schedule.betas, golden[f"{name}_betas"], 1e-12)
    close(schedule.alphas_bar, golden[f"{name}_alphas_cumprod"], 1e-12)


@pytest.mark.parametrize("name", ["cosine100", "linear50"])
def test_posterior_tables(name: str) -> None:
    golden = load("diffusion_schedules.npz")
    schedule = Schedule(name[:6], int(name[6:]))
    of_x0, of_xt, variance = steps.posterior_coefficients(
        schedule.alphas_bar, schedule.alphas_bar_prev
    )
    close(of_x0, golden[f"{name}_posterior_mean_coef1"], 1e-12)
    close(of_xt, golden[f"{name}_posterior_mean_coef2"], 1e-12)
    close(variance, golden[f"{name}_posterior_variance"], 1e-12)


def test_posterior_mean_from_eps_coefficients() -> None:
    golden = load("diffusion_schedules.npz")
    schedule = Schedule("cosine", 100)
    x_t, eps = torch.randn(2, 100, dtype=torch.float64, generator=torch.manual_seed(0))
    x0 = steps.x0_from_eps(x_t, eps, schedule.alphas_bar)
    mean = steps.posterior_mean(x_t, x0, schedule.alphas_bar, schedule.alphas_bar_prev)
    expected = (
        golden["cosine100_posterior_mean_eps_coef1"] * x_t.numpy()
        - golden["cosine100_posterior_mean_eps_coef2"] * eps.numpy()
    )
    close(mean, expected, 1e-9)


@pytest.mark.parametrize(
    ("name", "kind", "count", "chosen"),
    [
        ("schedule_cosine1000", "cosine", 1000, range(1000)),
        ("schedule_cosine50", "cosine", 50, range(50)),
        ("schedule_cosine1000_50", "cosine", 1000, sectioned(1000, [50])),
        ("schedule_cosine1000_ddim50", "cosine", 1000, strided(1000, 50)),
    ],
)
def test_mdm_tables_and_respacing(name: str, kind: str, count: int, chosen: range | tuple) -> None:
    golden = load(f"{name}.npz")
    schedule = Schedule(kind, count)
    close(schedule.betas, golden["base_betas"], 1e-12)
    assert list(chosen) == golden["timestep_map"].tolist()
    abar = schedule.alphas_bar[list(chosen)]
    close(abar, golden["alphas_cumprod"], 1e-12)
    before = torch.cat([torch.ones(1, dtype=torch.float64), abar[:-1]])
    of_x0, of_xt, variance = steps.posterior_coefficients(abar, before)
    close(1 - abar / before, golden["betas"], 1e-12)
    close(of_x0, golden["posterior_mean_coef1"], 1e-12)
    close(of_xt, golden["posterior_mean_coef2"], 1e-12)
    close(variance, golden["posterior_variance"], 1e-12)


def test_mdm_linear() -> None:
    golden = load("schedule_linear1000.npz")
    schedule = Schedule("linear", 1000)
    close(schedule.betas, golden["betas"], 1e-12)
    close(schedule.alphas_bar, golden["alphas_cumprod"], 1e-12)


def test_even_spacing_is_one_section() -> None:
    assert evenly_spaced(1000, 50) == sectioned(1000, [50])


@pytest.fixture
def one_step() -> dict[str, torch.Tensor]:
    return {k: torch.from_numpy(v) for k, v in load("diffusion_steps.npz").items()}


def levels(t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    schedule = Schedule("cosine", 100)
    shape = (-1, 1, 1)
    return (
        schedule.alphas_bar[t].reshape(shape),
        schedule.alphas_bar_prev[t].reshape(shape),
    )


def test_noising_and_conversions(one_step: dict[str, torch.Tensor]) -> None:
    z = one_step
    abar, _ = levels(z["t"])
    close(Schedule("cosine", 100).q_sample(z["x0"], z["t"], z["noise"]), z["xt"].numpy(), 1e-9)
    eps = steps.eps_from_x0(z["xt"], z["x0"], abar)
    close(eps, z["eps"].numpy(), 1e-9)
    close(steps.score_from_eps(eps, abar), z["score"].numpy(), 1e-9)
    close(steps.x0_from_eps(z["xt"], eps, abar), z["x0"].numpy(), 1e-9)


def test_ddpm_and_stmc_steps(one_step: dict[str, torch.Tensor]) -> None:
    z = one_step
    abar, prev = levels(z["t"])
    variance = steps.posterior_coefficients(abar, prev)[2]
    close(variance.flatten(), z["posterior_variance"].numpy(), 1e-9)
    mean = steps.posterior_mean(z["xt"], z["x0"], abar, prev)
    close(mean, z["posterior_mean"].numpy(), 1e-9)
    close(
        steps.ddpm_step(z["xt"], z["x0"], abar, prev, z["noise2"]), z["ddpm_x_prev"].numpy(), 1e-9
    )
    quirk = steps.ddpm_step(z["xt"], z["x0"], abar, prev, z["noise2"], variance_as_std=True)
    close(quirk, z["stmc_x_prev"].numpy(), 1e-9)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_ddim_eq_12(one_step: dict[str, torch.Tensor], eta: float) -> None:
    z = one_step
    abar, prev = levels(z["t"])
    close(steps.ddim_sigma(abar, prev, eta).flatten(), z[f"ddim_sigma_eta{eta}"].numpy(), 1e-9)
    still = steps.ddim_step(z["xt"], z["x0"], abar, prev, torch.zeros_like(z["xt"]), eta=eta)
    close(still, z[f"ddim_mean_eta{eta}"].numpy(), 1e-9)
