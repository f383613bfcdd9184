"""MDM's own action recipe on HumanAct12: 25 x 6 rotations with geometric losses.

The network is :class:`backend.models.mdm.MDM`; positions, velocities and foot contact are compared
beside the features (Tevet et al. 2023, equations 3 to 5). The run folder has the released layout
(``args.json``, ``model%09d.pt``, ``opt%09d.pt``), so :func:`backend.models.mdm.load_upstream` and
``kinetype convert-checkpoint mdm`` read it.

Joints come from a rigid skeleton with the neutral rest pose, where the released code calls SMPL
with zero shape, whose joints are the same chain of rotations about its own rest joints.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...diffusion.mdm_losses import LossWeights, mdm_losses
from ...diffusion.schedule import Schedule
from ...errors import ArtifactError
from ...models.mdm import release
from ...models.mdm.network import MDM
from ...motion.action_body import SMPL24_PARENTS, ActionBody
from ...store.model_folder import write_json
from ...wire.skeleton import HAND_OFFSETS, REST_OFFSETS
from ..data.humanact12 import HumanAct12, RotationWindows
from ..run import append_row, resuming, save_torch

LOG_EVERY = 20


def neutral_rest_joints() -> Tensor:
    """Rest positions ``[24, 3]`` of the neutral skeleton with hands, metres."""
    joints = np.zeros((len(SMPL24_PARENTS), 3))
    for joint, offset in enumerate((*REST_OFFSETS, *HAND_OFFSETS)):
        parent = SMPL24_PARENTS[joint]
        joints[joint] = offset if parent < 0 else joints[parent] + offset
    return torch.from_numpy(joints).float()


@dataclass(frozen=True)
class RotationTrainConfig:
    """One run; the names are those of ``args.json`` and the defaults the released action recipe."""

    dataset: str = "humanact12"
    arch: str = "trans_enc"
    layers: int = 8
    latent_dim: int = 512
    cond_mask_prob: float = 0.0
    lambda_rcxyz: float = 1.0
    lambda_vel: float = 1.0
    lambda_fc: float = 1.0
    noise_schedule: str = "cosine"
    diffusion_steps: int = 1000
    num_frames: int = 60
    batch_size: int = 64
    lr: float = 1e-4
    weight_decay: float = 0.0
    num_steps: int = 600_000
    save_interval: int = 50_000
    seed: int = 10

    @property
    def weights(self) -> LossWeights:
        """Factors of the geometric losses."""
        return LossWeights(self.lambda_vel, self.lambda_rcxyz, self.lambda_fc)


class RotationTrainer:
    """Trains on windows of HumanAct12; a step's random numbers follow from the seed and the step.

    (Windows are drawn by the released loader's generator, so a resumed run sees other windows.)
    """

    def __init__(
        self, run: Path, config: RotationTrainConfig, data: HumanAct12, *, device: str = "cpu"
    ) -> None:
        self.run, self.config = run, config
        self.device = torch.device(device)
        model = release.config_from_args(asdict(config))
        if data.labels.max() >= model.actions:
            raise ArtifactError(
                f"The data has class {data.labels.max()}; MDM's action model has {model.actions}.",
                "Use HumanAct12, or train the joint form (--form joints).",
            )
        torch.manual_seed(config.seed)
        self.net = MDM(model).to(self.device)
        self.windows = RotationWindows(data, config.num_frames, config.seed)
        self.body = ActionBody(neutral_rest_joints())
        self.schedule = Schedule(config.noise_schedule, config.diffusion_steps)
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(), lr=config.lr, weight_decay=config.weight_decay
        )
        self.step = 0

    def train_step(self) -> dict[str, float]:
        """One optimiser step; returns the mean of every loss."""
        c = self.config
        draw = np.random.default_rng((c.seed, self.step))
        torch.manual_seed(c.seed * 1_000_003 + self.step)
        batch = self.windows.batch(draw.integers(0, len(self.windows), c.batch_size).tolist())
        x0 = torch.from_numpy(batch.x).to(self.device)
        mask = torch.from_numpy(batch.mask).to(self.device)
        t = torch.from_numpy(draw.integers(0, c.diffusion_steps, len(x0))).to(self.device)
        noised = self.schedule.q_sample(x0, t, torch.randn_like(x0))
        y = {"action": torch.from_numpy(batch.actions).to(self.device), "mask": mask}
        self.net.train()
        terms = mdm_losses(self.net(noised, t, y), x0, mask, c.weights, self.body.joints)
        loss = terms["loss"].mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.step += 1
        return {name: float(value.detach().mean()) for name, value in terms.items()}

    def fit(self, on_step: Callable[[int, dict[str, float]], None] | None = None) -> None:
        """Train to ``num_steps``; save now and then and at the end."""
        while self.step < self.config.num_steps:
            losses = self.train_step()
            if self.step % LOG_EVERY == 0:
                self._log(losses)
            if on_step is not None:
                on_step(self.step, losses)
            if self.step % self.config.save_interval == 0:
                self.save()
        self.save()

    def _log(self, losses: dict[str, float]) -> None:
        append_row(self.run, {"step": self.step, **losses})

    def save(self) -> None:
        """Write ``args.json``, and the optimiser and network of this step."""
        write_json(self.run / release.ARGS, dict(sorted(asdict(self.config).items())))
        # the optimiser first: a checkpoint that is there can be resumed
        for name, module in (("opt", self.optimizer), ("model", self.net)):
            save_torch(self.run / f"{name}{self.step:09d}.pt", module.state_dict())

    def resume(self) -> None:
        """Go on from the newest checkpoint; :class:`ArtifactError` if none fits."""
        path = release.find_checkpoint(self.run)
        step = int(path.stem.removeprefix("model"))
        with resuming(path):
            for file, module in (
                (path, self.net),
                (path.with_name(f"opt{step:09d}.pt"), self.optimizer),
            ):
                module.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
        self.step = step
