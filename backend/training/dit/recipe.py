"""Training of the diffusion transformer on a dataset folder, plain or conditioned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...diffusion.schedule import Schedule
from ...errors import InvalidRequest
from ...models.dit import DiT, DiTConfig
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
from ...store.options import option
from ...text.actions import ACTION_WORDS
from ...wire import limits
from ..data.batches import Batch, BatchSampler, SamplingConfig
from ..recipe import Average, Recipe, Setting, Sources
from ..run import RunFolder, load_state, warm_cosine
from .conditions import ConditionConfig, condition_of
from .losses import LossConfig, motion_loss
from .setup import sampler_for
from .weights import rows_by_name


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
    lr: float = option(8e-4, "learning rate", above=0, high=1.0)
    final_lr: float = 0.02
    hold: float = 0.0
    warmup: int = 300
    weight_decay: float = 0.01
    clip: float = 1.0
    ema: float = 0.999
    drop_condition: float = 0.1
    sentence_noise: float = 0.01
    drop_words: float = 0.15
    steps: int = option(20000, "step budget", low=1, high=10**9)
    minutes: float | None = option(None, "wall-clock budget", above=0, high=10.0**6)
    save_minutes: float = option(
        5.0, "minutes between two saves", flags=("--save-every",), metavar="MINUTES", above=0
    )
    seed: int = option(0, "of weights and batches", low=limits.MIN_SEED, high=limits.MAX_SEED)

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


@dataclass(frozen=True)
class DiTSources(Sources):
    """Where the data are, and what the training begins with."""

    init: Path | None = option(None, "model folder to start from (same network)")


class DiTRecipe(Recipe):
    """A :class:`DiT` on a :class:`BatchSampler`, with averaged weights."""

    about = "train a diffusion transformer on a dataset folder"
    config_class, sources_class = TrainConfig, DiTSources
    precisions = ("bf16", "fp32")
    patience = 20

    def __init__(
        self,
        config: TrainConfig,
        sampler: BatchSampler,
        *,
        device: str | torch.device = "cpu",
        precision: str = "bf16",
    ) -> None:
        super().__init__(config, device=device, precision=precision)
        self.sampler = sampler
        self.net: DiT = DiT(config.model).to(self.device)
        self.average = Average(self.net, config.ema, warm=True)
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
        self.vocabulary: Vocabulary | None = getattr(sampler, "vocabulary", None)
        self.save_seconds = 60 * config.save_minutes

    @classmethod
    def open(cls, config: TrainConfig, sources: DiTSources, setting: Setting) -> DiTRecipe:
        """Read the dataset folder and build the network for its vocabulary."""
        config, sampler = sampler_for(
            config, sources.data, setting.run, init=sources.init, resume=setting.resume
        )
        made = cls(config, sampler, device=setting.device, precision=setting.precision)
        made.summary = f"{len(sampler.items)} training items"
        return made

    @classmethod
    def folder(cls, path: Path) -> RunFolder:
        """The vocabulary lies beside the configuration."""
        return RunFolder(path, also=(VOCABULARY,))

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
        self.average = Average(self.net, self.config.ema, warm=True)

    # ------------------------------------------------------------------ one step

    def rate(self, step: int, share: float) -> float:
        """Warm-up, then as it is for a share of the budget, then a cosine."""
        c = self.config
        falling = max(0.0, share - c.hold) / max(1e-9, 1.0 - c.hold)
        return warm_cosine(step, falling, lr=c.lr, warmup=c.warmup, final=c.final_lr)

    def batch(self, step: int) -> Batch:
        """The next batch of the stream."""
        return self.sampler.next()

    def step(self, batch: Batch) -> dict[str, Tensor | float]:
        """Loss of a batch at random noise levels, and its parts."""
        x0 = torch.from_numpy(batch.x).to(self.device)
        lengths = torch.from_numpy(batch.lengths).to(self.device)
        timesteps = self._draw_timesteps(len(x0))
        noise = torch.randn(x0.shape, device=self.device, generator=self.generator)
        y = self._condition(batch)
        mask = torch.arange(x0.shape[1], device=self.device) < lengths[:, None]
        with self.autocast():
            predicted = self.model(self.schedule.q_sample(x0, timesteps, noise), timesteps, y)
        loss, parts = motion_loss(
            predicted.float(),
            x0,
            mask,
            self.alphas_bar[timesteps],
            self.mean,
            self.std,
            self.config.loss,
        )
        return {"loss": loss, **parts}

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

    # ------------------------------------------------------------------ the run

    def write(self, folder: Path, step: int) -> None:
        """The vocabulary of a conditioned network."""
        if self.vocabulary is not None:
            self.vocabulary.save(folder)

    def state(self) -> dict[str, Any]:
        """Statistics, the random numbers of steps, and where the stream of batches is."""
        return {
            "mean": self.mean.cpu(),
            "std": self.std.cpu(),
            "random": self.generator.get_state(),
            "sampler": self.sampler.state(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """The inverse; what an older version did not save begins anew."""
        if "random" in state:
            self.generator.set_state(state["random"])
        if "sampler" in state:
            self.sampler.restore(state["sampler"])


def ema_weights(run: Path) -> tuple[TrainConfig, dict[str, Tensor], Tensor, Tensor]:
    """Configuration, averaged weights, mean and std of a run directory."""
    state = load_state(run)
    config = TrainConfig.from_dict(read_json(run / CONFIG), str(run / CONFIG))
    return config, state["ema"], state["mean"], state["std"]
