"""Noise schedules: betas, their running product, and sub-sequences of time steps.

Time is a 0-based index: ``t = 0`` is the first noising step (x0 to x1), ``t = steps - 1`` the last.
``alphas_bar[t]`` is the signal power left after step ``t``; before any noise it is 1.
Tables are float64; they are cast to the data's dtype only after the square roots.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from numbers import Integral

import torch
from torch import Tensor

from ..errors import ArtifactError, InvalidRequest
from ..motion.io.bounds import MAX_STEPS

KINDS = ("cosine", "linear")
COSINE_OFFSET = 0.008
MAX_BETA = 0.999
LINEAR_RANGE = (1e-4, 0.02)
LINEAR_REFERENCE_STEPS = 1000


@dataclass(frozen=True)
class Schedule:
    """A forward noising process of ``steps`` steps.

    ``cosine``: alphas_bar follows cos^2(((u + 0.008) / 1.008) pi/2), betas clipped to 0.999
    (Nichol & Dhariwal 2021, eq. 17). ``linear``: betas from 1e-4 to 0.02 (Ho et al. 2020), scaled
    by 1000 / steps so that any number of steps ends in noise.
    """

    kind: str = "cosine"
    steps: int = 100

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ArtifactError(
                f"Unknown noise schedule {self.kind!r}.", f"Use one of: {', '.join(KINDS)}."
            )
        if isinstance(self.steps, bool) or not isinstance(self.steps, int) or self.steps < 1:
            raise ArtifactError(
                f"A noise schedule cannot have {self.steps!r} steps.", "Use a whole number from 1."
            )
        if self.steps > MAX_STEPS:
            raise ArtifactError(
                f"A noise schedule of {self.steps:.3g} steps is beyond every model.",
                f"Use up to {MAX_STEPS}.",
            )

    @cached_property
    def betas(self) -> Tensor:
        """Noise variance added by each step, ``[steps]`` float64."""
        if self.kind == "linear":
            scale = LINEAR_REFERENCE_STEPS / self.steps
            low, high = (scale * end for end in LINEAR_RANGE)
            return torch.linspace(low, high, self.steps, dtype=torch.float64).clamp(max=MAX_BETA)
        signal = [_cosine_signal(u / self.steps) for u in range(self.steps + 1)]
        betas = [min(1 - after / before, MAX_BETA) for before, after in pairwise(signal)]
        return torch.tensor(betas, dtype=torch.float64)

    @cached_property
    def alphas_bar(self) -> Tensor:
        """Signal power left after each step, the running product of 1 - beta, ``[steps]``."""
        return torch.cumprod(1 - self.betas, dim=0)

    @cached_property
    def alphas_bar_prev(self) -> Tensor:
        """``alphas_bar`` one step earlier, 1 before the first, ``[steps]``."""
        return torch.cat([torch.ones(1, dtype=torch.float64), self.alphas_bar[:-1]])

    def q_sample(self, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """Noise ``x0`` to step ``t``: sqrt(abar) x0 + sqrt(1 - abar) noise.

        Args:
            x0: clean data ``[B, ...]``.
            t: 0-based step of each sample ``[B]`` int64.
            noise: standard normal, shaped like ``x0``.
        """
        signal = gather(self, "sqrt_alphas_bar", t, x0)
        sigma = gather(self, "sqrt_one_minus_alphas_bar", t, x0)
        return signal * x0 + sigma * noise

    def to_dict(self) -> dict[str, object]:
        """Plain JSON values, for the model's config."""
        return asdict(self)


def _cosine_signal(u: float) -> float:
    return math.cos((u + COSINE_OFFSET) / (1 + COSINE_OFFSET) * math.pi / 2) ** 2


@lru_cache(maxsize=64)
def _table(schedule: Schedule, name: str, device: torch.device, dtype: torch.dtype) -> Tensor:
    abar = schedule.alphas_bar
    values = {
        "sqrt_alphas_bar": lambda: abar.sqrt(),
        "sqrt_one_minus_alphas_bar": lambda: (1 - abar).sqrt(),
    }[name]()
    return values.to(dtype).to(device)


def gather(schedule: Schedule, name: str, t: Tensor, like: Tensor) -> Tensor:
    """Table values at ``t`` ``[B]``, shaped ``[B, 1, ...]`` to multiply ``like`` ``[B, ...]``."""
    values = _table(schedule, name, like.device, like.dtype)[t.to(like.device)]
    return values.reshape(-1, *([1] * (like.dim() - 1)))


def evenly_spaced(steps: int, count: int) -> tuple[int, ...]:
    """``count`` increasing time steps from 0 to ``steps - 1``, both ends included.

    The last step is included, so that sampling starts from pure noise; with ``count == 1`` it is
    the only one.
    """
    _check_count(steps, count)
    if count == 1:
        return (steps - 1,)
    stride = (steps - 1) / (count - 1)
    return tuple(round(i * stride) for i in range(count))


def power_spaced(steps: int, count: int, power: float) -> tuple[int, ...]:
    """``count`` increasing time steps, denser at the noisy end: ``1 - u ** power`` for even u.

    Both ends are included; 1 is :func:`evenly_spaced`. Where steps would round to the same, the
    earlier ones move on, so that there are always ``count`` of them.
    """
    _check_count(steps, count)
    if count == 1 or count == steps:
        return evenly_spaced(steps, count)
    even = (i / (count - 1) for i in range(count))
    chosen = sorted(round((steps - 1) * (1.0 - u**power)) for u in even)
    for i in range(count - 2, -1, -1):
        chosen[i] = min(chosen[i], chosen[i + 1] - 1)
    return tuple(max(t, i) for i, t in enumerate(chosen))


def log_snr_spaced(schedule: Schedule, count: int) -> tuple[int, ...]:
    """``count`` increasing time steps at nearly equal distances of log(abar / (1 - abar)).

    Both ends are included. This is the spacing in which DPM-Solver++ is of second order. The last
    step of a clipped cosine schedule is far off from the others, so distances start before it.
    """
    _check_count(schedule.steps, count)
    if count < 3:
        return evenly_spaced(schedule.steps, count)
    log_snr = torch.logit(schedule.alphas_bar)
    targets = torch.linspace(float(log_snr[0]), float(log_snr[-2]), count - 1).double()
    nearest = (log_snr[None] - targets[:, None]).abs().argmin(dim=1).tolist()
    chosen = [*nearest, schedule.steps - 1]
    for i in range(1, count):
        chosen[i] = max(chosen[i], chosen[i - 1] + 1)
    return tuple(min(t, schedule.steps - count + i) for i, t in enumerate(chosen))


def strided(steps: int, count: int) -> tuple[int, ...]:
    """Every k-th time step from 0, with the smallest k that gives exactly ``count`` of them.

    The rule that guided-diffusion and MDM write as ``ddimN``; it may leave out the last steps.
    """
    _check_count(steps, count)
    for stride in range(1, steps + 1):
        chosen = range(0, steps, stride)
        if len(chosen) == count:
            return tuple(chosen)
    raise InvalidRequest(
        f"No whole stride gives {count} of {steps} steps.", "Choose a number that divides them."
    )


def sectioned(steps: int, counts: Sequence[int]) -> tuple[int, ...]:
    """Split ``steps`` into equal sections and take ``counts[i]`` evenly spaced steps from each.

    The section rule of guided-diffusion and MDM (the first ``steps % len(counts)`` sections are
    one longer; fractional strides accumulate and round half to even).
    """
    base, extra = divmod(steps, len(counts))
    chosen: list[int] = []
    start = 0
    for section, count in enumerate(counts):
        size = base + (1 if section < extra else 0)
        _check_count(size, count)
        stride = 1.0 if count <= 1 else (size - 1) / (count - 1)
        position = 0.0
        for _ in range(count):
            chosen.append(start + round(position))
            position += stride
        start += size
    return tuple(chosen)


def _check_count(steps: int, count: int) -> None:
    if not isinstance(count, Integral) or not 1 <= count <= steps:
        raise InvalidRequest(
            f"The number of sampling steps is {count}; this model was trained with {steps}.",
            f"Choose a whole number from 1 to {steps}.",
        )
