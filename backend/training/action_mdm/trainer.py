"""Training of the action model: loss, cosine decay by epochs, resumable run folders."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ...diffusion.float32_ddpm import Float32DDPM
from ...errors import ArtifactError
from ...models.action_mdm import ActionMDM, ActionMDMConfig
from ...pipelines.action_mdm.pipeline import ActionMDMPipeline, ActionMDMPipelineConfig
from ...store import model_folder
from ...store.model_folder import Stats
from ..data.actions import ActionWindows, WindowBatch, WindowConfig
from ..run import STATE, append_row, load_state, resuming, save_torch, set_rate

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
    epochs: int = 300
    batch_size: int = 64
    lr: float = 1e-4
    final_lr: float = 1e-5
    weight_decay: float = 0.0
    velocity_weight: float = 10.0
    clip: float | None = None
    ema: float | None = None
    actions: list[str] | None = None
    min_clips: int = 10
    max_clips: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1:
            raise ValueError("epochs and batch_size must be at least 1")
        if not 0 <= self.final_lr <= self.lr or not math.isfinite(self.lr) or self.lr <= 0:
            raise ValueError(f"lr {self.lr} must be above zero and not below {self.final_lr}")
        if self.ema is not None and not 0 <= self.ema < 1:
            raise ValueError(f"ema {self.ema} must lie in [0, 1)")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


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


class ActionTrainer:
    """Trains an :class:`ActionMDM`; the run folder is a model folder at every save.

    Beside the model it holds ``train_config.json``, ``log.jsonl`` (one line per epoch) and
    ``state.pt`` (weights, optimiser, random state), from which a killed run goes on.
    """

    def __init__(
        self,
        run: Path,
        config: ActionTrainConfig,
        windows: ActionWindows,
        *,
        device: str = "cpu",
        precision: str = "fp32",
        details: dict[str, str] | None = None,
    ) -> None:
        self.run, self.config, self.windows = run, config, windows
        self.device = torch.device(device)
        self.autocast = torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=precision == "bf16"
        )
        self.details = details or {}
        torch.manual_seed(config.seed)
        self.net = ActionMDM(config.model).to(self.device)
        self.process = Float32DDPM(device=self.device)
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(), lr=config.lr, weight_decay=config.weight_decay
        )
        self.average = None if config.ema is None else copy.deepcopy(self.net).requires_grad_(False)
        self.epoch = 0
        self.elapsed = 0.0

    def start_from(self, folder: Path) -> None:
        """Begin with the weights of a model folder of the same network."""
        model_folder.load_weights(self.net, folder / model_folder.WEIGHTS)
        if self.average is not None:
            self.average.load_state_dict(self.net.state_dict())

    # ------------------------------------------------------------------ one step

    def losses(self, batch: WindowBatch, t: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Position and velocity loss of a batch noised to ``t`` with ``noise``."""
        x_t = self.process.add_noise(batch.x, noise, t)
        with self.autocast:
            predicted = self.net(x_t, t, {"action": batch.actions})
        return motion_losses(predicted.float(), batch.x, batch.mask)

    def train_step(self, batch: WindowBatch) -> dict[str, float]:
        """One optimiser step with random steps and noise from torch's generator."""
        batch = WindowBatch(
            batch.x.to(self.device),
            batch.actions.to(self.device),
            None if batch.mask is None else batch.mask.to(self.device),
        )
        t = torch.randint(0, self.process.steps, (len(batch.x),), device=self.device)
        position, velocity = self.losses(batch, t, torch.randn_like(batch.x))
        loss = position + self.config.velocity_weight * velocity
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.config.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.config.clip)
        self.optimizer.step()
        self._update_average()
        return {"loss": loss.item(), "position": position.item(), "velocity": velocity.item()}

    @torch.no_grad()
    def _update_average(self) -> None:
        if self.average is None or self.config.ema is None:
            return
        for kept, now in zip(self.average.parameters(), self.net.parameters(), strict=True):
            kept.lerp_(now, 1.0 - self.config.ema)

    def learning_rate(self) -> float:
        """Of the present epoch."""
        c = self.config
        cosine = 0.5 * (1 + math.cos(math.pi * self.epoch / c.epochs))
        return c.final_lr + (c.lr - c.final_lr) * cosine

    # ------------------------------------------------------------------ the run

    def fit(
        self,
        *,
        minutes: float | None = None,
        save_every: int = 10,
        on_step: Callable[[int, int, float], None] | None = None,
        on_epoch: Callable[[int, dict[str, float]], None] | None = None,
    ) -> bool:
        """Train to the last epoch, or until ``minutes`` of this call are over.

        Args:
            save_every: epochs between saves; the end is always saved.
            on_step: ``on_step(batch, batches, loss)``.
            on_epoch: ``on_epoch(epochs_done, mean_losses)``.

        Returns:
            Whether the run is complete.

        Raises:
            ArtifactError: the loss is not finite any more (nothing is saved then).
        """
        began = time.monotonic()
        while self.epoch < self.config.epochs:
            losses = self._one_epoch(on_step)
            self._log(losses)
            if on_epoch is not None:
                on_epoch(self.epoch, losses)
            out_of_time = minutes is not None and time.monotonic() - began > 60 * minutes
            if self.epoch % save_every == 0 or self.epoch == self.config.epochs or out_of_time:
                self.save()
            if out_of_time:
                break
        return self.epoch >= self.config.epochs

    def _one_epoch(self, on_step: Callable[[int, int, float], None] | None) -> dict[str, float]:
        started = time.monotonic()
        rate = self.learning_rate()
        set_rate(self.optimizer, rate)
        self.net.train()
        totals: dict[str, float] = {}
        batches = self.windows.epoch(self.config.batch_size)
        for number, indices in enumerate(batches):
            parts = self.train_step(self.windows.batch(indices))
            if not math.isfinite(parts["loss"]):
                raise ArtifactError(
                    f"The loss of epoch {self.epoch + 1} is {parts['loss']}: training diverged.",
                    "Start again with a smaller --lr.",
                )
            for name, value in parts.items():
                totals[name] = totals.get(name, 0.0) + value / len(batches)
            if on_step is not None:
                on_step(number + 1, len(batches), parts["loss"])
        self.net.eval()
        self.epoch += 1
        self.elapsed += time.monotonic() - started
        return {**totals, "lr": rate}

    def _log(self, losses: dict[str, float]) -> None:
        row = {"epoch": self.epoch, "minutes": round(self.elapsed / 60, 2), **losses}
        append_row(self.run, row)

    def pipeline(self) -> ActionMDMPipeline:
        """A copy of the model as it is now; random numbers are not touched."""
        net = copy.deepcopy(self.net if self.average is None else self.average)
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

    def save(self) -> None:
        """Write the model folder and the state to go on from."""
        self.pipeline().write(self.run)
        model_folder.write_json(self.run / TRAIN_CONFIG, self.config.to_dict())
        state = {
            "epoch": self.epoch,
            "elapsed": self.elapsed,
            "net": self.net.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(),
            "windows": self.windows.generator.get_state(),
            "mean": self.windows.mean,
            "std": self.windows.std,
        }
        save_torch(self.run / STATE, state)

    def resume(self) -> None:
        """Go on from ``state.pt``; :class:`ArtifactError` if it is missing or does not fit."""
        with resuming(self.run / STATE):
            state = load_state(self.run)
            self.net.load_state_dict(state["net"])
            if self.average is not None:
                self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            torch.set_rng_state(state["random"])
            self.windows.generator.set_state(state["windows"])
            self.windows.mean, self.windows.std = state["mean"], state["std"]
            self.epoch, self.elapsed = int(state["epoch"]), float(state["elapsed"])
