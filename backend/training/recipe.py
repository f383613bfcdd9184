"""What one kind of training is made of; :class:`.loop.Training` does everything else.

A recipe knows its data, its network and its losses. Folders, budgets, saving, resuming, logs,
averages, precision, several processes and divergence are the loop's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..store.options import option
from .processes import ALONE, Process
from .run import RunFolder, share_spent

Report = Callable[[str, int, int], None]
"""Told of long preparations: a stage, how much of it is done, how much there is."""


def silent(stage: str, done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Sources:
    """What a training reads, beside its configuration. Recipes add to it."""

    data: Path = option(help="dataset folder")


@dataclass(frozen=True)
class Setting:
    """Where and how a training runs; nothing of it is part of the result.

    Attributes:
        run: the run folder. resume: whether it goes on.
    """

    run: Path
    resume: bool = False
    device: str = "cpu"
    precision: str = "fp32"
    process: Process = ALONE
    report: Report = silent


class Recipe:
    """One kind of training: subclass it, build ``net`` and ``optimizer``, and say how to step.

    The options of ``kinetype train`` come from its dataclasses ``config_class`` and
    ``sources_class``.

    Attributes:
        about: what it trains, in a line.
        form, other_forms: its name among the forms of its command, and ``"module:Recipe"`` of the
            others (absolute, or relative to the recipe's module).
        config: a frozen dataclass; saved beside the state. ``seed``, ``steps`` or ``num_steps``,
            ``minutes``, ``clip`` and ``lr`` mean the same in all of them.
        average: the running average of the weights, where the recipe keeps one.
        patience: steps in a row that may be left out because their loss or gradient is not finite;
            with one more the training has diverged.
        save_seconds, save_steps: how often a state is saved beside at the end; None for not so.
        log_steps: steps between two lines of the log.
        measure_seconds: between two calls of :meth:`measure`.
        fixed: fields of the configuration that a resumed run cannot change.
        precisions: of the matrix products; the first is the default where the device computes in
            it (see :meth:`usual_precision`).
        default_device: the best there is when None.
        parallel: whether several processes may share it.
        one_budget: whether the run is complete after ``minutes``, where given, in place of
            ``steps``; else ``minutes`` is how long one call goes on, and steps complete the run.
        summary: what it was built from, in a few words.
    """

    about: ClassVar[str]
    form: ClassVar[str] = ""
    other_forms: ClassVar[Mapping[str, str]] = {}
    config_class: ClassVar[type]
    sources_class: ClassVar[type]
    net: nn.Module
    optimizer: torch.optim.Optimizer
    average: Average | None = None
    patience: ClassVar[int] = 0
    save_seconds: float | None = 300.0
    save_steps: int | None = None
    log_steps: int = 50
    measure_seconds: float | None = None
    fixed: ClassVar[tuple[str, ...]] = ("model",)
    precisions: ClassVar[tuple[str, ...]] = ("fp32",)
    default_device: ClassVar[str | None] = "cpu"
    parallel: ClassVar[bool] = False
    one_budget: ClassVar[bool] = True
    summary = ""

    def __init__(
        self, config: Any, *, device: str | torch.device = "cpu", precision: str = "fp32"
    ) -> None:
        self.config = config
        self.device = torch.device(device)
        self.precision = precision
        self.forward: nn.Module | None = None
        torch.manual_seed(config.seed)

    @classmethod
    def open(cls, config: Any, sources: Any, setting: Setting) -> Recipe:
        """Read the data and build the network."""
        raise NotImplementedError

    @classmethod
    def usual_precision(cls, device: str) -> str:
        """Of the matrix products, when nobody chooses: not bf16 on a CPU that has to emulate it,
        which takes many times as long as fp32."""
        emulated = device == "cpu" and not torch.cpu._is_avx512_bf16_supported()
        return "fp32" if emulated else cls.precisions[0]

    @classmethod
    def configured(cls, config: Any, sources: Any) -> Any:
        """The configuration as it will be saved; what cannot be trained is refused here, early."""
        return config

    def start_from(self, folder: Path) -> None:
        """Begin with the weights of a model folder; the sources then have a field ``init``."""
        raise NotImplementedError

    # ------------------------------------------------------------------ one step

    @property
    def model(self) -> nn.Module:
        """What a step calls: the network, or its parallel form where several processes train."""
        return self.net if self.forward is None else self.forward

    def autocast(self) -> torch.autocast:
        """Matrix products in the recipe's precision."""
        bf16 = self.precision == "bf16"
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=bf16)

    def batch(self, step: int) -> Any:
        """What the step of that number, counted from 0, learns from."""
        raise NotImplementedError

    def step(self, batch: Any) -> Mapping[str, Tensor | float]:
        """The losses of a batch; ``loss`` is the one that is minimised. Others are for the log."""
        raise NotImplementedError

    def rate(self, step: int, share: float) -> float | None:
        """Learning rate of a step after this share of the budget; None leaves it as it is."""
        return None

    # ------------------------------------------------------------------ the budget

    def share(self, step: int, elapsed: float) -> float:
        """Share of the budget that is spent, 0..1; the run is complete at 1.

        Args:
            elapsed: seconds of training, over all resumed parts of the run.
        """
        c = self.config
        return share_spent(step, elapsed, steps=c.steps, minutes=c.minutes)

    def may_pause(self, step: int) -> bool:
        """Whether the run may be left off after that many steps."""
        return True

    # ------------------------------------------------------------------ the run

    def described(self, step: int) -> dict[str, float]:
        """What a line of the log says beside step, minutes and losses."""
        return {}

    def measure(self) -> dict[str, float]:
        """What is measured now and then, for the log: before the first step and at the end too."""
        return {}

    def state(self) -> dict[str, Any]:
        """What a resumed run needs beside weights, optimiser and PyTorch's random numbers."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """The inverse of :meth:`state`; entries that an older version did not write may lack."""

    def saved_config(self) -> dict[str, Any]:
        """The configuration as plain JSON values."""
        return asdict(self.config)

    def write(self, folder: Path, step: int) -> None:
        """Write what belongs beside the state, at every save."""

    def finish(self, folder: Path) -> None:
        """Write what belongs to a complete run."""

    def report(self) -> str:
        """What a person is told at the end."""
        return ""

    @classmethod
    def folder(cls, path: Path) -> RunFolder:
        """The folder that this kind of run keeps itself in."""
        return RunFolder(path)


class Average:
    """A running average of a network's weights.

    Args:
        decay: of the average, 0..1.
        warm: begin with a short memory, which grows to ``decay``.
    """

    def __init__(self, net: nn.Module, decay: float, *, warm: bool = False) -> None:
        self.net, self.decay, self.warm = net, decay, warm
        self.weights: dict[str, Tensor] = {}
        self.restart()

    def restart(self) -> None:
        """Begin anew with the weights as they are."""
        self.weights = {k: v.detach().clone() for k, v in self.net.state_dict().items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the weights after the step of that number."""
        decay = min(self.decay, (1 + step) / (10 + step)) if self.warm else self.decay
        own = self.net.state_dict()
        torch._foreach_lerp_([self.weights[k] for k in own], list(own.values()), 1 - decay)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Go on from saved weights; ``KeyError`` where one lacks."""
        self.weights = {k: weights[k].to(v) for k, v in self.weights.items()}
