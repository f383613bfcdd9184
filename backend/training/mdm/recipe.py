"""Trains MDM on captioned clips, as released: plain masked x0 loss, AdamW, one batch per process.

The run folder has the released layout (:mod:`.released_run`). Started by ``torchrun``, every
process trains on its own part of each pass (DistributedDataParallel) and the first one writes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ...diffusion.mdm_losses import mdm_losses
from ...diffusion.schedule import Schedule
from ...models.mdm import release
from ...models.mdm.network import MDM
from ...motion.io.atomic import atomic_path
from ...store.options import option
from ...wire import limits
from ..data import caption_vectors, hml3d
from ..data.caption_vectors import CaptionVectors
from ..data.hml3d import TextMotionBatch, TextMotionBatches
from ..recipe import Average, Recipe, Setting, Sources
from .released_run import ReleasedRun


@dataclass(frozen=True)
class MdmTrainConfig:
    """One run; fields are those of ``args.json`` and the defaults are the released ones."""

    dataset: str = "humanml"
    data_dir: str = ""
    text_encoder_type: Literal["clip", "minilm"] = option(
        "clip",
        "clip as released (default), or minilm, which comes with Kinetype",
        flags=("--text-encoder",),
    )
    arch: str = "trans_enc"
    layers: int = option(8, "blocks of the network", low=1, high=256)
    latent_dim: int = option(
        512, "width of the network", flags=("--width", "--latent-dim"), low=1, high=16_384
    )
    cond_mask_prob: float = 0.1
    mask_frames: bool = option(False, "hide padding")
    noise_schedule: str = "cosine"
    diffusion_steps: int = option(1000, "50 trains a faster model", low=1, high=5000)
    lr: float = option(1e-4, "learning rate", above=0, high=1.0)
    weight_decay: float = 0.0
    adam_beta2: float = 0.999
    use_ema: bool = option(
        False, "also keep averaged weights, which are then used", flags=("--ema",)
    )
    avg_model_beta: float = option(
        0.9999, "decay of the averaged weights", flags=("--ema-decay",), above=0, high=1.0
    )
    batch_size: int = option(64, "clips in a step of each process", low=1, high=100_000)
    num_steps: int = option(600_000, "optimiser steps", flags=("--steps",), low=1, high=10**9)
    save_interval: int = option(50_000, "steps between two checkpoints", low=1, high=10**9)
    seed: int = option(10, "of weights and batches", low=limits.MIN_SEED, high=limits.MAX_SEED)
    precision: Literal["fp32", "bf16"] = option("fp32", "of the matrix products")
    minutes: float | None = option(None, "stop (and save) after this long", above=0, high=10.0**6)


@dataclass(frozen=True)
class MdmSources(Sources):
    """Where the data and the text encoder are."""

    data: Path = option(help="folder with new_joint_vecs, texts")
    clip: Path | None = option(None, "folder of CLIP's weights (default: the hub's)")
    offline: bool = option(False, "never use the network")


class MdmRecipe(Recipe):
    """The released training on text.

    Everything random in a step follows from the seed, the step and the rank.
    """

    about = "train MDM on text, from a folder in HumanML3D's layout"
    config_class, sources_class = MdmTrainConfig, MdmSources
    fixed = ("text_encoder_type", "latent_dim", "layers", "diffusion_steps", "use_ema")
    parallel = True
    default_device = None
    one_budget = False
    log_steps = 20
    save_seconds = None

    def __init__(
        self,
        config: MdmTrainConfig,
        batches: TextMotionBatches,
        vectors: CaptionVectors,
        *,
        device: str | torch.device = "cpu",
    ) -> None:
        super().__init__(config, device=device, precision=config.precision)
        self.batches, self.vectors = batches, vectors
        self.save_steps = config.save_interval
        self.net = MDM(release.config_from_args(asdict(config))).to(self.device)
        self.average = Average(self.net, config.avg_model_beta) if config.use_ema else None
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(),
            lr=config.lr,
            betas=(0.9, config.adam_beta2),
            weight_decay=config.weight_decay,
        )
        self.schedule = Schedule(config.noise_schedule, config.diffusion_steps)

    @classmethod
    def open(cls, config: MdmTrainConfig, sources: MdmSources, setting: Setting) -> MdmRecipe:
        """Read the data, encode the captions that are new, build the network."""
        data = hml3d.load(sources.data)
        process = setting.process
        vectors = _vectors(sources, config.text_encoder_type, data.captions, setting)
        batches = TextMotionBatches(
            data, config.batch_size, config.seed, rank=process.rank, world=process.world
        )
        made = cls(config, batches, vectors, device=setting.device)
        made.summary = f"{len(data.items)} items ({len(data.skipped)} clips left out)"
        return made

    @classmethod
    def configured(cls, config: MdmTrainConfig, sources: MdmSources) -> MdmTrainConfig:
        """The configuration with the data's place; sizes that no network has are refused."""
        config = replace(config, data_dir=str(sources.data))
        release.config_from_args(asdict(config), "the options")
        return config

    # ------------------------------------------------------------------ one step

    def loss(self, x0: Tensor, mask: Tensor, t: Tensor, noise: Tensor, text: Tensor) -> Tensor:
        """Loss ``[B]`` of each sample: squared error of x0 over its real frames and all columns.

        Args:
            x0, noise: ``[B, 263, 1, T]``; mask: ``[B, T]`` bool; t: ``[B]``; text: ``[B, D]``.
        """
        frames = mask[:, None, None]
        noised = self.schedule.q_sample(x0, t, noise)
        predicted = self.model(noised, t, {"text_embed": text[None], "mask": frames})
        return mdm_losses(predicted.float(), x0, frames)["loss"]

    def batch(self, step: int) -> tuple[int, TextMotionBatch]:
        """This rank's batch of a step, and the number of the step."""
        return step, self.batches.at(step)

    def step(self, batch: tuple[int, TextMotionBatch]) -> dict[str, Tensor]:
        """The mean loss of a batch."""
        c, (step, clips) = self.config, batch
        x0 = torch.from_numpy(clips.x).to(self.device).transpose(1, 2)[:, :, None].contiguous()
        lengths = torch.from_numpy(clips.lengths).to(self.device)
        mask = torch.arange(x0.shape[-1], device=self.device) < lengths[:, None]
        text = torch.from_numpy(self.vectors.of(clips.captions)).to(self.device)
        # one number for a step and a rank: resuming needs no generator states
        rank, world = self.batches.rank, self.batches.world
        torch.manual_seed((c.seed * 1_000_003 + step) * world + rank)
        draw = np.random.default_rng((c.seed, step, rank, 1))
        t = torch.from_numpy(draw.integers(0, c.diffusion_steps, len(x0))).to(self.device)
        noise = torch.randn_like(x0)
        with self.autocast():
            return {"loss": self.loss(x0, mask, t, noise, text).mean()}

    # ------------------------------------------------------------------ the run

    def share(self, step: int, elapsed: float) -> float:
        """Of the steps."""
        return min(1.0, step / self.config.num_steps)

    @classmethod
    def folder(cls, path: Path) -> ReleasedRun:
        """``args.json`` and numbered checkpoints."""
        return ReleasedRun(path, also=("Mean.npy", "Std.npy"))

    def write(self, folder: Path, step: int) -> None:
        """``Mean.npy`` and ``Std.npy`` of the data."""
        for name, values in (
            ("Mean.npy", self.batches.data.mean),
            ("Std.npy", self.batches.data.std),
        ):
            with atomic_path(folder / name) as temporary:
                np.save(temporary, values, allow_pickle=False)


def _vectors(
    sources: MdmSources, encoder: str, captions: list[str], setting: Setting
) -> CaptionVectors:
    """The first process encodes what is missing; the others read its file."""

    def found(report: Callable[[int, int], None]) -> CaptionVectors:
        return caption_vectors.ensure(
            sources.data,
            encoder,
            captions,
            lambda: caption_vectors.text_encoder(
                encoder, folder=sources.clip, offline=sources.offline
            ),
            report,
        )

    if setting.process.first:
        found(lambda done, total: setting.report("captions", done, total))
    setting.process.wait()
    return found(lambda done, total: None)
