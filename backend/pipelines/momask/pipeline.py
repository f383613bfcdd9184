"""Text to motion with MoMask (Guo et al., CVPR 2024; :mod:`backend.models.momask`).

What is done with captions, lengths, seeds and requests is MoGenTS', which was built on it; here is
what a single stream of tokens does otherwise, and editing in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...diffusion.inpaint import Inpainting
from ...diffusion.loop import StepCallback, seeded_generators
from ...errors import FormatError, InvalidRequest
from ...models.mogents.draws import ClipDraws, Draws
from ...models.mogents.layout import Layout
from ...models.mogents.sampling import (
    KeptTokens,
    MaskOptions,
    ResidualOptions,
    sample_masked,
    sample_residual,
)
from ...models.momask.networks import Networks
from ...motion.representations.hml263 import SPEC
from ...store import model_folder
from ...wire.messages import Motion
from ..calls import checked_guidance
from ..editing import edit as editing
from ..editing.edit import EditSampling
from ..editing.space_hml263 import Hml263Space
from ..editing.spaces import EditSpace
from ..humanml3d.lengths import MAX_FRAMES, MIN_FRAMES
from ..humanml3d.output import check_skeleton
from ..mogents.core import step_counter
from ..mogents.pipeline import MoGenTSPipeline
from . import folder as momask_files


class MoMaskPipeline(MoGenTSPipeline):
    """The networks of a model with its statistics and text encoder.

    Attributes:
        networks: :class:`backend.models.momask.networks.Networks`.
    """

    edit_space: EditSpace = Hml263Space()
    networks: Networks  # type: ignore[assignment]

    def __init__(self, networks: Networks, stats: model_folder.Stats, **options: object) -> None:
        """See :class:`MoGenTSPipeline`."""
        super().__init__(networks, stats, **options)  # type: ignore[arg-type]
        self.mask = MaskOptions(tempered=True)

    # ------------------------------------------------------------------ files

    @classmethod
    def find(
        cls, name_or_path: str | Path, *, revision: str | None, local_files_only: bool
    ) -> Path:
        """See :class:`FamilyPipeline`; a released ``checkpoints/t2m`` will do, too."""
        return model_folder.resolve(
            name_or_path,
            (),
            optional=momask_files.file_names(),
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
        """See :meth:`MoGenTSPipeline.read`."""
        networks, stats, values = momask_files.load(folder)
        return cls(
            networks,
            stats,
            folder=momask_files.text_folder(folder),
            values=values,
            device=device,
            precision=precision or str(values.get("precision") or "float32"),
            local_files_only=local_files_only,
        )

    def write(self, folder: Path, *, text_encoder: bool | None = None) -> None:
        """See :meth:`MoGenTSPipeline.write`."""
        encoder = self.encoder if text_encoder else None
        if text_encoder is None:
            encoder = self._encoder or self._brought_encoder()
        momask_files.save(folder, self.networks, self.stats, encoder, self._extra)

    # ------------------------------------------------------------------ tokens

    def sample_tokens(  # type: ignore[override]
        self,
        text: Tensor,
        rows: Sequence[int],
        draws: Draws,
        *,
        mask: MaskOptions | None = None,
        residual: ResidualOptions | None = None,
        independent: bool = True,
        kept: KeptTokens | None = None,
        on_step: StepCallback | None = None,
    ) -> tuple[Tensor]:
        """Token ids ``[B, T4, Q]`` as a tuple of one; padding is -1.

        Args:
            kept: base tokens of clips that are edited.
        """
        if text.shape != (len(rows), self.config.mask.clip_dim):
            raise FormatError(
                f"Text features of shape {list(text.shape)} do not fit {len(rows)} lengths.",
                f"Give [{len(rows)}, {self.config.mask.clip_dim}].",
            )
        layout = Layout(rows, self.device, independent=independent)
        mask, residual = mask or self.mask, residual or self.residual
        stages = self.config.vq.num_quantizers - 1
        step = step_counter(mask.timesteps + min(stages, residual.layers or stages), on_step)
        text = text.to(self.device)
        with self._autocast():
            base = sample_masked(self.networks.mask, text, layout, draws, mask, step, kept)
            return (sample_residual(self.networks.res, base, text, layout, draws, residual, step),)

    @torch.no_grad()
    def decode_tokens(  # type: ignore[override]
        self, ids: Tensor, rows: Sequence[int], *, independent: bool = True
    ) -> list[np.ndarray]:
        """Token ids to un-normalised features ``[4 * rows[i], dim]``, float32.

        Args:
            independent: decode each clip without its padding; the released code decodes the padded
                batch, whose padding reaches into the ends of shorter clips.
        """
        if ids.dim() != 3 or len(ids) != len(rows) or not 0 < max(rows) <= ids.shape[1]:
            raise FormatError(
                f"Token ids of shape {list(ids.shape)} and lengths {list(rows)} do not belong "
                "together.",
                "Give [clips, rows, q] with a length for each clip.",
            )
        frames = self.config.vq.frames_per_token
        clips: dict[int, np.ndarray] = {}
        for group in self._decoding_groups(rows) if independent else [list(range(len(rows)))]:
            longest = max(rows[i] for i in group)
            motion = self.networks.vq.decode(ids[group][:, :longest].to(self.device))
            values = self.stats.denormalise(motion).float().cpu().numpy()
            clips |= {i: values[k, : rows[i] * frames] for k, i in enumerate(group)}
        return [clips[i] for i in range(len(rows))]

    def encode_motions(  # type: ignore[override]
        self, motions: Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        """Token ids ``[T // 4, Q]`` of un-normalised features ``[T, dim]``."""
        out = []
        for motion in motions:
            x = torch.as_tensor(np.asarray(motion, dtype=np.float32))
            with torch.no_grad():
                ids = self.networks.vq.encode(self.stats.normalise(x)[None].to(self.device))
            out.append(ids[0].cpu().numpy())
        return out

    # ------------------------------------------------------------------ editing

    def edit(self, motion: Motion, prompt: str, **options: object) -> Motion:
        """Make part of a motion anew: see :func:`backend.pipelines.editing.edit`."""
        check_skeleton(self.config.vq.dim, self.name, "Edit with a HumanML3D model.")
        return editing.edit(self, motion, prompt, **options)  # type: ignore[arg-type]

    @property
    def edit_seconds(self) -> tuple[float, float]:
        """See :class:`backend.pipelines.editing.edit.EditingModel`."""
        return MIN_FRAMES / SPEC.fps, MAX_FRAMES / SPEC.fps

    @torch.no_grad()
    def sample_edit(
        self, parts: Sequence[str], frames: int, known: Inpainting, how: EditSampling
    ) -> tuple[Tensor, Tensor]:
        """Tokens with a frame that is not wholly known are masked and filled in.

        See :class:`backend.pipelines.editing.edit.EditingModel`.
        """
        if frames > MAX_FRAMES:
            raise InvalidRequest(
                f"The model {self.name!r} edits up to {MAX_FRAMES / SPEC.fps:g} seconds, "
                f"the clip has {frames / SPEC.fps:g}.",
                "Cut the clip, or edit with a model that makes long clips (starter).",
            )
        size = self.config.vq.frames_per_token
        more = -frames % size
        mask, reference = (x.to(self.device) for x in (known.mask, known.reference))
        whole = functional.pad(mask.all(dim=-1), (0, more), value=True)
        filled = torch.cat([reference, reference[:, -1:].expand(-1, more, -1)], dim=1)
        edited = ~whole.unflatten(1, (-1, size)).all(dim=2)
        if not bool(edited.any()):
            return reference, reference
        options = self.mask if how.steps is None else replace(self.mask, timesteps=how.steps)
        if how.guidance_scale is not None:
            scale = checked_guidance(how.guidance_scale)
            options = replace(options, guidance_scale=scale, unconditional=scale == 0)
        (ids,) = self.sample_tokens(
            self.encode_text([", then ".join(parts)]),
            [edited.shape[1]],
            ClipDraws(seeded_generators(how.seed, 1)),
            mask=options,
            kept=KeptTokens(self.networks.vq.encode(filled)[..., 0], edited),
            on_step=how.on_step,
        )
        raw = self.networks.vq.decode(ids)[:, :frames]
        sample = torch.where(mask, reference, raw)
        if known.constrain is not None:
            sample = torch.where(mask, reference, known.constrain(sample))
        return sample, raw
