"""Motions of MDM's action releases (``model*.pt`` + ``args.json``): HumanAct12, UESTC, or none.

These networks make SMPL rotations, 25 x 6 numbers a frame, not un-normalised: rotations of the 24
SMPL joints as the first two rows of their matrices, then how far the pelvis moved since the first
frame. Rotations are what motion_135 holds, so that nothing has to be fitted here. Both data sets
were recorded by a camera, whose Y axis points down.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...diffusion.exact import ReleasedProcess, sample_exact
from ...diffusion.loop import StepCallback, sample, seeded_generators
from ...diffusion.schedule import Schedule
from ...errors import ArtifactError, InvalidRequest
from ...models.mdm import load_upstream
from ...models.mdm.fast import FastMDM
from ...models.mdm.network import MDM
from ...motion.representations import motion135
from ...motion.resample import resample_motion135
from ...motion.rotations import rot6d_rows_to_matrix
from ...wire.skeleton import MOTION_FPS, NUM_JOINTS, SOLE_HEIGHT
from ..action_mdm.release import action_names
from ..calls import (
    check_frames,
    check_one_each,
    checked_guidance,
    device_or_best,
    drawn_seed,
    frozen,
)
from .folder import RELEASED_GUIDANCE

FPS = 20.0
FRAMES = 60
"""The length that both releases were trained on."""
STEPS = 50
"""Of a sampler that is not exact."""
EXACT = "exact"
"""Sampler that repeats the released loop: one generator, all steps, two guidance passes."""
SMPL_JOINTS, NUMBERS = 24, 6
_FROM_CAMERA = np.diag([1.0, -1.0, -1.0])
"""Half a turn about X."""


class MDMActions:
    """A released network that makes motions of actions, or of nothing in particular.

    Attributes:
        actions: names of the classes; empty for a network that was trained without.
    """

    def __init__(self, net: MDM, name: str, *, device: str | torch.device | None = None) -> None:
        self.device = device_or_best(device)
        self.net = frozen(net, self.device)
        self.name = name
        self.fps, self.num_frames = FPS, FRAMES
        count = net.config.actions if net.config.condition == "action" else 0
        self.actions = action_names(count)
        self.schedule = Schedule(net.config.noise_schedule, net.config.diffusion_steps)

    @classmethod
    def from_release(
        cls, path: str | Path, *, device: str | torch.device | None = None
    ) -> MDMActions:
        """Load a ``model*.pt``, or the latest of a folder, with the ``args.json`` beside it.

        Raises:
            ArtifactError: missing or damaged files, or a network that makes no SMPL rotations.
        """
        path = Path(path).expanduser()
        net = load_upstream(path)
        if (net.config.joints, net.config.channels) != (SMPL_JOINTS + 1, NUMBERS):
            raise ArtifactError(
                f"{path} makes features of the data set {net.config.dataset!r} from text, not "
                "motions of actions.",
                "Convert it (kinetype convert-checkpoint mdm) and use kinetype generate.",
            )
        folder = path if path.is_dir() else path.parent
        return cls(net, folder.absolute().name, device=device)

    def infer(
        self,
        actions: Sequence[int | None],
        lengths: Sequence[int] | None = None,
        *,
        seed: int | None = None,
        sampler: str | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        on_step: StepCallback | None = None,
    ) -> list[np.ndarray]:
        """One clip per entry of ``actions``.

        Args:
            actions: class numbers; None each for a network that was trained without.
            lengths: frames at 20 fps, at most 60; 60 each when None. All are made as long as the
                longest, shorter ones are beginnings.
            seed: clip ``i`` uses ``seed + i``; drawn at random when None. The ``"exact"`` sampler
                draws the whole batch from ``seed``, as released.
            sampler: "ddim" (the default), "ddpm", "dpmpp" or "exact".
            steps: how many; 50 when None, and all for "exact".
            guidance: 2.5 when None; always 1 for a network that was trained without actions, or
                never without them.
            on_step: ``on_step(done, total)``; it may raise ``Cancelled``.

        Returns:
            ``[length, 25, 6]`` float32 each, as the network gives it.

        Raises:
            InvalidRequest: an unknown action, or a length or sampling setting out of range.
        """
        check_one_each(actions, lengths, "actions")
        wanted = [FRAMES] * len(actions) if lengths is None else [int(n) for n in lengths]
        for frames in wanted:
            check_frames(frames, 2, FRAMES, fps=FPS, model=self.name)
        if not actions:
            return []
        y = self._condition(actions)
        shape = (len(actions), max(wanted))
        scale = self._guidance(guidance)
        x = self._sample(y, shape, drawn_seed(seed), scale, sampler or "ddim", steps, on_step)
        clips = x.float().cpu().numpy()
        return [clip[:frames] for clip, frames in zip(clips, wanted, strict=True)]

    def joints_of(self, clip: np.ndarray) -> np.ndarray:
        """Joint positions ``[T, 22, 3]`` of a clip of :meth:`infer`."""
        return motion135.joints(to_motion135(clip, self.fps))

    def rigged(self, clip: np.ndarray) -> tuple[np.ndarray, dict[str, object]]:
        """A clip of :meth:`infer` as motion_135; nothing is lost."""
        return to_motion135(clip), {}

    def used(
        self, guidance_scale: float | None, steps: int | None, sampler: str | None
    ) -> dict[str, Any]:
        """What these settings are for this model, its own ones filled in."""
        sampler, whole = sampler or "ddim", self.schedule.steps
        default = whole if sampler == EXACT else min(STEPS, whole)
        return {
            "sampler": sampler,
            "steps": default if steps is None else steps,
            "guidance_scale": self._guidance(guidance_scale),
        }

    def _condition(self, actions: Sequence[int | None]) -> dict[str, Tensor]:
        if not self.actions:
            if any(action is not None for action in actions):
                raise InvalidRequest(
                    f"The model {self.name!r} was trained without actions.", "Leave the action out."
                )
            return {}
        for action in actions:
            if action is None or not 0 <= action < len(self.actions):
                raise InvalidRequest(
                    f"There is no action {action}.", f"Choose from 0 to {len(self.actions) - 1}."
                )
        return {"action": torch.tensor(list(actions), device=self.device)[:, None]}

    def _guidance(self, wanted: float | None) -> float:
        if self.net.config.cond_mask_prob == 0 or not self.actions:
            return 1.0
        return RELEASED_GUIDANCE if wanted is None else checked_guidance(wanted)

    def _sample(
        self,
        y: dict[str, Tensor],
        shape: tuple[int, int],
        seed: int,
        guidance: float,
        sampler: str,
        steps: int | None,
        on_step: StepCallback | None,
    ) -> Tensor:
        """``[clips, frames, 25, 6]`` for ``shape`` (clips, frames)."""
        c, (count, frames) = self.net.config, shape
        if sampler == EXACT:
            x = sample_exact(
                self.net,
                (count, c.joints, c.channels, frames),
                process=ReleasedProcess.of(self.schedule, steps, sigma_small=c.sigma_small),
                y={**y, "mask": torch.ones(count, 1, 1, frames, dtype=torch.bool)},
                guidance=guidance,
                generator=torch.Generator(self.device).manual_seed(seed),
                on_step=on_step,
                device=self.device,
            )
            return x.permute(0, 3, 1, 2)
        x = sample(
            FastMDM(self.net).guided(guidance),
            (count, frames, c.features),
            schedule=self.schedule,
            sampler=sampler,
            steps=min(STEPS, self.schedule.steps) if steps is None else steps,
            y=y,
            generator=seeded_generators(seed, count),
            on_step=on_step,
            device=self.device,
        )
        return x.unflatten(-1, (c.joints, c.channels))


def to_motion135(clip: np.ndarray, fps: float = MOTION_FPS) -> np.ndarray:
    """``[T, 25, 6]`` at 20 fps to motion_135, upright, its lowest joint on the ground.

    The two hand joints, which motion_135 lacks, are left out.

    Args:
        fps: rate of the result.

    Raises:
        ArtifactError: the clip is not finite.
    """
    if not np.isfinite(clip).all():
        raise ArtifactError("The model made a motion that is not finite.", "Take another release.")
    rotations = rot6d_rows_to_matrix(clip[:, :NUM_JOINTS].astype(np.float64))
    rotations[:, 0] = _FROM_CAMERA @ rotations[:, 0]
    root = clip[:, SMPL_JOINTS, :3].astype(np.float64) @ _FROM_CAMERA
    x = motion135.pack(root, rotations)
    height = motion135.SPEC.columns("root_translation").start + 1
    x[:, height] += SOLE_HEIGHT - motion135.joints(x)[..., 1].min()
    return resample_motion135(x, FPS, fps).astype(np.float32)
