"""Training of the motion tokenizer (:mod:`backend.models.motiongpt.vqvae`) on pose features.

The recipe of T2M-GPT (Zhang et al. 2023), which MotionGPT and MoMask share: random windows of 64
frames, smooth L1 on the features and once more on the joint positions, a commitment loss, and a
codebook that is averaged instead of trained.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from ...models.motiongpt.vqvae import MotionVQVAE, VQVAEConfig
from ...motion.representations import hml263
from ...store import model_folder
from ...store.model_folder import Stats
from ...store.new_folder import new_folder
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
from . import data as tokenizer_data
from .codebook import CodebookTrainer
from .data import FeatureClips

SPEC = hml263.SPEC
MODEL_FOLDER = "model"
"""Folder of a run that holds the tokenizer for use."""


@dataclass(frozen=True)
class TokenizerTrainConfig:
    """One training run. The budget is ``minutes`` if given, else ``steps``."""

    model: VQVAEConfig = field(default_factory=VQVAEConfig)
    window: int = 64
    batch: int = 256
    lr: float = 2e-4
    final_lr: float = 0.05
    warmup: int = 100
    weight_decay: float = 0.0
    clip: float = 1.0
    commit: float = 0.02
    joints: float = 0.5
    steps: int = 300_000
    minutes: float | None = None
    seed: int = 0
    eval_clips: int = 24
    eval_every: float = 60.0

    def __post_init__(self) -> None:
        if self.window < self.model.frames_per_token or self.batch < 1 or self.steps < 1:
            raise ValueError(f"window {self.window}, batch {self.batch}, steps {self.steps}")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Reconstruction:
    """How well clips come back from their tokens.

    Attributes:
        mpjpe_mm: mean distance of all joints in the world, mm.
        pose_mm: the same with each pose about its own pelvis and heading, mm.
        smooth_l1: of the normalised features.
        codes_used: different codes in the tokens.
    """

    mpjpe_mm: float
    pose_mm: float
    smooth_l1: float
    codes_used: int


@torch.inference_mode()
def reconstruct(net: MotionVQVAE, stats: Stats, clip: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A clip ``[T, 263]`` through its tokens; returns it (cut to whole tokens) and its copy."""
    clip = clip[: len(clip) - len(clip) % net.config.frames_per_token]
    device = next(net.parameters()).device
    x = stats.normalise(torch.from_numpy(clip).to(device))[None]
    return clip, stats.denormalise(net.decode(net.encode(x)))[0].cpu().numpy()


@torch.inference_mode()
def evaluate(net: MotionVQVAE, stats: Stats, clips: list[np.ndarray]) -> Reconstruction:
    """Reconstruction error over whole clips, each frame counting alike."""
    device = next(net.parameters()).device
    world, pose, loss, frames = 0.0, 0.0, 0.0, 0
    used: set[int] = set()
    for clip in clips:
        given, copy = reconstruct(net, stats, clip)
        used.update(
            net.encode(stats.normalise(torch.from_numpy(given).to(device))[None])[0].tolist()
        )
        joints = [hml263.decode_joints(x.astype(np.float64)) for x in (given, copy)]
        local = [x[:, SPEC.columns("joints")].reshape(len(x), -1, 3) for x in (given, copy)]
        count = len(given)
        world += count * float(np.linalg.norm(joints[0] - joints[1], axis=-1).mean())
        pose += count * float(np.linalg.norm(local[0] - local[1], axis=-1).mean())
        pair = [stats.normalise(torch.from_numpy(x)) for x in (given, copy)]
        loss += count * float(F.smooth_l1_loss(pair[1], pair[0]))
        frames += count
    return Reconstruction(1000 * world / frames, 1000 * pose / frames, loss / frames, len(used))


class TokenizerTrainer:
    """Trains in a run directory: config.json, state.pt, log.jsonl and the finished ``model``."""

    def __init__(
        self, run: Path, config: TokenizerTrainConfig, data: FeatureClips, device: str = "cpu"
    ) -> None:
        self.run, self.config, self.data = run, config, data
        self.device = torch.device(device)
        torch.manual_seed(config.seed)
        self.net = MotionVQVAE(config.model).to(self.device)
        self.codes = CodebookTrainer(self.net.quantizer)
        self.stats = Stats(torch.from_numpy(data.mean), torch.from_numpy(data.std))
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(),
            lr=config.lr,
            betas=(0.9, 0.99),
            weight_decay=config.weight_decay,
        )
        every = np.linspace(0, len(data.val) - 1, min(config.eval_clips, len(data.val)))
        self.checked = [data.val[int(i)] for i in every]
        self.step = 0
        self.elapsed = 0.0

    # ------------------------------------------------------------------ one step

    def progress(self) -> float:
        """Share of the budget that is spent, 0..1."""
        c = self.config
        return share_spent(self.step, self.elapsed, steps=c.steps, minutes=c.minutes)

    def _learning_rate(self) -> float:
        c = self.config
        return warm_cosine(self.step, self.progress(), lr=c.lr, warmup=c.warmup, final=c.final_lr)

    def _batch(self) -> torch.Tensor:
        c = self.config
        # of the step alone, so that a resumed run sees the batches it would have seen
        rng = np.random.default_rng([c.seed, self.step])
        x = tokenizer_data.windows(self.data.train, c.window, c.batch, rng)
        return self.stats.normalise(torch.from_numpy(x).to(self.device))

    def start_codes(self) -> None:
        """Place the codes on what the untrained encoder makes of the first batch."""
        if not self.codes.started:
            with torch.no_grad():
                self.codes.start(self.net.latents(self._batch()).flatten(0, 1))

    def train_step(self) -> dict[str, float]:
        """One optimiser step; returns the parts of the loss and the perplexity."""
        c = self.config
        self.start_codes()
        x = self._batch()
        latents = self.net.latents(x)
        flat = latents.flatten(0, 1)
        ids = self.net.quantizer.nearest(flat.detach())
        codes = self.net.quantizer.lookup(ids).view_as(latents)
        perplexity = self.codes.update(flat.detach(), ids)
        copy = self.net.decode_latents(latents + (codes - latents).detach())
        joints = SPEC.columns("joints")
        parts = {
            "features": F.smooth_l1_loss(copy, x),
            "joints": F.smooth_l1_loss(copy[..., joints], x[..., joints]),
            "commit": F.mse_loss(latents, codes.detach()),
        }
        loss = parts["features"] + c.joints * parts["joints"] + c.commit * parts["commit"]
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), c.clip)
        set_rate(self.optimizer, self._learning_rate())
        self.optimizer.step()
        self.step += 1
        values = {name: float(value.detach()) for name, value in parts.items()}
        return {"loss": float(loss.detach()), **values, "perplexity": perplexity}

    # ------------------------------------------------------------------ the run

    def evaluate(self) -> Reconstruction:
        """Reconstruction of the clips that are kept for checking."""
        return evaluate(self.net, self.stats, self.checked)

    def fit(
        self,
        *,
        save_every: float = 60.0,
        on_step: Callable[[int, float, dict[str, float]], None] | None = None,
    ) -> None:
        """Train until the budget is spent, saving and checking on the way."""
        if self.step == 0:
            self.start_codes()
            self._log({}, self.evaluate())
        last = saved = checked = time.monotonic()
        parts: dict[str, float] = {}
        while self.progress() < 1.0:
            parts = self.train_step()
            now = time.monotonic()
            self.elapsed += now - last
            if on_step is not None:
                on_step(self.step, self.progress(), parts)
            if now - checked > self.config.eval_every:
                self._log(parts, self.evaluate())
                checked = time.monotonic()
            if now - saved > save_every:
                self.save()
                saved = time.monotonic()
            last = time.monotonic()
        self._log(parts, self.evaluate())
        self.save()
        self.export()

    def _log(self, parts: dict[str, float], found: Reconstruction) -> None:
        row = {"step": self.step, "minutes": round(self.elapsed / 60, 3)}
        row |= {name: round(value, 5) for name, value in {**parts, **asdict(found)}.items()}
        append_row(self.run, row)

    def save(self) -> None:
        """Write ``config.json`` and ``state.pt``."""
        model_folder.write_json(self.run / model_folder.CONFIG, self.config.to_dict())
        state = {
            "step": self.step,
            "elapsed": self.elapsed,
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "codes": self.codes.state(),
            "random": torch.get_rng_state(),
        }
        save_torch(self.run / STATE, state)

    def resume(self) -> None:
        """Go on from ``state.pt``; :class:`ArtifactError` if it is missing or does not fit."""
        with resuming(self.run / STATE):
            state = load_state(self.run)
            self.net.load_state_dict(state["net"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.codes.load_state(state["codes"])
            torch.set_rng_state(state["random"])
            self.step, self.elapsed = int(state["step"]), float(state["elapsed"])

    def export(self) -> Path:
        """Write the tokenizer and its statistics to ``model`` in the run; returns the folder."""
        with new_folder(self.run / MODEL_FOLDER, overwrite=True) as folder:
            values = {"tokenizer": asdict(self.config.model), "representation": SPEC.name}
            model_folder.save_model(folder, values, self.net.state_dict(), self.stats)
        return self.run / MODEL_FOLDER


def load_config(run: Path) -> TokenizerTrainConfig:
    """``config.json`` of a run; :class:`ArtifactError` if it is missing or of another version."""
    path = run / model_folder.CONFIG
    return model_folder.config_from_dict(
        TokenizerTrainConfig, model_folder.read_json(path), str(path)
    )


def load_tokenizer(folder: Path) -> tuple[MotionVQVAE, Stats]:
    """A tokenizer that a run has exported, and its statistics.

    Raises:
        ArtifactError: a file is missing or damaged, or they do not fit each other.
    """
    path = folder / model_folder.CONFIG
    values = model_folder.read_json(path)
    config = model_folder.config_from_dict(VQVAEConfig, values.get("tokenizer"), str(path))
    net = MotionVQVAE(config)
    model_folder.load_weights(net, folder / model_folder.WEIGHTS)
    stats = model_folder.load_stats(folder / model_folder.STATS, config.features)
    model_folder.verify_checksums(folder, values)
    return net.eval().requires_grad_(False), stats
