"""MDM's own action recipe on HumanAct12: 25 x 6 rotations with geometric losses.

The network is :class:`backend.models.mdm.MDM`; positions, velocities and foot contact are compared
beside the features (Tevet et al. 2023, equations 3 to 5). The run folder has the released layout
(``args.json``, ``model%09d.pt``, ``opt%09d.pt``), so :func:`backend.models.mdm.load_upstream` and
``kinetype convert-checkpoint mdm`` read it.

Joints come from a rigid skeleton with the neutral rest pose, where the released code calls SMPL
with zero shape, whose joints are the same chain of rotations about its own rest joints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...diffusion.mdm_losses import LossWeights, mdm_losses
from ...diffusion.schedule import Schedule
from ...errors import ArtifactError
from ...models.mdm import release
from ...models.mdm.network import MDM
from ...motion.action_body import SMPL24_PARENTS, ActionBody
from ...store.options import option
from ...wire import limits
from ...wire.skeleton import HAND_OFFSETS, REST_OFFSETS
from ..data import humanact12
from ..data.humanact12 import HumanAct12, RotationBatch, RotationWindows
from ..recipe import Recipe, Setting, Sources
from .released_run import ReleasedRun


def neutral_rest_joints() -> Tensor:
    """Rest positions ``[24, 3]`` of the neutral skeleton with hands, metres."""
    joints = np.zeros((len(SMPL24_PARENTS), 3))
    for joint, offset in enumerate((*REST_OFFSETS, *HAND_OFFSETS)):
        parent = SMPL24_PARENTS[joint]
        joints[joint] = offset if parent < 0 else joints[parent] + offset
    return torch.from_numpy(joints).float()


@dataclass(frozen=True)
class RotationTrainConfig:
    """One run; the names are those of ``args.json`` and the defaults the released action recipe.

    ``epochs``, where given, stands for so many passes over the clips in place of ``num_steps``.
    """

    dataset: str = "humanact12"
    arch: str = "trans_enc"
    layers: int = option(8, "blocks of the network", low=1, high=256)
    latent_dim: int = option(512, "width of the network", low=1, high=16_384)
    cond_mask_prob: float = 0.0
    lambda_rcxyz: float = 1.0
    lambda_vel: float = 1.0
    lambda_fc: float = 1.0
    noise_schedule: str = "cosine"
    diffusion_steps: int = 1000
    num_frames: int = option(60, "frames of a clip", low=2, high=10_000)
    batch_size: int = option(64, "clips in a step", low=1, high=100_000)
    lr: float = option(1e-4, "learning rate", above=0, high=1.0)
    weight_decay: float = 0.0
    num_steps: int = option(600_000, "optimiser steps", flags=("--steps",), low=1, high=10**9)
    epochs: int | None = option(None, "passes over the clips", low=1, high=10**9)
    minutes: float | None = option(None, "stop (and save) after this long", above=0, high=10.0**6)
    save_interval: int = option(50_000, "steps between two checkpoints", low=1, high=10**9)
    seed: int = option(10, "of weights and batches", low=limits.MIN_SEED, high=limits.MAX_SEED)

    @property
    def weights(self) -> LossWeights:
        """Factors of the geometric losses."""
        return LossWeights(self.lambda_vel, self.lambda_rcxyz, self.lambda_fc)


class RotationRecipe(Recipe):
    """Windows of HumanAct12; a step's random numbers follow from the seed and the step."""

    about = "train MDM's own action recipe (25 x 6 rotations, geometric losses)"
    config_class, sources_class = RotationTrainConfig, Sources
    fixed = ("latent_dim", "layers", "num_frames")
    precisions = ("fp32", "bf16")
    one_budget = False
    log_steps = 20
    save_seconds = None

    def __init__(
        self,
        config: RotationTrainConfig,
        data: HumanAct12,
        *,
        device: str | torch.device = "cpu",
        precision: str = "fp32",
    ) -> None:
        if config.epochs is not None:
            passes = max(1, round(len(data) / config.batch_size))
            config = replace(config, num_steps=config.epochs * passes)
        super().__init__(config, device=device, precision=precision)
        model = release.config_from_args(asdict(config))
        if data.labels.max() >= model.actions:
            raise ArtifactError(
                f"The data has class {data.labels.max()}; MDM's action model has {model.actions}.",
                "Use HumanAct12, or train the joint form (--form joints).",
            )
        self.save_steps = config.save_interval
        self.net = MDM(model).to(self.device)
        self.windows = RotationWindows(data, config.num_frames, config.seed)
        self.body = ActionBody(neutral_rest_joints())
        self.schedule = Schedule(config.noise_schedule, config.diffusion_steps)
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(), lr=config.lr, weight_decay=config.weight_decay
        )

    @classmethod
    def open(
        cls, config: RotationTrainConfig, sources: Sources, setting: Setting
    ) -> RotationRecipe:
        """Read HumanAct12 and build the network."""
        data = humanact12.read(sources.data)
        made = cls(config, data, device=setting.device, precision=setting.precision)
        made.summary = f"{len(data)} clips of HumanAct12, {made.config.num_steps} steps"
        return made

    @classmethod
    def configured(cls, config: RotationTrainConfig, sources: Sources) -> RotationTrainConfig:
        """As it is; sizes that no network has are refused."""
        release.config_from_args(asdict(config), "the options")
        return config

    def batch(self, step: int) -> tuple[int, RotationBatch, Tensor]:
        """The step, windows of random clips, and the noise level of each."""
        c = self.config
        draw = np.random.default_rng((c.seed, step))
        batch = self.windows.batch(draw.integers(0, len(self.windows), c.batch_size).tolist())
        return step, batch, torch.from_numpy(draw.integers(0, c.diffusion_steps, len(batch.x)))

    def step(self, batch: tuple[int, RotationBatch, Tensor]) -> dict[str, Tensor]:
        """The means of every loss."""
        c, (step, windows, t) = self.config, batch
        torch.manual_seed(c.seed * 1_000_003 + step)
        x0 = torch.from_numpy(windows.x).to(self.device)
        mask = torch.from_numpy(windows.mask).to(self.device)
        t = t.to(self.device)
        noised = self.schedule.q_sample(x0, t, torch.randn_like(x0))
        y = {"action": torch.from_numpy(windows.actions).to(self.device), "mask": mask}
        with self.autocast():
            predicted = self.model(noised, t, y)
        terms = mdm_losses(predicted.float(), x0, mask, c.weights, self.body.joints)
        return {name: value.mean() for name, value in terms.items()}

    def share(self, step: int, elapsed: float) -> float:
        """Of the steps."""
        return min(1.0, step / self.config.num_steps)

    @classmethod
    def folder(cls, path: Path) -> ReleasedRun:
        """``args.json`` and numbered checkpoints."""
        return ReleasedRun(path)

    def state(self) -> dict[str, object]:
        """The state of the released loader's generator, which draws the windows."""
        version, numbers, gauss = self.windows.random.getstate()
        return {"windows": [version, list(numbers), gauss]}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """The windows go on where they were."""
        if "windows" in state:
            version, numbers, gauss = state["windows"]
            self.windows.random.setstate((version, tuple(numbers), gauss))
