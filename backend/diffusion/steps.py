"""One denoising step of each sampler, and conversions between x0, noise and score.

Every function is pure. Noise levels are given as ``abar``, the signal power at the current step,
and ``abar_prev``, that at the step to go to (1 for clean data), so that any decreasing
sub-sequence of steps works. They are numbers, or tensors that broadcast to the data ``[B, ...]``;
coefficients are computed in float64 and then cast to the data's dtype.

Sources: DDPM (Ho, Jain, Abbeel 2020), DDIM (Song, Meng, Ermon 2021),
DPM-Solver++ (Lu et al. 2022).
"""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor

Level: TypeAlias = float | Tensor


def _level(value: Level) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float64)


def _cast(value: Tensor, like: Tensor) -> float | Tensor:
    return value.item() if value.dim() == 0 else value.to(like.device, like.dtype)


def eps_from_x0(x_t: Tensor, x0: Tensor, abar: Level) -> Tensor:
    """The noise that takes ``x0`` to ``x_t``: (x_t - sqrt(abar) x0) / sqrt(1 - abar)."""
    a = _level(abar)
    return (x_t - _cast(a.sqrt(), x_t) * x0) / _cast((1 - a).sqrt(), x_t)


def x0_from_eps(x_t: Tensor, eps: Tensor, abar: Level) -> Tensor:
    """The clean data under ``x_t`` with noise ``eps``: (x_t - sqrt(1 - abar) eps) / sqrt(abar)."""
    a = _level(abar)
    return (x_t - _cast((1 - a).sqrt(), x_t) * eps) / _cast(a.sqrt(), x_t)


def score_from_eps(eps: Tensor, abar: Level) -> Tensor:
    """Gradient of the log density of ``x_t``: -eps / sqrt(1 - abar)."""
    return -eps / _cast((1 - _level(abar)).sqrt(), eps)


def posterior_coefficients(abar: Level, abar_prev: Level) -> tuple[Tensor, Tensor, Tensor]:
    """Factors of x0 and of x_t in the mean of q(x_prev | x_t, x0), and its variance, in float64.

    DDPM eq. 6-7 with beta = 1 - abar / abar_prev, so that it also holds between distant steps.
    """
    a, a_prev = _level(abar), _level(abar_prev)
    alpha = a / a_prev
    beta = 1 - alpha
    of_x0 = a_prev.sqrt() * beta / (1 - a)
    of_xt = alpha.sqrt() * (1 - a_prev) / (1 - a)
    return of_x0, of_xt, beta * (1 - a_prev) / (1 - a)


def posterior_mean(x_t: Tensor, x0: Tensor, abar: Level, abar_prev: Level) -> Tensor:
    """Mean of q(x_prev | x_t, x0), DDPM eq. 7; ``x_t``, ``x0`` and the result ``[B, ...]``."""
    of_x0, of_xt, _ = posterior_coefficients(abar, abar_prev)
    return _cast(of_x0, x_t) * x0 + _cast(of_xt, x_t) * x_t


def ddpm_step(
    x_t: Tensor,
    x0: Tensor,
    abar: Level,
    abar_prev: Level,
    noise: Tensor | None,
    *,
    variance_as_std: bool = False,
) -> Tensor:
    """Sample q(x_prev | x_t, x0): posterior mean + posterior std * noise.

    At the last step (``abar_prev == 1``) the variance is 0 and ``noise`` may be None.
    ``variance_as_std`` scales the noise by the variance instead of its root, as the released stmc
    code does; only for reproducing its samples.
    """
    of_x0, of_xt, variance = posterior_coefficients(abar, abar_prev)
    mean = _cast(of_x0, x_t) * x0 + _cast(of_xt, x_t) * x_t
    if noise is None:
        return mean
    scale = variance if variance_as_std else variance.clamp(min=0).sqrt()
    return mean + _cast(scale, x_t) * noise


def ddim_sigma(abar: Level, abar_prev: Level, eta: float) -> Tensor:
    """Std of the fresh noise in a DDIM step, eq. 16: eta 0 none, eta 1 the DDPM posterior's."""
    a, a_prev = _level(abar), _level(abar_prev)
    return eta * ((1 - a_prev) / (1 - a)).sqrt() * (1 - a / a_prev).sqrt()


def ddim_step(
    x_t: Tensor,
    x0: Tensor,
    abar: Level,
    abar_prev: Level,
    noise: Tensor | None = None,
    *,
    eta: float = 0.0,
) -> Tensor:
    """DDIM eq. 12: sqrt(abar_prev) x0 + sqrt(1 - abar_prev - sigma^2) eps + sigma noise.

    ``noise`` may be None when ``eta`` is 0.
    """
    a_prev = _level(abar_prev)
    sigma = ddim_sigma(abar, abar_prev, eta)
    direction = (1 - a_prev - sigma.square()).clamp(min=0).sqrt()
    x_prev = _cast(a_prev.sqrt(), x_t) * x0
    x_prev = x_prev + _cast(direction, x_t) * eps_from_x0(x_t, x0, abar)
    if noise is None:
        if eta:
            raise ValueError("a DDIM step with eta > 0 needs noise")
        return x_prev
    return x_prev + _cast(sigma, x_t) * noise


def half_log_snr(abar: Level) -> Tensor:
    """lambda = log(sqrt(abar) / sqrt(1 - abar)), the time of DPM-Solver; infinite at abar 1."""
    a = _level(abar)
    return 0.5 * (a.log() - torch.log1p(-a))


def dpmpp_2m_step(
    x_t: Tensor,
    x0: Tensor,
    abar: Level,
    abar_prev: Level,
    *,
    last_x0: Tensor | None = None,
    last_abar: Level | None = None,
) -> Tensor:
    """DPM-Solver++(2M) (algorithm 2): second order from the present and the last x0 prediction.

    Without ``last_x0`` (first step), or when going to clean data, it is the first-order step,
    which equals DDIM with eta 0.

    Args:
        last_x0: x0 predicted at the step before, whose noise level was ``last_abar``.
    """
    a, a_prev = _level(abar), _level(abar_prev)
    step = half_log_snr(a_prev) - half_log_snr(a)
    data = x0
    if last_x0 is not None and last_abar is not None and bool(torch.isfinite(step).all()):
        ratio = (half_log_snr(a) - half_log_snr(last_abar)) / step
        extra = _cast(1 / (2 * ratio), x_t)
        data = (1 + extra) * x0 - extra * last_x0
    of_xt = ((1 - a_prev) / (1 - a)).sqrt()
    of_data = -a_prev.sqrt() * torch.expm1(-step)
    return _cast(of_xt, x_t) * x_t + _cast(of_data, x_t) * data


def x0_from_velocity(x_t: Tensor, velocity: Tensor, t: float) -> Tensor:
    """The data at the end of a straight flow through ``x_t``: x_t + (1 - t) v, v = data - noise."""
    return x_t + (1.0 - t) * velocity


def flow_step(
    x_t: Tensor,
    x0: Tensor,
    t: float,
    t_next: float,
    *,
    ahead: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """One step of ``dx/dt = v`` from ``t`` to ``t_next`` with v = (x0 - x_t) / (1 - t).

    It is Euler's; with ``ahead`` (the point that Euler reaches, the data predicted there) Heun's,
    of second order, whose velocity is the mean of both. A step to 1 ends in ``x0`` itself.
    """
    if ahead is None:
        return x0 if t_next >= 1.0 else x_t + (t_next - t) / (1.0 - t) * (x0 - x_t)
    point, data = ahead
    here, there = (x0 - x_t) / (1.0 - t), (data - point) / (1.0 - t_next)
    return x_t + (t_next - t) * 0.5 * (here + there)
