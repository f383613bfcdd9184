"""The diffusion trainer: mixed precision, EMA, wall-clock or step budget, resumable."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...diffusion.schedule import Schedule
from ...errors import InvalidRequest
from ...models.dit import DiT, DiTConfig
from ...motion.io.atomic import atomic_path
from ...pipelines.dit.vocabulary import FILE as VOCABULARY
from ...pipelines.dit.vocabulary import Vocabulary
from ...store.model_folder import (
    CONFIG,
    WEIGHTS,
    config_from_dict,
    load_tensors,
    load_weights,
    read_json,
)
from ...text.actions import ACTION_WORDS
from ..data.batches import Batch, BatchSampler, SamplingConfig
from ..data.conditioned import ConditionedSampler
from ..run import (
    STATE,
    append_row,
    load_state,
    resuming,
    save_torch,
    set_rate,
    share_spent,
    warm_cosine,
)
from .conditions import ConditionConfig, condition_of
from .losses import LossConfig, motion_loss
from .state import TooManyBadSteps, keep_older, rows_by_name


@dataclass(frozen=True)
class TrainConfig:
    """One training run. The budget is ``minutes`` if given, else ``steps``.

    The learning rate warms up over ``warmup`` steps and then follows a cosine over the budget,
    counted over all resumed parts of the run. Time steps are drawn as ``1 - u ** timestep_power``:
    1 is uniform; above 1 the noisiest steps come more often. Whole clips are so redundant that
    only the noisiest few percent leave the text anything to decide. ``drop_words`` rows lose their
    action words, so that a wording without any is understood too. ``hold`` is the share of the
    budget before the learning rate begins to fall. ``conditioned`` gives the network the tokens,
    labels, styles and controls of the dataset's vocabulary, kept from it as ``condition`` says.
    """

    model: DiTConfig = field(default_factory=DiTConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    conditioned: bool = False
    condition: ConditionConfig = field(default_factory=ConditionConfig)
    schedule_kind: str = "cosine"
    schedule_steps: int = 1000
    timestep_power: float = 2.5
    lr: float = 8e-4
    final_lr: float = 0.02
    hold: float = 0.0
    warmup: int = 300
    weight_decay: float = 0.01
    clip: float = 1.0
    ema: float = 0.999
    drop_condition: float = 0.1
    sentence_noise: float = 0.01
    drop_words: float = 0.15
    steps: int = 20000
    minutes: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.model.action_words not in (0, len(ACTION_WORDS)):
            raise InvalidRequest(
                f"model.action_words is {self.model.action_words}; there are {len(ACTION_WORDS)} "
                "action words.",
                f"Use {len(ACTION_WORDS)}, or 0 for none.",
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any], where: str = CONFIG) -> TrainConfig:
        """Rebuild from JSON values that came from ``where``.

        Raises:
            ArtifactError: an unknown or ill-typed entry, or a network that cannot be built.
            InvalidRequest: other action words than there are.
        """
        return config_from_dict(cls, values, where)


class Trainer:
    """Trains a :class:`DiT` on a :class:`BatchSampler`; keeps everything in a run directory.

    ``config.json`` and ``state.pt`` (weights, EMA, optimiser, progress) are replaced together at
    every save, so a run that is killed goes on from its last save.
    """

    def __init__(
        self,
        run: Path,
        config: TrainConfig,
        sampler: BatchSampler,
        *,
        device: str = "cpu",
        precision: str = "bf16",
    ) -> None:
        self.run, self.config, self.sampler = run, config, sampler
        self.device = torch.device(device)
        self.autocast = torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=precision == "bf16"
        )
        torch.manual_seed(config.seed)
        self.net = DiT(config.model).to(self.device)
        self.ema = {k: v.detach().clone() for k, v in self.net.state_dict().items()}
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(),
            lr=config.lr,
            betas=(0.9, 0.98),
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.schedule = Schedule(config.schedule_kind, config.schedule_steps)
        self.alphas_bar = self.schedule.alphas_bar.float().to(self.device)
        self.mean = torch.as_tensor(sampler.mean, device=self.device)
        self.std = torch.as_tensor(sampler.std, device=self.device)
        self.generator = torch.Generator(self.device).manual_seed(config.seed)
        self.vocabulary = getattr(sampler, "vocabulary", None)
        self.step = 0
        self.elapsed = 0.0
        self.refused = TooManyBadSteps()

    # ------------------------------------------------------------------ one step

    def progress(self) -> float:
        """Share of the budget that is spent, 0..1."""
        c = self.config
        return share_spent(self.step, self.elapsed, steps=c.steps, minutes=c.minutes)

    def _learning_rate(self) -> float:
        c = self.config
        falling = max(0.0, self.progress() - c.hold) / max(1e-9, 1.0 - c.hold)
        return warm_cosine(self.step, falling, lr=c.lr, warmup=c.warmup, final=c.final_lr)

    def train_step(self) -> dict[str, float]:
        """One optimiser step on the next batch; returns the loss parts."""
        batch = self.sampler.next()
        x0 = torch.from_numpy(batch.x).to(self.device)
        lengths = torch.from_numpy(batch.lengths).to(self.device)
        timesteps = self._draw_timesteps(len(x0))
        noise = torch.randn(x0.shape, device=self.device, generator=self.generator)
        y = self._condition(batch)
        mask = torch.arange(x0.shape[1], device=self.device) < lengths[:, None]
        with self.autocast:
            predicted = self.net(self.schedule.q_sample(x0, timesteps, noise), timesteps, y)
        loss, parts = motion_loss(
            predicted.float(),
            x0,
            mask,
            self.alphas_bar[timesteps],
            self.mean,
            self.std,
            self.config.loss,
        )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.config.clip)
        set_rate(self.optimizer, self._learning_rate())
        if self.refused.unless(bool(torch.isfinite(norm)) and bool(torch.isfinite(loss))):
            self.optimizer.step()
            self._update_ema()
        self.step += 1
        return {"loss": float(loss.detach()), "grad": float(norm), **parts}

    def _condition(self, batch: Batch) -> dict[str, Tensor]:
        """What the network is told about a batch; some rows are told nothing."""
        c, rows = self.config, len(batch.x)
        if batch.wishes:
            y = condition_of(batch, c.condition, self.generator)
        else:
            sentence = torch.from_numpy(batch.sentence).to(self.device)
            noise = torch.randn(sentence.shape, device=self.device, generator=self.generator)
            y = {
                "lengths": torch.from_numpy(batch.lengths).to(self.device),
                "sentence": sentence + c.sentence_noise * noise,
                "sides": torch.from_numpy(batch.sides).to(self.device),
                "actions": torch.from_numpy(batch.actions).to(self.device),
            }
        kept = torch.rand(rows, 1, device=self.device, generator=self.generator) >= c.drop_words
        y["actions"] = y["actions"] * kept
        chance = torch.rand(rows, device=self.device, generator=self.generator)
        y["drop"] = chance < c.drop_condition
        return y

    def _draw_timesteps(self, rows: int) -> Tensor:
        steps = self.config.schedule_steps
        uniform = torch.rand(rows, device=self.device, generator=self.generator)
        noisy = 1.0 - uniform**self.config.timestep_power
        return (noisy * steps).long().clamp_(0, steps - 1)

    @torch.no_grad()
    def _update_ema(self) -> None:
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))
        own = self.net.state_dict()
        torch._foreach_lerp_([self.ema[k] for k in own], list(own.values()), 1 - decay)

    # ------------------------------------------------------------------ the run

    def fit(
        self,
        *,
        save_every: float = 300.0,
        on_step: Callable[[int, float, dict[str, float]], None] | None = None,
    ) -> None:
        """Train until the budget is spent, saving every ``save_every`` seconds."""
        last, saved = time.monotonic(), time.monotonic()
        running: dict[str, float] = {}
        while self.progress() < 1.0:
            parts = self.train_step()
            now = time.monotonic()
            self.elapsed += now - last
            last = now
            for name, value in parts.items():
                running[name] = running.get(name, value) + 0.02 * (value - running.get(name, value))
            if on_step is not None:
                on_step(self.step, self.progress(), running)
            if self.step % 50 == 0:
                self._log(running)
            if now - saved > save_every:
                self.save()
                saved = time.monotonic()
        self.save()

    def _log(self, parts: dict[str, float]) -> None:
        row = {"step": self.step, "minutes": round(self.elapsed / 60, 2)}
        row |= {k: round(v, 5) for k, v in parts.items()}
        append_row(self.run, row)

    def save(self) -> None:
        """Write ``config.json`` and ``state.pt``; the states before it stay as ``state-1.pt``, ...

        Raises:
            ArtifactError: a weight is not finite; what was saved before stays.
        """
        self.refused.check_weights(self.ema)
        self.run.mkdir(parents=True, exist_ok=True)
        with atomic_path(self.run / "config.json") as temporary:
            Path(temporary).write_text(json.dumps(self.config.to_dict(), indent=1), "utf-8")
        state = {
            "step": self.step,
            "elapsed": self.elapsed,
            "net": self.net.state_dict(),
            "ema": self.ema,
            "optimizer": self.optimizer.state_dict(),
            "mean": self.mean.cpu(),
            "std": self.std.cpu(),
            "random": self.generator.get_state(),
        }
        if isinstance(self.sampler, ConditionedSampler):
            state["sampler"] = self.sampler.state()
        if self.vocabulary is not None:
            self.vocabulary.save(self.run)
        keep_older(self.run)
        save_torch(self.run / STATE, state)

    def start_from(self, folder: Path) -> None:
        """Begin with the weights of a model folder, labels and styles by their names.

        Raises:
            ArtifactError: the weights do not fit.
        """
        own = Vocabulary.load(folder) if (folder / VOCABULARY).is_file() else None
        if own is None or self.vocabulary is None:
            load_weights(self.net, folder / WEIGHTS)
        else:
            rows_by_name(self.net, load_tensors(folder / WEIGHTS), own, self.vocabulary)
        self.ema = {k: v.detach().clone() for k, v in self.net.state_dict().items()}

    def resume(self) -> None:
        """Go on from ``state.pt``; :class:`ArtifactError` if it is missing or of another shape."""
        with resuming(self.run / STATE):
            state = load_state(self.run)
            self.net.load_state_dict(state["net"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.ema = {k: v.to(self.device) for k, v in state["ema"].items()}
            self.step, self.elapsed = int(state["step"]), float(state["elapsed"])
            if "random" in state:
                self.generator.set_state(state["random"])
            if "sampler" in state and isinstance(self.sampler, ConditionedSampler):
                self.sampler.restore(state["sampler"])


def ema_weights(run: Path) -> tuple[TrainConfig, dict[str, Tensor], Tensor, Tensor]:
    """Configuration, averaged weights, mean and std of a run directory."""
    state = load_state(run)
    config = TrainConfig.from_dict(read_json(run / CONFIG), str(run / CONFIG))
    return config, state["ema"], state["mean"], state["std"]
