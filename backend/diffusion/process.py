"""What the sampling loop asks of a noising process, for diffusion and for flows.

A process says which times a run visits, what the network is told at each, what clean data its
answer means, and how one step goes on from there. The loop (:mod:`.loop`) and masked sampling
(:mod:`.inpaint`) know no more than this, so that both edit with either kind of model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from numbers import Integral
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor

from ..errors import InvalidRequest
from ..wire.limits import DIFFUSION_SAMPLERS, FLOW_SAMPLERS
from .schedule import Schedule, evenly_spaced, log_snr_spaced
from .steps import ddim_step, ddpm_step, dpmpp_2m_step, flow_step, x0_from_eps, x0_from_velocity

Steps: TypeAlias = int | Sequence[int] | Sequence[float] | None
Predict: TypeAlias = Callable[[Tensor, float], Tensor]
"""The guided, edited prediction of the clean data for ``(x, time)``."""
Stepper: TypeAlias = Callable[[Tensor, Tensor, int, Predict], Tensor]
"""``(x, clean, index, predict) -> x`` at the next time of the run."""


@dataclass(frozen=True)
class Flow:
    """Rectified flow: ``x_t = (1 - t) noise + t data``, from t = 0 (noise) to 1 (data).

    The network is told t in 0..1 and predicts the velocity ``data - noise`` (Liu et al. 2022,
    Lipman et al. 2022).

    Attributes:
        steps: equal steps of a run that names none.
    """

    steps: int = 50


class Process(Protocol):
    """A run through one noising process."""

    times: Sequence[float]
    """Where the network is asked, from noise to data."""

    def told(self, time: float, x: Tensor) -> Tensor:
        """What the network is told, ``[B]``."""

    def clean(self, x: Tensor, output: Tensor, time: float, prediction: str) -> Tensor:
        """The clean data that a network's output for ``x`` means."""

    def noised(self, x0: Tensor, time: float, noise: Tensor) -> Tensor:
        """Clean data as it is at a time of the run."""

    def after(self, share: float) -> list[float]:
        """The times of the run that lie within that share of the way from the data."""

    def stepper(self, sampler: str, eta: float, noise: Callable[[], Tensor]) -> Stepper:
        """The step function of one run; only multi-step samplers remember something."""


def process_of(schedule: Schedule | Flow, steps: Steps, sampler: str) -> Process:
    """A run of ``steps`` steps.

    Raises:
        InvalidRequest: a sampler of the other kind of model, or steps that the process lacks.
    """
    flow = isinstance(schedule, Flow)
    allowed = FLOW_SAMPLERS if flow else DIFFUSION_SAMPLERS
    if sampler not in allowed:
        raise InvalidRequest(
            f"Unknown sampler {sampler!r}."
            if sampler not in (*FLOW_SAMPLERS, *DIFFUSION_SAMPLERS)
            else f"The sampler {sampler!r} does not fit this kind of model.",
            f"Use one of: {', '.join(allowed)}.",
        )
    if isinstance(schedule, Flow):
        return FlowProcess(flow_times(schedule, steps))
    return DiffusionProcess(schedule, resolve_timesteps(schedule, steps, sampler))


def resolve_timesteps(schedule: Schedule, steps: Steps, sampler: str = "ddim") -> list[int]:
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


def flow_times(flow: Flow, steps: Steps) -> list[float]:
    """Increasing times of a flow's steps: that many equal ones, or the given ones in [0, 1)."""
    if isinstance(steps, Iterable):
        chosen = sorted({float(t) for t in steps})
        if not chosen or not 0.0 <= chosen[0] <= chosen[-1] < 1.0:
            raise InvalidRequest(
                "The times of a flow must lie from 0 to below 1.",
                "Give the number of steps instead of a list.",
            )
        return chosen
    count = flow.steps if steps is None else steps
    if not isinstance(count, Integral) or count < 1:
        raise InvalidRequest(
            f"The number of sampling steps is {count!r}.", "Choose a whole number from 1."
        )
    return [i / int(count) for i in range(int(count))]


class DiffusionProcess:
    """A variance-preserving run; its levels are the signal power ``abar``."""

    def __init__(self, schedule: Schedule, times: Sequence[int]) -> None:
        self.schedule = schedule
        self.times: Sequence[float] = list(times)
        self.levels = [float(schedule.alphas_bar[t]) for t in times] + [1.0]

    def told(self, time: float, x: Tensor) -> Tensor:
        """See :class:`Process`; the step's number, int64."""
        return torch.full((len(x),), int(time), device=x.device)

    def clean(self, x: Tensor, output: Tensor, time: float, prediction: str) -> Tensor:
        """See :class:`Process`; ``prediction`` is "x0" or "eps"."""
        if prediction == "x0":
            return output
        if prediction != "eps":
            raise ValueError(f"a diffusion model predicts x0 or eps, not {prediction!r}")
        return x0_from_eps(x, output, float(self.schedule.alphas_bar[int(time)]))

    def noised(self, x0: Tensor, time: float, noise: Tensor) -> Tensor:
        """See :class:`Process`."""
        level = torch.full((len(x0),), int(time), device=x0.device)
        return self.schedule.q_sample(x0, level, noise)

    def after(self, share: float) -> list[float]:
        """See :class:`Process`."""
        return [t for t in self.times if t <= share * (self.schedule.steps - 1)]

    def stepper(self, sampler: str, eta: float, noise: Callable[[], Tensor]) -> Stepper:
        """See :class:`Process`."""
        pairs = list(pairwise(self.levels))

        def ancestral(x: Tensor, x0: Tensor, index: int, _: Predict) -> Tensor:
            a, a_prev = pairs[index]
            return ddpm_step(x, x0, a, a_prev, noise() if a_prev < 1 else None)

        def implicit(x: Tensor, x0: Tensor, index: int, _: Predict) -> Tensor:
            a, a_prev = pairs[index]
            fresh = noise() if eta and a_prev < 1 else None
            return ddim_step(x, x0, a, a_prev, fresh, eta=eta if a_prev < 1 else 0)

        last: dict[str, Any] = {"x0": None, "abar": None}

        def multistep(x: Tensor, x0: Tensor, index: int, _: Predict) -> Tensor:
            a, a_prev = pairs[index]
            result = dpmpp_2m_step(x, x0, a, a_prev, last_x0=last["x0"], last_abar=last["abar"])
            last["x0"], last["abar"] = x0, a
            return result

        return {"ddpm": ancestral, "ddim": implicit, "dpmpp": multistep}[sampler]


class FlowProcess:
    """A run along a rectified flow; its levels are the times themselves, 1 at the end."""

    def __init__(self, times: Sequence[float]) -> None:
        self.times: Sequence[float] = list(times)
        self.levels = [*self.times, 1.0]

    def told(self, time: float, x: Tensor) -> Tensor:
        """See :class:`Process`; the time itself, float32."""
        return torch.full((len(x),), time, dtype=torch.float32, device=x.device)

    def clean(self, x: Tensor, output: Tensor, time: float, prediction: str) -> Tensor:
        """See :class:`Process`; ``prediction`` is "velocity" or "x0"."""
        if prediction == "x0":
            return output
        if prediction != "velocity":
            raise ValueError(f"a flow predicts velocity or x0, not {prediction!r}")
        return x0_from_velocity(x, output, time)

    def noised(self, x0: Tensor, time: float, noise: Tensor) -> Tensor:
        """See :class:`Process`."""
        return (1.0 - time) * noise + time * x0

    def after(self, share: float) -> list[float]:
        """See :class:`Process`."""
        return [t for t in self.times if t >= 1.0 - share]

    def stepper(self, sampler: str, eta: float, noise: Callable[[], Tensor]) -> Stepper:
        """See :class:`Process`; a flow has no fresh noise, ``eta`` counts for nothing."""
        pairs = list(pairwise(self.levels))

        def euler(x: Tensor, x0: Tensor, index: int, _: Predict) -> Tensor:
            return flow_step(x, x0, *pairs[index])

        def heun(x: Tensor, x0: Tensor, index: int, predict: Predict) -> Tensor:
            here, there = pairs[index]
            ahead = flow_step(x, x0, here, there)
            if there >= 1.0:
                return ahead
            return flow_step(x, x0, here, there, ahead=(ahead, predict(ahead, there)))

        return {"euler": euler, "heun": heun}[sampler]
