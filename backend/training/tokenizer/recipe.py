"""Training of the motion tokenizer (:mod:`backend.models.motiongpt.vqvae`) on pose features.

The recipe of T2M-GPT (Zhang et al. 2023), which MotionGPT and MoMask share: random windows of 64
frames, smooth L1 on the features and once more on the joint positions, a commitment loss, and a
codebook that is averaged instead of trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...models.motiongpt.vqvae import MotionVQVAE, VQVAEConfig
from ...motion.representations import hml263
from ...store import model_folder
from ...store.model_folder import Stats
from ...store.new_folder import new_folder
from ...store.options import option
from ...wire import limits
from ..recipe import Recipe, Setting, Sources
from ..run import warm_cosine
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
    window: int = option(64, "frames of a window", low=4, high=10_000)
    batch: int = option(256, "windows in a step", low=1, high=100_000)
    lr: float = option(2e-4, "learning rate", above=0, high=1.0)
    final_lr: float = 0.05
    warmup: int = 100
    weight_decay: float = 0.0
    clip: float = 1.0
    commit: float = 0.02
    joints: float = 0.5
    steps: int = option(300_000, "step budget, when no --minutes", low=1, high=10**9)
    minutes: float | None = option(None, "wall-clock budget", above=0, high=10.0**6)
    seed: int = option(0, "of weights and batches", low=limits.MIN_SEED, high=limits.MAX_SEED)
    eval_clips: int = 24
    eval_every: float = 60.0

    def __post_init__(self) -> None:
        if self.window < self.model.frames_per_token or self.batch < 1 or self.steps < 1:
            raise ValueError(f"window {self.window}, batch {self.batch}, steps {self.steps}")


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


class TokenizerRecipe(Recipe):
    """T2M-GPT's tokenizer; the run ends with the folder ``model`` in it, for use."""

    about = "train a motion tokenizer (VQ-VAE) on clips in HumanML3D's layout"
    config_class, sources_class = TokenizerTrainConfig, Sources
    fixed = ("model", "window")
    save_seconds = 60.0

    def __init__(
        self,
        config: TokenizerTrainConfig,
        data: FeatureClips,
        *,
        device: str | torch.device = "cpu",
    ) -> None:
        super().__init__(config, device=device)
        self.data = data
        self.net: MotionVQVAE = MotionVQVAE(config.model).to(self.device)
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
        self.measure_seconds = config.eval_every
        self.measured: list[Reconstruction] = []

    @classmethod
    def open(
        cls, config: TokenizerTrainConfig, sources: Sources, setting: Setting
    ) -> TokenizerRecipe:
        """Read the clips and build the network."""
        data = tokenizer_data.load(sources.data, shortest=config.window)
        made = cls(config, data, device=setting.device)
        made.summary = f"{len(data.train)} training and {len(data.val)} test clips"
        return made

    # ------------------------------------------------------------------ one step

    def rate(self, step: int, share: float) -> float:
        """Warm-up and a cosine."""
        c = self.config
        return warm_cosine(step, share, lr=c.lr, warmup=c.warmup, final=c.final_lr)

    def batch(self, step: int) -> Tensor:
        """Normalised windows ``[B, T, 263]``, of the seed and the step alone."""
        c = self.config
        rng = np.random.default_rng([c.seed, step])
        x = tokenizer_data.windows(self.data.train, c.window, c.batch, rng)
        return self.stats.normalise(torch.from_numpy(x).to(self.device))

    def start_codes(self) -> None:
        """Place the codes on what the untrained encoder makes of the first batch."""
        if not self.codes.started:
            with torch.no_grad():
                self.codes.start(self.net.latents(self.batch(0)).flatten(0, 1))

    def step(self, batch: Tensor) -> dict[str, Tensor | float]:
        """The parts of the loss and the perplexity."""
        c = self.config
        self.start_codes()
        latents = self.net.latents(batch)
        flat = latents.flatten(0, 1)
        ids = self.net.quantizer.nearest(flat.detach())
        codes = self.net.quantizer.lookup(ids).view_as(latents)
        perplexity = self.codes.update(flat.detach(), ids)
        copy = self.net.decode_latents(latents + (codes - latents).detach())
        joints = SPEC.columns("joints")
        features = F.smooth_l1_loss(copy, batch)
        positions = F.smooth_l1_loss(copy[..., joints], batch[..., joints])
        commit = F.mse_loss(latents, codes.detach())
        return {
            "loss": features + c.joints * positions + c.commit * commit,
            "features": features,
            "joints": positions,
            "commit": commit,
            "perplexity": perplexity,
        }

    # ------------------------------------------------------------------ the run

    def measure(self) -> dict[str, float]:
        """Reconstruction of the clips that are kept for checking."""
        self.start_codes()
        self.measured.append(evaluate(self.net, self.stats, self.checked))
        return asdict(self.measured[-1])

    def state(self) -> dict[str, Any]:
        """The moving averages of the codes."""
        return {"codes": self.codes.state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """The averages go on."""
        self.codes.load_state(state["codes"])

    def finish(self, folder: Path) -> None:
        """The tokenizer and its statistics in the folder ``model`` of the run.

        A run that is resumed and finished again replaces the one that it wrote before.
        """
        with new_folder(folder / MODEL_FOLDER, overwrite=True) as made:
            model_folder.save_model(
                made,
                {"tokenizer": asdict(self.config.model), "representation": SPEC.name},
                self.net.state_dict(),
                self.stats,
            )

    def report(self) -> str:
        """How well clips came back from their tokens at the beginning and at the end."""
        lines = [f"reconstruction of {len(self.checked)} test clips, MPJPE in mm"]
        for name, found in (("before", self.measured[0]), ("after", self.measured[-1])):
            lines.append(
                f"{name:7} world {found.mpjpe_mm:7.1f}  pose {found.pose_mm:6.1f}  "
                f"smooth L1 {found.smooth_l1:.4f}  codes used {found.codes_used}"
            )
        return "\n".join(lines)


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
