"""Training of the bundled evaluator: a contrastive text and motion encoder on a dataset folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...evaluation.evaluators.parts.starter_network import SentenceTMR, TMRConfig
from ...store.new_folder import check_free
from ...store.options import option
from ...wire import limits
from ..data import text_cache
from ..data.batches import Batch, BatchSampler, SamplingConfig, feature_statistics
from ..data.dataset import MotionDataset
from ..recipe import Recipe, Setting, Sources
from ..run import warm_cosine
from . import contrastive
from .export import export


@dataclass(frozen=True)
class TMRTrainConfig:
    """One run; loss weights as TMR's, the contrastive one larger because the data are few."""

    model: TMRConfig = field(default_factory=TMRConfig)
    frames: int = option(6000, "frames of a batch", low=1, high=10**7)
    lr: float = option(4e-4, "learning rate", above=0, high=1.0)
    warmup: int = 100
    weight_decay: float = 0.01
    temperature: float = 0.1
    reconstruction: float = 1.0
    kl: float = 1e-5
    latent: float = 1e-5
    contrastive: float = 0.5
    alike: float = 0.95
    """Sentences above this similarity ((cos + 1) / 2) are no negatives of each other."""
    sentence_noise: float = 0.01
    clip: float = 1.0
    steps: int | None = option(None, "step budget, when no --minutes", low=1, high=10**9)
    minutes: float | None = option(10.0, "wall-clock budget", above=0, high=10.0**6)
    seed: int = option(0, "of weights and batches", low=limits.MIN_SEED, high=limits.MAX_SEED)


@dataclass(frozen=True)
class TMRSources(Sources):
    """Where the data are, and where the evaluator goes at the end."""

    out: Path | None = option(None, "evaluator folder to write at the end")
    overwrite: bool = option(False, "replace an evaluator's folder that is there already")


class TMRRecipe(Recipe):
    """A text and a motion encoder that agree, with a decoder that keeps the motion in them."""

    about = "train a small text and motion encoder to evaluate with"
    config_class, sources_class = TMRTrainConfig, TMRSources
    fixed = ("model", "frames")
    precisions = ("bf16", "fp32")
    save_seconds = 120.0
    log_steps = 20

    def __init__(
        self,
        config: TMRTrainConfig,
        sampler: BatchSampler,
        *,
        device: str | torch.device = "cpu",
        precision: str = "bf16",
    ) -> None:
        super().__init__(config, device=device, precision=precision)
        self.sampler = sampler
        self.net: SentenceTMR = SentenceTMR(config.model).to(self.device)
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(), lr=config.lr, weight_decay=config.weight_decay, fused=True
        )
        self.sources: TMRSources | None = None

    @classmethod
    def open(cls, config: TMRTrainConfig, sources: TMRSources, setting: Setting) -> TMRRecipe:
        """Read the dataset folder and build the networks."""
        dataset = MotionDataset.load(sources.data)
        mean, std = feature_statistics(dataset)
        sampling = SamplingConfig(frames_per_batch=config.frames, crop=0.5)
        text = text_cache.load(sources.data)
        sampler = BatchSampler(dataset, text, mean, std, sampling, config.seed)
        made = cls(config, sampler, device=setting.device, precision=setting.precision)
        made.sources = sources
        made.summary = f"{len(sampler.items)} training items"
        return made

    @classmethod
    def configured(cls, config: TMRTrainConfig, sources: TMRSources) -> TMRTrainConfig:
        """As it is; a folder for the evaluator that is taken is refused."""
        if sources.out is not None:
            check_free(sources.out, overwrite=sources.overwrite)
        return config

    def rate(self, step: int, share: float) -> float:
        """Warm-up and a cosine to zero."""
        return warm_cosine(step, share, lr=self.config.lr, warmup=self.config.warmup)

    def batch(self, step: int) -> Batch:
        """The next batch of the stream."""
        return self.sampler.next()

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Loss of a batch and its parts, weighted."""
        c = self.config

        def on(values: np.ndarray) -> Tensor:
            return torch.from_numpy(values).to(self.device)

        x, lengths, sentence, labels = map(
            on, (batch.x, batch.lengths, batch.sentence, batch.labels)
        )
        noisy = sentence + c.sentence_noise * torch.randn_like(sentence)
        tokens, mask = self.net.tokens(x, lengths)
        with self.autocast():
            motion, motion_var = self.net.motion(tokens, mask)
            text, text_var = self.net.embed_text(noisy, on(batch.sides))
            motion, motion_var, text, text_var = (
                v.float() for v in (motion, motion_var, text, text_var)
            )
            draw = text + torch.randn_like(text) * (0.5 * text_var).exp()
            own = motion + torch.randn_like(motion) * (0.5 * motion_var).exp()
            both = self.net.decoder(torch.cat([own, draw]), torch.cat([mask, mask])).float()
        # the decoder's padded frames are 0 like the tokens' padding
        target = torch.cat([tokens, tokens]) * torch.cat([mask, mask])[..., None]
        zero = torch.zeros_like(motion)
        hidden = contrastive.alike(sentence, c.alike) | (labels[:, None] == labels)
        parts = {
            "reconstruction": c.reconstruction * F.smooth_l1_loss(both, target),
            "kl": c.kl
            * (
                contrastive.gaussian_kl(text, text_var, motion, motion_var)
                + contrastive.gaussian_kl(motion, motion_var, text, text_var)
                + contrastive.gaussian_kl(motion, motion_var, zero, zero)
                + contrastive.gaussian_kl(text, text_var, zero, zero)
            ),
            "latent": c.latent * F.smooth_l1_loss(text, motion),
            "contrastive": c.contrastive
            * contrastive.info_nce(text, motion, c.temperature, hidden),
        }
        return {"loss": torch.stack(list(parts.values())).sum(), **parts}

    def state(self) -> dict[str, Any]:
        """Where the stream of batches is."""
        return {"sampler": self.sampler.state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """The stream goes on where it was; with an older state it begins anew."""
        if "sampler" in state:
            self.sampler.restore(state["sampler"])

    def finish(self, folder: Path) -> None:
        """The evaluator for use, where it was asked for."""
        if self.sources is not None and self.sources.out is not None:
            sampler, seed = self.sampler, self.config.seed
            export(
                folder,
                sampler.dataset,
                sampler.mean,
                sampler.std,
                self.sources.out,
                seed=seed,
                overwrite=self.sources.overwrite,
            )
