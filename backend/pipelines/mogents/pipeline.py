"""Text to motion with MoGenTS (Yuan et al., NeurIPS 2024; :mod:`backend.models.mogents`)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from ...diffusion.loop import StepCallback, seeded_generators
from ...models.mogents.draws import BatchDraws, ClipDraws, Draws
from ...models.mogents.networks import Networks
from ...models.mogents.sampling import MaskOptions, ResidualOptions
from ...motion.representations.hml263 import SPEC
from ...store import model_folder
from ...store.model_folder import Stats
from ...text import clip
from ...text.clip import ClipTextEncoder
from ...text.clip_tokens import ClipTokens
from ...wire.messages import Request
from ..base import FamilyPipeline, Made
from ..calls import (
    Stages,
    check_one_each,
    check_texts,
    checked_guidance,
    chunks_of_like_length,
    cut_warning,
    drawn_seed,
    named_settings,
    part_of,
)
from ..humanml3d.lengths import request_length, trained_length
from ..humanml3d.output import check_skeleton, rigged
from . import folder as mogents_files
from .core import MoGenTSCore

CLIPS_AT_ONCE = 32
"""Clips of one network call: more gain no speed and take memory."""
_log = logging.getLogger(__name__)


class MoGenTSPipeline(MoGenTSCore, FamilyPipeline):
    """The networks of a model with its statistics and text encoder."""

    def __init__(
        self,
        networks: Networks,
        stats: Stats,
        *,
        encoder: Any = None,
        folder: Path | None = None,
        values: dict[str, Any] | None = None,
        device: str | torch.device | None = None,
        precision: str = "float32",
        local_files_only: bool = False,
    ) -> None:
        super().__init__(networks, stats, device=device, precision=precision)
        values = values or {}
        self.name = str(values.get("name") or (folder.name if folder else "mogents"))
        self.licence = str(values.get("licence") or "")
        self._extra = {k: values[k] for k in mogents_files.SHOWN if k in values}
        self._encoder = encoder
        self._folder = folder
        self._local_files_only = local_files_only

    # ------------------------------------------------------------------ files

    @classmethod
    def find(
        cls, name_or_path: str | Path, *, revision: str | None, local_files_only: bool
    ) -> Path:
        """See :class:`FamilyPipeline`."""
        return model_folder.resolve(
            name_or_path,
            (mogents_files.CONFIG,),
            optional=mogents_files.file_names(),
            revision=revision,
            local_files_only=local_files_only,
        )

    @classmethod
    def read(
        cls,
        folder: Path,
        *,
        device: str | torch.device | None = None,
        precision: str | None = None,
        local_files_only: bool = False,
    ) -> Self:
        """See :class:`FamilyPipeline`.

        Args:
            precision: half of it makes the transformers faster (their token ids differ then); what
                ``mogents_config.json`` says, else float32, when None.
        """
        networks, stats, values = mogents_files.load(folder)
        return cls(
            networks,
            stats,
            folder=folder,
            values=values,
            device=device,
            precision=precision or str(values.get("precision") or "float32"),
            local_files_only=local_files_only,
        )

    def write(self, folder: Path, *, text_encoder: bool | None = None) -> None:
        """See :class:`FamilyPipeline`.

        Args:
            text_encoder: put the text encoder in; when None, if it is in use or came with the
                model.
        """
        encoder = self.encoder if text_encoder else None
        if text_encoder is None:
            encoder = self._encoder or self._brought_encoder()
        mogents_files.save(folder, self.networks, self.stats, encoder, self._extra)

    def _brought_encoder(self) -> ClipTextEncoder | None:
        """The encoder of the model's folder, without a vocabulary if it came so."""
        if self._folder is None or not clip.has_weights(self._folder):
            return None
        if ClipTokens.found_in(self._folder):
            return ClipTextEncoder.load(self._folder)
        return ClipTextEncoder.from_weights(self._folder)

    # ------------------------------------------------------------------ atoms

    @property
    def encoder(self) -> Any:
        """The text encoder, loaded on first use: the model's own, else by name."""
        if self._encoder is None:
            self._encoder = mogents_files.load_encoder(
                self._folder, device=self.device, local_files_only=self._local_files_only
            )
        return self._encoder

    def encode_text(self, captions: Sequence[str]) -> Tensor:
        """``[B, 512]`` float32 text features; every network reads the same ones.

        A caption beyond the encoder's 77 tokens is cut, and a warning logged.
        """
        for caption, cut in zip(captions, self.encoder.truncated(list(captions)), strict=True):
            if cut:
                _log.warning("only the beginning of this caption is read: %s…", caption[:60])
        text: Tensor = self.encoder.encode(list(captions)).to(self.device)
        return clip.fitting(text, self.config.mask.clip_dim)

    # ------------------------------------------------------------------ inference

    def infer_t2m(
        self,
        captions: Sequence[str],
        lengths: Sequence[int] | None = None,
        *,
        seed: int | None = None,
        steps: int | None = None,
        guidance_scale: float | None = None,
        residual_guidance_scale: float | None = None,
        mask: MaskOptions | None = None,
        residual: ResidualOptions | None = None,
        exact: bool = False,
        on_step: StepCallback | None = None,
        **options: Any,
    ) -> list[np.ndarray]:
        """One clip per caption in HumanML3D features (KIT-ML's, for its models).

        Args:
            captions: one action each, any number.
            lengths: frames at 20 fps, any mix; each is rounded down to a multiple of 4 and brought
                into 40 to 196. The model's length estimator decides when None.
            seed: caption ``i`` uses ``seed + i`` and does not depend on its batch; drawn at random
                when None.
            steps, guidance_scale, residual_guidance_scale: replace those of the samplers.
            mask, residual: all options of the samplers; the pipeline's when None.
            exact: replay the released code: all captions are one batch with one generator of
                ``seed``, and clips of one batch influence each other as they do there.
            on_step: ``on_step(done, total)``; it may raise ``Cancelled``.
            options: settings by their authors' names (``timesteps``).

        Returns:
            A list of ``[length, 263]`` float32 arrays, un-normalised.

        Raises:
            InvalidRequest: a length that is no length, or a bad sampling setting.
        """
        check_one_each(captions, lengths)
        check_texts(captions)
        if not captions:
            return []
        rows = None if lengths is None else [self._rows(n) for n in lengths]
        guidance_scale, steps = named_settings(guidance_scale, steps, options)
        mask, residual = self._options(
            mask, residual, steps, guidance_scale, residual_guidance_scale
        )
        seed = drawn_seed(seed)
        text = self.encode_text(captions)
        if exact:
            draws: Draws = BatchDraws(seeded_generators(seed, 1)[0])
            rows = rows or self.estimate_lengths(text, draws)
            ids = self.sample_tokens(
                text, rows, draws, mask=mask, residual=residual, independent=False, on_step=on_step
            )
            return self.decode_tokens(*ids, rows, independent=False)
        generators = seeded_generators(seed, len(captions))
        rows = rows or self.estimate_lengths(text, ClipDraws(generators))
        chunks = chunks_of_like_length(rows, CLIPS_AT_ONCE)
        clips: dict[int, np.ndarray] = {}
        for index, chunk in enumerate(chunks):
            own = [rows[i] for i in chunk]
            ids = self.sample_tokens(
                text[chunk],
                own,
                ClipDraws([generators[i] for i in chunk]),
                mask=mask,
                residual=residual,
                on_step=part_of(on_step, index, len(chunks)),
            )
            clips |= zip(chunk, self.decode_tokens(*ids, own), strict=True)
        return [clips[i] for i in range(len(rows))]

    def make(self, request: Request, tell: Stages) -> list[Made]:
        """See :class:`FamilyPipeline`; steps and guidance are those of the mask networks."""
        check_skeleton(self.config.vq.dim, self.name)
        lengths = None
        if not request.estimate_length:
            lengths = [request_length(request.seconds, self.name)] * request.samples
        tell("reading the prompt")
        cut = self.encoder.truncated([request.prompt])[0]
        warnings = (cut_warning(request.prompt),) if cut else ()
        clips = self.infer_t2m(
            [request.prompt] * request.samples,
            lengths,
            seed=request.seed,
            steps=request.steps,
            guidance_scale=request.guidance_scale,
            on_step=tell.steps(),
        )
        own = [len(clip) / SPEC.fps if lengths is None else None for clip in clips]
        return [Made(c, {}, warnings, seconds) for c, seconds in zip(clips, own, strict=True)]

    def rig(self, features: np.ndarray, request: Request) -> tuple[np.ndarray, dict[str, Any]]:
        """See :class:`FamilyPipeline`."""
        return rigged(features, request)

    # ------------------------------------------------------------------ inside

    def _rows(self, frames: int) -> int:
        return trained_length(frames) // self.config.vq.frames_per_token

    def _options(
        self,
        mask: MaskOptions | None,
        residual: ResidualOptions | None,
        steps: int | None,
        guidance_scale: float | None,
        residual_guidance_scale: float | None,
    ) -> tuple[MaskOptions, ResidualOptions]:
        mask, residual = mask or self.mask, residual or self.residual
        if steps is not None:
            mask = replace(mask, timesteps=steps)
        if guidance_scale is not None:
            mask = replace(mask, guidance_scale=checked_guidance(guidance_scale))
        if residual_guidance_scale is not None:
            scale = checked_guidance(residual_guidance_scale)
            residual = replace(residual, guidance_scale=scale)
        return mask, residual

    def used(
        self, guidance_scale: float | None, steps: int | None, sampler: str | None
    ) -> dict[str, Any]:
        """What these settings are for this model, its own ones filled in; it has no sampler."""
        mask, residual = self._options(None, None, steps, guidance_scale, None)
        return {
            "steps": mask.timesteps,
            "guidance_scale": mask.guidance_scale,
            "residual_guidance_scale": residual.guidance_scale,
        }
