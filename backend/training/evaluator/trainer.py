"""Training of the bundled evaluator: a contrastive text and motion encoder on a dataset folder."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F

from ...evaluation.evaluators.parts.starter_network import SentenceTMR, TMRConfig
from ...motion.io.atomic import atomic_path
from ..data.batches import Batch, BatchSampler
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
from . import contrastive


@dataclass(frozen=True)
class TMRTrainConfig:
    """One run; loss weights as TMR's, the contrastive one larger because the data are few."""

    model: TMRConfig = field(default_factory=TMRConfig)
    lr: float = 4e-4
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
    minutes: float = 10.0
    seed: int = 0


class TMRTrainer:
    """Trains a :class:`SentenceTMR`; ``state.pt`` in the run directory resumes it."""

    def __init__(self, run: Path, config: TMRTrainConfig, sampler: BatchSampler) -> None:
        torch.manual_seed(config.seed)
        self.run, self.config, self.sampler = run, config, sampler
        self.net = SentenceTMR(config.model)
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(), lr=config.lr, weight_decay=config.weight_decay, fused=True
        )
        self.step, self.elapsed = 0, 0.0

    def progress(self) -> float:
        """Share of the time that is spent, 0..1."""
        return share_spent(self.step, self.elapsed, steps=0, minutes=self.config.minutes)

    def loss(self, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        """Loss of a batch and its parts."""
        c = self.config
        x, lengths = torch.from_numpy(batch.x), torch.from_numpy(batch.lengths)
        sentence = torch.from_numpy(batch.sentence)
        noisy = sentence + c.sentence_noise * torch.randn_like(sentence)
        labels = torch.from_numpy(batch.labels)
        tokens, mask = self.net.tokens(x, lengths)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            motion, motion_var = self.net.motion(tokens, mask)
            text, text_var = self.net.embed_text(noisy, torch.from_numpy(batch.sides))
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
        total = torch.stack(list(parts.values())).sum()
        return total, {name: float(value.detach()) for name, value in parts.items()}

    def fit(self, on_step: Callable[[int, float, dict[str, float]], None] | None = None) -> None:
        """Train until the time is spent."""
        last = saved = time.monotonic()
        c = self.config
        while self.progress() < 1.0:
            loss, parts = self.loss(self.sampler.next())
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
            rate = warm_cosine(self.step, self.progress(), lr=c.lr, warmup=c.warmup)
            set_rate(self.optimizer, rate)
            self.optimizer.step()
            self.step += 1
            now = time.monotonic()
            self.elapsed += now - last
            last = now
            if on_step is not None:
                on_step(self.step, self.progress(), parts)
            if self.step % 20 == 0:
                self._log(parts)
            if now - saved > 120:
                self.save()
                saved = now
        self.save()

    def _log(self, parts: dict[str, float]) -> None:
        row = {"step": self.step, "minutes": round(self.elapsed / 60, 2)} | {
            name: round(value, 5) for name, value in parts.items()
        }
        append_row(self.run, row)

    def save(self) -> None:
        """Write ``config.json`` and ``state.pt``."""
        self.run.mkdir(parents=True, exist_ok=True)
        with atomic_path(self.run / "config.json") as temporary:
            Path(temporary).write_text(json.dumps(asdict(self.config), indent=1), "utf-8")
        state = {
            "step": self.step,
            "elapsed": self.elapsed,
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        save_torch(self.run / STATE, state)

    def resume(self) -> None:
        """Go on from ``state.pt``; :class:`ArtifactError` if it is missing or does not fit."""
        with resuming(self.run / STATE):
            state = load_state(self.run)
            self.net.load_state_dict(state["net"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.elapsed = int(state["step"]), float(state["elapsed"])
