"""Text to motion with MDM (Tevet et al., ICLR 2023; :mod:`backend.models.mdm`)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...diffusion.exact import LOOPS, ReleasedProcess, sample_exact
from ...diffusion.loop import StepCallback, sample, seeded_generators
from ...diffusion.schedule import Schedule
from ...errors import InvalidRequest
from ...models.mdm.fast import FastMDM
from ...models.mdm.network import MDM
from ...store.model_folder import Stats
from ...store.new_folder import new_folder
from ...wire.messages import Motion, Progress, Request
from .. import registry
from ..calls import (
    Stages,
    check_one_each,
    check_texts,
    checked_guidance,
    chunks_of_like_length,
    device_or_best,
    drawn_seed,
    frozen,
    meta_of,
    part_of,
)
from ..editing.continuing import ContinuesBy
from ..humanml3d import statistics as hml_statistics
from ..humanml3d.lengths import trained_length, valid_frames
from ..humanml3d.output import check_skeleton, to_motions
from . import folder as mdm_artifact
from . import planner
from .editing import MdmEditing
from .folder import MDMPipelineConfig
from .reading import MdmReading

CLIPS_AT_ONCE = {"cpu": 32, "other": 128}
"""Clips of one network call: more gain no speed and take memory."""


class MDMPipeline(MdmReading, MdmEditing):
    """A network with its training statistics and text encoder."""

    def __init__(
        self,
        config: MDMPipelineConfig,
        net: MDM,
        stats: Stats,
        *,
        encoder: Any = None,
        folder: Path | None = None,
        device: str | torch.device | None = None,
        dtype: torch.dtype = torch.float32,
        local_files_only: bool = False,
    ) -> None:
        self.config = config
        self.device = device_or_best(device)
        self.net = frozen(net, self.device)
        self.stats = stats
        self.spec = hml_statistics.SPECS[net.config.features]
        self.schedule = Schedule(net.config.noise_schedule, net.config.diffusion_steps)
        self._encoder = encoder
        self._folder = folder
        self._dtype = dtype
        self._local_files_only = local_files_only

    # ------------------------------------------------------------------ files

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path,
        *,
        device: str | torch.device | None = None,
        local_files_only: bool = False,
        revision: str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> MDMPipeline:
        """Load a model directory or hub id; every file is verified.

        Args:
            dtype: of the network's matrix products in the default mode.

        Raises:
            ModelNotFound: nothing there.
            ArtifactError: a file is missing, damaged, or does not fit the others.
        """
        folder = mdm_artifact.resolve(
            registry.bundled_folder(name_or_path),
            revision=revision,
            local_files_only=local_files_only,
        )
        config, net, stats = mdm_artifact.load(folder)
        return cls(
            config,
            net,
            stats,
            folder=folder,
            device=device,
            dtype=dtype,
            local_files_only=local_files_only,
        )

    def save_pretrained(
        self,
        directory: str | Path,
        *,
        half: bool = False,
        text_encoder: bool | None = None,
        overwrite: bool = False,
    ) -> Path:
        """Write the model folder, whole or not at all, and return it.

        Args:
            half: store the weights as float16.
            text_encoder: put the text encoder in; when None, if it is in use or came with the
                model.
            overwrite: replace a model folder that is there already, with all that is in it.

        Raises:
            OutputError: the folder is there already, or cannot be written.
        """
        if text_encoder is None:
            text_encoder = self._has_encoder()
        encoder = self.encoder if text_encoder else None
        weights = self.net.state_dict()
        with new_folder(directory, overwrite=overwrite) as folder:
            mdm_artifact.save(folder, self.config, weights, self.stats, encoder, half=half)
        return Path(directory)

    # ------------------------------------------------------------------ atoms

    @cached_property
    def _fast(self) -> FastMDM:
        """The network for the default mode; padding is never attended, so that it cannot matter."""
        masked = copy.copy(self.net)
        masked.config = replace(self.net.config, mask_frames=True)
        return FastMDM(masked, dtype=self._dtype)

    def denormalise(self, x: Tensor) -> np.ndarray:
        """Network output ``[..., 263]`` to un-normalised features, float32."""
        return self.stats.denormalise(x).float().cpu().numpy()

    # ------------------------------------------------------------------ inference

    def infer_t2m(
        self,
        captions: Sequence[str],
        lengths: Sequence[int],
        *,
        seed: int | None = None,
        guidance_param: float | None = None,
        sampler: str | None = None,
        steps: int | None = None,
        exact: bool = False,
        on_step: StepCallback | None = None,
    ) -> list[np.ndarray]:
        """One clip per caption in HumanML3D features (KIT-ML's, for its models).

        Args:
            captions: one action each, any number; they are not split into parts.
            lengths: frames at 20 fps, any mix; each is rounded down to a multiple of 4 and brought
                into 40 to 196, as the released code does. A prefix-completion model (DiP) makes
                any length, from a standing start (see :mod:`.planner`).
            seed: caption ``i`` uses ``seed + i`` and does not depend on its batch; drawn at random
                when None.
            guidance_param, sampler, steps: the model's defaults when None.
            exact: replay the released code bit by bit: all captions are one batch with one
                generator of ``seed``, every step is taken (``sampler`` "ddpm" and all steps when
                None), padding is attended where the release does so.
            on_step: ``on_step(done, total)``; it may raise ``Cancelled``.

        Returns:
            A list of ``[length, 263]`` float32 arrays, un-normalised.

        Raises:
            InvalidRequest: a length that is no length, or a bad sampling setting.
        """
        check_one_each(captions, lengths)
        if planner.is_planner(self.net):
            sampling = {"guidance_param": guidance_param, "sampler": sampler, "steps": steps}
            rest = {"seed": seed, "exact": exact, "on_step": on_step}
            return self.complete_prefixes(captions, lengths, **sampling, **rest)
        check_texts(captions)
        frames = [trained_length(n, self.spec.fps) for n in lengths]
        seed = drawn_seed(seed)
        if not frames:
            return []
        guidance = self._guidance(guidance_param)
        if exact:
            x = self.denoise_exact(
                self.encode_text(captions),
                frames,
                seed,
                guidance=guidance,
                sampler=sampler or "ddpm",
                steps=steps,
                on_step=on_step,
            )
            rows = list(x[:, :, 0].permute(0, 2, 1))
        else:
            rows = self._denoise(
                captions,
                frames,
                seed,
                guidance=guidance,
                sampler=sampler or self.config.sampler,
                steps=self._default_steps if steps is None else steps,
                on_step=on_step,
            )
        return [self.denormalise(row[:n]) for row, n in zip(rows, frames, strict=True)]

    def denoise_exact(
        self,
        text_embed: Any,
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
            text_embed: see :meth:`encode_text`.
            lengths: valid frames of each clip, taken as they are.
            steps: all when None; else so many by the released respacing rule.
        """
        net, longest = self.net, max(lengths)
        mask = valid_frames(lengths, self.device)
        return sample_exact(
            net,
            (len(lengths), net.config.joints, net.config.channels, longest),
            process=self.released_process(sampler, steps),
            y={"text_embed": text_embed, "mask": mask},
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

    @property
    def continues_by(self) -> ContinuesBy:
        """How it goes on from a motion: a planner by what it was made for, others by editing."""
        return "prefix" if planner.is_planner(self.net) else "editing"

    def complete_prefixes(
        self, captions: Sequence[planner.Caption], lengths: Sequence[int], **options: Any
    ) -> list[np.ndarray]:
        """What follows given motions: :func:`.planner.complete`."""
        return planner.complete(self, captions, lengths, **options)

    def generate(
        self, request: Request, on_step: Callable[[Progress], None] | None = None
    ) -> list[Motion]:
        """The motions of a request in motion_135 at 30 fps, one per sample.

        Each ``Motion.meta`` holds prompt, seed, model, params, warnings and licence.

        Args:
            on_step: receives a Progress at each step; it may raise ``Cancelled``.

        Raises:
            InvalidRequest: a value out of the model's limits, which the message names.
        """
        request = request.validated()
        check_skeleton(self.spec.dim, self.config.name)
        frames = planner.request_frames(self, request.seconds)
        tell = Stages(request, on_step)
        tell("reading the prompt")
        warnings = self._warnings(request.prompt)
        clips = self.infer_t2m(
            [request.prompt] * request.samples,
            [frames] * request.samples,
            seed=request.seed,
            guidance_param=request.guidance_scale,
            sampler=request.sampler,
            steps=request.steps,
            on_step=tell.steps(),
        )
        tell("converting")
        seeds = range(request.seed, request.seed + request.samples)
        return to_motions(clips, request, [self._meta(request, s, warnings) for s in seeds])

    # ------------------------------------------------------------------ inside

    def _denoise(
        self,
        captions: Sequence[str],
        frames: Sequence[int],
        seed: int,
        *,
        guidance: float,
        sampler: str,
        steps: int,
        on_step: StepCallback | None,
    ) -> list[Tensor]:
        """Normalised clips ``[length, 263]`` in the order of the captions, sampled in chunks."""
        if sampler == "ddpm" and not self.net.config.sigma_small:
            raise InvalidRequest(
                f"The model {self.config.name!r} samples with the large variance (sigma_small is "
                "false), which only the exact mode has.",
                "Use exact=True, or the sampler ddim or dpmpp.",
            )
        chunks = chunks_of_like_length(frames, self._chunk_size())
        rows: dict[int, Tensor] = {}
        for index, chunk in enumerate(chunks):
            lengths = [frames[i] for i in chunk]
            generators = [seeded_generators(seed + i, 1)[0] for i in chunk]
            y: dict[str, Any] = {"text_embed": self.encode_text([captions[i] for i in chunk])}
            if len(set(lengths)) > 1:
                y["mask"] = valid_frames(lengths, self.device)
            x = sample(
                self._fast.guided(guidance),
                (len(chunk), max(lengths), self.spec.dim),
                schedule=self.schedule,
                sampler=sampler,
                steps=steps,
                y=y,
                generator=generators,
                lengths=lengths,
                on_step=part_of(on_step, index, len(chunks)),
                device=self.device,
            )
            rows |= {i: x[row, : frames[i]] for row, i in enumerate(chunk)}
        return [rows[i] for i in range(len(frames))]

    @property
    def _default_steps(self) -> int:
        return min(self.config.steps, self.schedule.steps)

    def _chunk_size(self) -> int:
        if self.net.config.arch == "gru":
            return 1  # its recurrence runs over the batch
        return CLIPS_AT_ONCE.get(self.device.type, CLIPS_AT_ONCE["other"])

    def _guidance(self, wanted: float | None) -> float:
        if self.net.config.cond_mask_prob == 0:
            return 1.0  # never trained without a caption
        return checked_guidance(self.config.guidance_param if wanted is None else wanted)

    def used(
        self, guidance_scale: float | None, steps: int | None, sampler: str | None
    ) -> dict[str, Any]:
        """What these settings are for this model, its own ones filled in."""
        return {
            "sampler": sampler or self.config.sampler,
            "steps": self._default_steps if steps is None else steps,
            "guidance_scale": self._guidance(guidance_scale),
        }

    def _meta(self, request: Request, seed: int, warnings: list[str]) -> dict[str, Any]:
        used = self.used(request.guidance_scale, request.steps, request.sampler)
        params = {"seconds": request.seconds, **used}
        return meta_of(request, seed, params, parts=[request.prompt], warnings=warnings)
