"""What MDM and its planner share: the settings, the fast and the released way to sample."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ...diffusion.exact import LOOPS, ReleasedProcess, sample_exact
from ...diffusion.guidance import Denoiser
from ...diffusion.loop import StepCallback, sample, seeded_generators
from ...diffusion.schedule import Schedule
from ...errors import InvalidRequest
from ...models.mdm.fast import FastMDM
from ...models.mdm.network import MDM
from ...models.packed_linear import can_pack
from ..calls import checked_guidance, chunks_of_like_length, part_of
from ..humanml3d.lengths import valid_frames
from .folder import MDMPipelineConfig

CLIPS_AT_ONCE = {"cpu": 32, "other": 128}
"""Clips of one network call: more gain no speed and take memory."""


class MdmSampling:
    """A network with the settings of its folder.

    Args:
        dtype: of the network's matrix products in the default mode.

    Raises:
        InvalidRequest: int8 for another network than an encoder, or where it is not computed.
    """

    def __init__(
        self, config: MDMPipelineConfig, net: MDM, device: torch.device, dtype: torch.dtype
    ) -> None:
        if dtype == torch.int8 and (net.config.arch != "trans_enc" or not can_pack(device, dtype)):
            raise InvalidRequest(
                "8-bit products are for encoders of MDM on a CPU.",
                "Use the precision float32 or bfloat16 for this model or device.",
                f"{net.config.arch} on {device}",
            )
        self.config = config
        self.net = net
        self.device = device
        self.schedule = Schedule(net.config.noise_schedule, net.config.diffusion_steps)
        self._dtype = dtype

    @cached_property
    def fast(self) -> FastMDM:
        """The network for the default mode; padding is never attended, so that it cannot matter."""
        masked = copy.copy(self.net)
        masked.config = replace(self.net.config, mask_frames=True)
        return FastMDM(masked, dtype=self._dtype)

    def guided(self, wanted: float | None) -> Denoiser:
        """The fast network with classifier-free guidance."""
        return self.fast.guided(self.guidance(wanted))

    def guidance(self, wanted: float | None) -> float:
        """The guidance scale: the model's own when None, 1 where it was trained without."""
        if self.net.config.cond_mask_prob == 0:
            return 1.0  # never trained without a caption
        return checked_guidance(self.config.guidance_param if wanted is None else wanted)

    def steps(self, wanted: int | None) -> int:
        """How many steps: the model's own when None."""
        return min(self.config.steps, self.schedule.steps) if wanted is None else wanted

    def sampler(self, wanted: str | None) -> str:
        """The sampler: the model's own when None."""
        return wanted or self.config.sampler

    def used(
        self, guidance_scale: float | None, steps: int | None, sampler: str | None
    ) -> dict[str, Any]:
        """What these settings are for this model, its own ones filled in."""
        return {
            "sampler": self.sampler(sampler),
            "steps": self.steps(steps),
            "guidance_scale": self.guidance(guidance_scale),
        }

    @property
    def clips_at_once(self) -> int:
        """Clips of one network call."""
        if self.net.config.arch == "gru":
            return 1  # its recurrence runs over the batch
        return CLIPS_AT_ONCE.get(self.device.type, CLIPS_AT_ONCE["other"])

    def in_chunks(
        self,
        condition: Callable[[list[int]], object],
        frames: Sequence[int],
        width: int,
        seed: int,
        *,
        guidance: float | None,
        sampler: str | None,
        steps: int | None,
        on_step: StepCallback | None,
    ) -> list[Tensor]:
        """Normalised clips ``[length, width]`` in the order of ``frames``.

        Args:
            condition: ``y["text_embed"]`` of some rows.
            seed: clip ``i`` uses ``seed + i``.
        """
        sampler = self.sampler(sampler)
        if sampler == "ddpm" and not self.net.config.sigma_small:
            raise InvalidRequest(
                f"The model {self.config.name!r} samples with the large variance (sigma_small is "
                "false), which only the exact mode has.",
                "Use exact=True, or the sampler ddim or dpmpp.",
            )
        chunks = chunks_of_like_length(frames, self.clips_at_once)
        rows: dict[int, Tensor] = {}
        for index, chunk in enumerate(chunks):
            lengths = [frames[i] for i in chunk]
            y: dict[str, object] = {"text_embed": condition(chunk)}
            if len(set(lengths)) > 1:
                y["mask"] = valid_frames(lengths, self.device)
            x = sample(
                self.guided(guidance),
                (len(chunk), max(lengths), width),
                schedule=self.schedule,
                sampler=sampler,
                steps=self.steps(steps),
                y=y,
                generator=[seeded_generators(seed + i, 1)[0] for i in chunk],
                lengths=lengths,
                on_step=part_of(on_step, index, len(chunks)),
                device=self.device,
            )
            rows |= {i: x[row, : frames[i]] for row, i in enumerate(chunk)}
        return [rows[i] for i in range(len(frames))]

    def exact(
        self,
        text_embed: object,
        lengths: Sequence[int],
        seed: int,
        *,
        guidance: float,
        sampler: str = "ddpm",
        steps: int | None = None,
        on_step: StepCallback | None = None,
    ) -> Tensor:
        """The released sampling loop on one batch, normalised ``[B, 263, 1, longest]``.

        Args:
            text_embed: see :meth:`.reading.CaptionReader.encode`.
            lengths: valid frames of each clip, taken as they are.
            steps: all when None; else so many by the released respacing rule.
        """
        c = self.net.config
        return sample_exact(
            self.net,
            (len(lengths), c.joints, c.channels, max(lengths)),
            process=self.released_process(sampler, steps),
            y={"text_embed": text_embed, "mask": valid_frames(lengths, self.device)},
            guidance=guidance,
            sampler=sampler,
            generator=torch.Generator(self.device).manual_seed(seed),
            on_step=on_step,
            device=self.device,
        )

    def released_process(self, sampler: str, steps: int | None) -> ReleasedProcess:
        """Tables of the exact mode: all steps when None, else so many by the released rule."""
        if sampler not in LOOPS:
            raise InvalidRequest(
                f"The exact mode has no sampler {sampler!r}.", f"Use {' or '.join(LOOPS)}."
            )
        rule = None if steps is None else f"ddim{steps}" if sampler == "ddim" else str(steps)
        return ReleasedProcess.of(self.schedule, rule, sigma_small=self.net.config.sigma_small)
