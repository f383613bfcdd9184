"""Training of the action model: loss, cosine decay by epochs, resumable run folders."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ...diffusion.float32_ddpm import Float32DDPM
from ...models.action_mdm import ActionMDM, ActionMDMConfig
from ...pipelines.action_mdm.pipeline import CONFIG, ActionMDMPipeline, ActionMDMPipelineConfig
from ...store.model_folder import STATS, WEIGHTS, Stats, load_weights
from ...store.options import option
from ...wire import limits
from ..data import actions as action_data
from ..data.actions import ActionWindows, WindowBatch, WindowConfig
from ..recipe import Average, Recipe, Setting, Sources
from ..run import RunFolder

TRAIN_CONFIG = "train_config.json"


@dataclass(frozen=True)
class ActionTrainConfig:
    """One run; the defaults are the published recipe but for its 30,000 epochs.

    The learning rate follows a cosine from ``lr`` to ``final_lr``, one value per epoch. ``clip``
    bounds the gradient norm; None leaves it, as released. ``ema`` is the decay of a running average
    of the weights, which is then the model that is saved; None saves the weights themselves, as
    released. ``actions``, ``min_clips`` and
    ``max_clips`` say which clips of a dataset folder are trained on (:func:`action_data.load`).
    """

    model: ActionMDMConfig = field(default_factory=ActionMDMConfig)
    windows: WindowConfig = field(default_factory=WindowConfig)
    epochs: int = option(300, "passes over the clips", low=1, high=10**7)
    batch_size: int = option(64, "clips in a step", low=1, high=100_000)
    lr: float = option(1e-4, "learning rate at the start", above=0, high=1.0)
    final_lr: float | None = option(
        None, "learning rate at the end (default: a tenth)", metavar="LR", low=0, high=1.0
    )
    weight_decay: float = 0.0
    velocity_weight: float = 10.0
    clip: float | None = None
    ema: float | None = option(None, "decay of averaged weights (default: none)", low=0, high=1)
    actions: list[str] | None = option(None, "only these actions", metavar="NAME")
    min_clips: int = option(10, "leave out actions with fewer clips", low=1, high=10**6)
    max_clips: int | None = option(None, "take at most this many of an action", low=1, high=10**6)
    minutes: float | None = option(None, "stop (and save) after this long", above=0, high=10.0**6)
    save_every: int = option(10, "epochs between two saves", low=1, high=10**7)
    seed: int = option(0, "of weights and batches", low=limits.MIN_SEED, high=limits.MAX_SEED)

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1:
            raise ValueError("epochs and batch_size must be at least 1")
        if not math.isfinite(self.lr) or self.lr <= 0 or not 0 <= self.last_lr <= self.lr:
            raise ValueError(f"lr {self.lr} must be above zero and not below {self.final_lr}")
        if self.ema is not None and not 0 <= self.ema < 1:
            raise ValueError(f"ema {self.ema} must lie in [0, 1)")

    @property
    def last_lr(self) -> float:
        """Learning rate at the end; the published ratio where none is given."""
        return 0.1 * self.lr if self.final_lr is None else self.final_lr


def motion_losses(
    predicted: Tensor, x0: Tensor, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Mean squared error of the frames and of their differences in time.

    Args:
        predicted, x0: ``[B, F, D]``, normalised.
        mask: ``[B, F]`` bool, True on frames that count.
    """
    velocity, target = predicted.diff(dim=1), x0.diff(dim=1)
    if mask is None:
        return functional.mse_loss(predicted, x0), functional.mse_loss(velocity, target)
    steps = mask[:, 1:] & mask[:, :-1]
    return _masked(predicted - x0, mask), _masked(velocity - target, steps)


def _masked(error: Tensor, mask: Tensor) -> Tensor:
    weight = mask[..., None].to(error.dtype)
    return (error.square() * weight).sum() / (weight.sum() * error.shape[-1]).clamp(min=1)


@dataclass(frozen=True)
class ActionSources(Sources):
    """Where the clips are, and what the training begins with."""

    data: Path = option(help="dataset folder, or humanact12poses.pkl")
    init: Path | None = option(None, "model folder to start from (same network)")
    plot: Path | None = option(None, "draw the loss curve at the end", metavar="PNG")


class ActionRun(RunFolder):
    """A run folder that is a model folder at every save."""

    config_name = TRAIN_CONFIG


class ActionRecipe(Recipe):
    """Passes over windows of the clips, a line of the log for each."""

    about = "train an action-conditioned MDM from scratch"
    form = "joints"
    other_forms = {"rotations": "..mdm.smpl_actions:RotationRecipe"}  # noqa: RUF012
    config_class, sources_class = ActionTrainConfig, ActionSources
    precisions = ("fp32", "bf16")
    one_budget = False
    save_seconds = None

    def __init__(
        self,
        config: ActionTrainConfig,
        windows: ActionWindows,
        *,
        device: str | torch.device = "cpu",
        precision: str = "fp32",
        details: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(config, device=device, precision=precision)
        self.windows, self.details = windows, dict(details or {})
        self.net: ActionMDM = ActionMDM(config.model).to(self.device)
        self.process = Float32DDPM(device=self.device)
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(), lr=config.lr, weight_decay=config.weight_decay
        )
        self.average = None if config.ema is None else Average(self.net, config.ema)
        self.pass_steps = math.ceil(len(windows) / config.batch_size)
        self.log_steps = self.pass_steps
        self.save_steps = config.save_every * self.pass_steps
        self._order: list[list[int]] = []

    @classmethod
    def open(
        cls, config: ActionTrainConfig, sources: ActionSources, setting: Setting
    ) -> ActionRecipe:
        """Read the clips and build the network for their actions."""
        data = action_data.load(
            sources.data,
            actions=config.actions,
            min_clips=config.min_clips,
            max_clips=config.max_clips,
        )
        model = replace(config.model, num_actions=len(data.actions))
        config = replace(config, model=model, actions=list(data.actions))
        windows = ActionWindows(data, config.windows, config.seed)
        made = cls(config, windows, device=setting.device, precision=setting.precision)
        made.summary = f"{len(windows)} clips, {len(data.actions)} actions"
        return made

    def start_from(self, folder: Path) -> None:
        """Begin with the weights of a model folder of the same network."""
        load_weights(self.net, folder / WEIGHTS)
        if self.average is not None:
            self.average.restart()

    # ------------------------------------------------------------------ one step

    def losses(self, batch: WindowBatch, t: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Position and velocity loss of a batch noised to ``t`` with ``noise``."""
        x_t = self.process.add_noise(batch.x, noise, t)
        with self.autocast():
            predicted = self.model(x_t, t, {"action": batch.actions})
        return motion_losses(predicted.float(), batch.x, batch.mask)

    def batch(self, step: int) -> WindowBatch:
        """The next windows; the order of a pass is drawn at its beginning."""
        place = step % self.pass_steps
        if place == 0:
            self._order = self.windows.epoch(self.config.batch_size)
        return self.windows.batch(self._order[place])

    def step(self, batch: WindowBatch) -> dict[str, Tensor]:
        """The losses with random steps and noise from torch's generator."""
        batch = WindowBatch(
            batch.x.to(self.device),
            batch.actions.to(self.device),
            None if batch.mask is None else batch.mask.to(self.device),
        )
        t = torch.randint(0, self.process.steps, (len(batch.x),), device=self.device)
        position, velocity = self.losses(batch, t, torch.randn_like(batch.x))
        loss = position + self.config.velocity_weight * velocity
        return {"loss": loss, "position": position, "velocity": velocity}

    def rate(self, step: int, share: float) -> float:
        """A cosine, one value for each pass."""
        c = self.config
        cosine = 0.5 * (1 + math.cos(math.pi * (step // self.pass_steps) / c.epochs))
        return c.last_lr + (c.lr - c.last_lr) * cosine

    # ------------------------------------------------------------------ the run

    def share(self, step: int, elapsed: float) -> float:
        """Of the passes."""
        return min(1.0, step / (self.pass_steps * self.config.epochs))

    def may_pause(self, step: int) -> bool:
        """Between two passes."""
        return step % self.pass_steps == 0

    def described(self, step: int) -> dict[str, float]:
        """The passes done, and the learning rate of the last one."""
        return {"epoch": step // self.pass_steps, "lr": self.rate(step - 1, 0.0)}

    @classmethod
    def folder(cls, path: Path) -> ActionRun:
        """``train_config.json`` beside the model's own."""
        return ActionRun(path, also=(CONFIG, WEIGHTS, STATS))

    def pipeline(self) -> ActionMDMPipeline:
        """A copy of the model as it is now; random numbers are not touched."""
        net = copy.deepcopy(self.net)
        if self.average is not None:
            net.load_state_dict(self.average.weights)
        w = self.windows
        config = ActionMDMPipelineConfig(
            self.config.model,
            w.actions,
            coordinates=w.config.coordinates,
            fps=w.fps,
            num_frames=w.config.num_frames,
            **self.details,  # type: ignore[arg-type]
        )
        return ActionMDMPipeline(config, net, Stats(w.mean, w.std), device=self.device)

    def write(self, folder: Path, step: int) -> None:
        """The model for use."""
        self.pipeline().write(folder)

    def state(self) -> dict[str, Any]:
        """Where the drawing of windows is, and their statistics."""
        w = self.windows
        return {
            "windows": w.generator.get_state(),
            "mean": w.mean,
            "std": w.std,
            "order": self._order,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """The windows go on where they were."""
        self.windows.generator.set_state(state["windows"])
        self.windows.mean, self.windows.std = state["mean"], state["std"]
        self._order = state.get("order", [])
