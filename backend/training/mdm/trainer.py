"""Trains MDM on captioned clips, as released: plain masked x0 loss, AdamW, one batch per process.

The run directory has the released layout, so that every reader of a released checkpoint reads it:
``args.json``, ``model%09d.pt`` (with EMA: ``model`` and ``model_avg``), ``opt%09d.pt``; beside them
``Mean.npy`` and ``Std.npy`` of the data, and ``log.jsonl``. Started by ``torchrun``, every process
trains on its own part of each pass (DistributedDataParallel) and the first one writes.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor, distributed

from ...diffusion.mdm_losses import mdm_losses
from ...diffusion.schedule import Schedule
from ...errors import ArtifactError
from ...models.mdm import release
from ...models.mdm.network import MDM
from ...motion.io.atomic import atomic_path
from ...store.model_folder import write_json
from ..data.caption_vectors import CaptionVectors
from ..data.hml3d import TextMotionBatches
from ..run import append_row, save_torch

LOG_EVERY = 20


@dataclass(frozen=True)
class MdmTrainConfig:
    """One run; fields are those of ``args.json`` and the defaults are the released ones.

    ``batch_size`` is that of one process. ``minutes`` ends a run early. ``avg_model_beta`` is the
    decay of the weight average that ``use_ema`` keeps.
    """

    dataset: str = "humanml"
    data_dir: str = ""
    text_encoder_type: str = "clip"
    arch: str = "trans_enc"
    layers: int = 8
    latent_dim: int = 512
    cond_mask_prob: float = 0.1
    mask_frames: bool = False
    noise_schedule: str = "cosine"
    diffusion_steps: int = 1000
    lr: float = 1e-4
    weight_decay: float = 0.0
    adam_beta2: float = 0.999
    use_ema: bool = False
    avg_model_beta: float = 0.9999
    batch_size: int = 64
    num_steps: int = 600_000
    save_interval: int = 50_000
    seed: int = 10
    precision: str = "fp32"
    minutes: float | None = None

    @classmethod
    def read(cls, run: Path) -> MdmTrainConfig:
        """That of a run directory; :class:`ArtifactError` when it was not written here."""
        values = release.read_args(run / release.ARGS)
        try:
            return cls(**values)
        except TypeError as error:
            raise ArtifactError(
                f"{run / release.ARGS} is not of a run of Kinetype ({error}).",
                "Resume only runs that 'kinetype train mdm' started.",
            ) from error


@dataclass(frozen=True)
class Process:
    """This process among those of ``torchrun``; alone without it."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and reports."""
        return self.rank == 0

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.world > 1:
            distributed.barrier()


@contextmanager
def process_group(device: str) -> Iterator[Process]:
    """Join the processes that ``torchrun`` started: NCCL on CUDA, else Gloo."""
    if "WORLD_SIZE" not in os.environ:
        yield Process()
        return
    cuda = torch.device(device).type == "cuda"
    local = int(os.environ["LOCAL_RANK"])
    if cuda:
        torch.cuda.set_device(local)
    distributed.init_process_group("nccl" if cuda else "gloo")
    try:
        yield Process(distributed.get_rank(), distributed.get_world_size(), local)
    finally:
        distributed.destroy_process_group()


class MdmTrainer:
    """A network, its optimiser and where they are kept.

    Everything random in a step follows from the seed, the step and the rank, so a resumed run
    equals one that was never interrupted.
    """

    def __init__(
        self,
        run: Path,
        config: MdmTrainConfig,
        batches: TextMotionBatches,
        vectors: CaptionVectors,
        *,
        device: str | torch.device = "cpu",
        process: Process | None = None,
    ) -> None:
        self.run, self.config, self.batches, self.vectors = run, config, batches, vectors
        self.process = process or Process()
        self.device = torch.device(device)
        model_config = release.config_from_args(asdict(config))
        torch.manual_seed(config.seed)
        self.net = MDM(model_config).to(self.device).train()
        self.ema = self._snapshot() if config.use_ema else {}
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(),
            lr=config.lr,
            betas=(0.9, config.adam_beta2),
            weight_decay=config.weight_decay,
        )
        self.schedule = Schedule(config.noise_schedule, config.diffusion_steps)
        self.step = 0
        self.elapsed = 0.0
        self._parallel: torch.nn.Module = self.net
        if self.process.world > 1:
            ids = [self.device.index] if self.device.type == "cuda" else None
            self._parallel = torch.nn.parallel.DistributedDataParallel(
                self.net, device_ids=ids, broadcast_buffers=False
            )

    def _snapshot(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.net.named_parameters()}

    # ------------------------------------------------------------------ one step

    def loss(self, x0: Tensor, mask: Tensor, t: Tensor, noise: Tensor, text: Tensor) -> Tensor:
        """Loss ``[B]`` of each sample: squared error of x0 over its real frames and all columns.

        Args:
            x0, noise: ``[B, 263, 1, T]``; mask: ``[B, T]`` bool; t: ``[B]``; text: ``[B, D]``.
        """
        frames = mask[:, None, None]
        noised = self.schedule.q_sample(x0, t, noise)
        predicted = self._parallel(noised, t, {"text_embed": text[None], "mask": frames})
        return mdm_losses(predicted.float(), x0, frames)["loss"]

    def train_step(self) -> float:
        """One step on this rank's batch; returns its loss."""
        c = self.config
        batch = self.batches.at(self.step)
        x0 = torch.from_numpy(batch.x).to(self.device).transpose(1, 2)[:, :, None].contiguous()
        lengths = torch.from_numpy(batch.lengths).to(self.device)
        mask = torch.arange(x0.shape[-1], device=self.device) < lengths[:, None]
        text = torch.from_numpy(self.vectors.of(batch.captions)).to(self.device)
        # one number for a step and a rank: resuming needs no generator states
        torch.manual_seed((c.seed * 1_000_003 + self.step) * self.process.world + self.process.rank)
        draw = np.random.default_rng((c.seed, self.step, self.process.rank, 1))
        t = torch.from_numpy(draw.integers(0, c.diffusion_steps, len(x0))).to(self.device)
        noise = torch.randn_like(x0)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=c.precision == "bf16"):
            loss = self.loss(x0, mask, t, noise, text).mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self._average()
        self.step += 1
        return float(loss.detach())

    @torch.no_grad()
    def _average(self) -> None:
        beta = self.config.avg_model_beta
        for name, value in self.net.named_parameters():
            if name in self.ema:
                self.ema[name].mul_(beta).add_(value, alpha=1.0 - beta)

    # ------------------------------------------------------------------ the run

    def fit(self, on_step: Callable[[int, float, float], None] | None = None) -> None:
        """Train until the budget is spent; save now and then and at the end.

        Args:
            on_step: called with step, share of the budget and running mean of the loss.
        """
        started, before = time.monotonic(), self.elapsed
        running: float | None = None
        while not self._done():
            loss = self.train_step()
            if not math.isfinite(loss):
                self._diverged()
            running = loss if running is None else running + 0.02 * (loss - running)
            self.elapsed = before + time.monotonic() - started
            if self.process.first and self.step % LOG_EVERY == 0:
                self._log(loss, running)
            if on_step is not None:
                on_step(self.step, self.step / self.config.num_steps, running)
            if self.step % self.config.save_interval == 0:
                self.save()
        self.save()

    def _done(self) -> bool:
        limit = self.config.minutes
        late = limit is not None and self.elapsed >= 60.0 * limit
        if limit is not None and self.process.world > 1:
            # clocks differ; a process that stopped alone would leave the others waiting
            flag = torch.tensor(float(late), device=self.device)
            distributed.all_reduce(flag, distributed.ReduceOp.MAX)
            late = bool(flag)
        return late or self.step >= self.config.num_steps

    def _log(self, loss: float, running: float) -> None:
        row = {"step": self.step, "minutes": round(self.elapsed / 60, 3)}
        row |= {"loss": round(loss, 5), "running": round(running, 5)}
        append_row(self.run, row)

    def _diverged(self) -> NoReturn:
        raise ArtifactError(
            f"The training diverged before step {self.step}; this state is not saved.",
            "Use a lower learning rate (--lr), from the last saved step with --resume, or anew.",
        )

    # ------------------------------------------------------------------ files

    def save(self) -> None:
        """Write the files of this step (first process only); :class:`ArtifactError` for NaN."""
        if not all(bool(value.isfinite().all()) for value in self.net.parameters()):
            self._diverged()
        if self.process.first:
            self.run.mkdir(parents=True, exist_ok=True)
            write_json(self.run / release.ARGS, dict(sorted(asdict(self.config).items())))
            for name, values in (
                ("Mean.npy", self.batches.data.mean),
                ("Std.npy", self.batches.data.std),
            ):
                with atomic_path(self.run / name) as temporary:
                    np.save(temporary, values, allow_pickle=False)
            state: dict[str, Any] = self.net.state_dict()
            if self.config.use_ema:
                buffers = {k: v for k, v in state.items() if k not in self.ema}
                state = {"model": state, "model_avg": self.ema | buffers}
            optimizer = {"optimizer": self.optimizer.state_dict(), "elapsed": self.elapsed}
            # the optimiser first: a checkpoint that is there can be resumed
            for name, content in (("opt", optimizer), ("model", state)):
                save_torch(self.run / f"{name}{self.step:09d}.pt", content)
        self.process.wait()

    def resume(self) -> None:
        """Go on from the newest checkpoint of the run.

        Raises:
            ArtifactError: none there, or one of another network.
        """
        path = release.find_checkpoint(self.run)
        content = _load(path)
        step = int(path.stem.removeprefix("model"))
        saved = _load(path.with_name(f"opt{step:09d}.pt"))
        weights = content["model"] if self.config.use_ema else content
        try:
            self.net.load_state_dict(weights)
            self.optimizer.load_state_dict(saved["optimizer"])
            if self.config.use_ema:
                self.ema = {k: content["model_avg"][k].to(self.device) for k in self.ema}
        except (RuntimeError, KeyError, ValueError) as error:
            raise ArtifactError(
                f"{path} does not fit {release.ARGS} ({error}).",
                "Resume with the settings that started the run.",
            ) from error
        self.step, self.elapsed = step, float(saved["elapsed"])


def _load(path: Path) -> dict[str, Any]:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # weights_only refuses whatever is no tensor, and damage raises whatever it meets
        raise ArtifactError(
            f"{path} cannot be read.", "Delete it to go on from the one before.", str(error)
        ) from error
