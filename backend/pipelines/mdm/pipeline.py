"""Text to motion with MDM (Tevet et al., ICLR 2023; :mod:`backend.models.mdm`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from ...diffusion.inpaint import Inpainting
from ...diffusion.loop import StepCallback
from ...models.mdm.network import MDM
from ...store.model_folder import Stats
from ...wire.messages import Motion, Progress, Request
from ..base import FamilyPipeline, Made
from ..calls import (
    Stages,
    check_one_each,
    check_texts,
    device_or_best,
    drawn_seed,
    frozen,
    named_settings,
)
from ..editing import edit as editing
from ..editing.continuing import ContinuesBy
from ..editing.edit import EditSampling
from ..editing.reaching import motions_reaching
from ..editing.space_hml263 import Hml263Space
from ..editing.spaces import EditSpace
from ..humanml3d import statistics as hml_statistics
from ..humanml3d.lengths import trained_length
from ..humanml3d.output import check_skeleton, rigged
from . import editing as mdm_editing
from . import folder as mdm_artifact
from . import planner
from .folder import MDMPipelineConfig
from .reading import CaptionReader
from .sampling import MdmSampling


class MDMPipeline(FamilyPipeline):
    """A network with its training statistics and text encoder.

    Attributes:
        sampling: the ways to sample, and the settings that the folder gives them.
        reader: what reads captions.
    """

    further_precisions = ("int8",)
    edit_space: EditSpace = Hml263Space()
    edit_seconds = mdm_editing.EDIT_SECONDS

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
        self.folder = folder
        self.sampling = MdmSampling(config, self.net, self.device, dtype)
        self.schedule = self.sampling.schedule
        self.reader = CaptionReader(
            self.net,
            self.device,
            encoder=encoder,
            name=config.text_encoder,
            folder=folder,
            local_files_only=local_files_only,
        )

    # ------------------------------------------------------------------ files

    @classmethod
    def find(
        cls, name_or_path: str | Path, *, revision: str | None, local_files_only: bool
    ) -> Path:
        """See :class:`FamilyPipeline`."""
        return mdm_artifact.resolve(
            name_or_path, revision=revision, local_files_only=local_files_only
        )

    @classmethod
    def read(
        cls,
        folder: Path,
        *,
        device: str | torch.device | None = None,
        precision: str = "float32",
        local_files_only: bool = False,
        dtype: torch.dtype | None = None,
    ) -> Self:
        """See :class:`FamilyPipeline`.

        Args:
            precision, dtype: of the network's matrix products in the default mode; "int8" for
                encoders on a CPU (InvalidRequest for others).
        """
        config, net, stats = mdm_artifact.load(folder)
        return cls(
            config,
            net,
            stats,
            folder=folder,
            device=device,
            dtype=dtype or getattr(torch, precision),
            local_files_only=local_files_only,
        )

    def write(self, folder: Path, *, half: bool = False, text_encoder: bool | None = None) -> None:
        """See :class:`FamilyPipeline`.

        Args:
            half: store the weights as float16.
            text_encoder: put the text encoder in; when None, if it is in use or came with the
                model.
        """
        wanted = self.reader.at_hand if text_encoder is None else text_encoder
        encoder = self.encoder if wanted else None
        weights = self.net.state_dict()
        mdm_artifact.save(folder, self.config, weights, self.stats, encoder, half=half)

    # ------------------------------------------------------------------ atoms

    @property
    def encoder(self) -> Any:
        """The text encoder, loaded on first use: the model's own, else by name."""
        return self.reader.encoder

    def encode_text(self, captions: Sequence[str]) -> Any:
        """What the network takes as ``y["text_embed"]``: :meth:`.CaptionReader.encode`."""
        return self.reader.encode(captions)

    def denormalise(self, x: Tensor) -> np.ndarray:
        """Network output ``[..., 263]`` to un-normalised features, float32."""
        return self.stats.denormalise(x).float().cpu().numpy()

    def denoise_exact(self, *arguments: Any, **options: Any) -> Tensor:
        """The released loop on one batch: :meth:`.MdmSampling.exact`."""
        return self.sampling.exact(*arguments, **options)

    # ------------------------------------------------------------------ inference

    def infer_t2m(
        self,
        captions: Sequence[str],
        lengths: Sequence[int],
        *,
        seed: int | None = None,
        guidance_scale: float | None = None,
        sampler: str | None = None,
        steps: int | None = None,
        exact: bool = False,
        on_step: StepCallback | None = None,
        **options: Any,
    ) -> list[np.ndarray]:
        """One clip per caption in HumanML3D features (KIT-ML's, for its models).

        Args:
            captions: one action each, any number; they are not split into parts.
            lengths: frames at 20 fps, any mix; each is rounded down to a multiple of 4 and brought
                into 40 to 196, as the released code does. A prefix-completion model (DiP) makes
                any length, from a standing start (see :mod:`.planner`).
            seed: caption ``i`` uses ``seed + i`` and does not depend on its batch; drawn at random
                when None.
            guidance_scale, sampler, steps: the model's defaults when None.
            exact: replay the released code bit by bit: all captions are one batch with one
                generator of ``seed``, every step is taken (``sampler`` "ddpm" and all steps when
                None), padding is attended where the release does so.
            on_step: ``on_step(done, total)``; it may raise ``Cancelled``.
            options: settings by the names that others give them (``guidance_param``).

        Returns:
            A list of ``[length, 263]`` float32 arrays, un-normalised.

        Raises:
            InvalidRequest: a length that is no length, or a bad sampling setting.
        """
        check_one_each(captions, lengths)
        guidance_scale, steps = named_settings(guidance_scale, steps, options)
        if planner.is_planner(self.net):
            settings = {"guidance_scale": guidance_scale, "sampler": sampler, "steps": steps}
            rest = {"seed": seed, "exact": exact, "on_step": on_step}
            return self.complete_prefixes(captions, lengths, **settings, **rest)
        check_texts(captions)
        frames = [trained_length(n, self.spec.fps) for n in lengths]
        seed = drawn_seed(seed)
        if not frames:
            return []
        guidance = self.sampling.guidance(guidance_scale)
        if exact:
            x = self.sampling.exact(
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
            rows = self.sampling.in_chunks(
                lambda chunk: self.encode_text([captions[i] for i in chunk]),
                frames,
                self.spec.dim,
                seed,
                guidance=guidance_scale,
                sampler=sampler,
                steps=steps,
                on_step=on_step,
            )
        return [self.denormalise(row[:n]) for row, n in zip(rows, frames, strict=True)]

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
        """As of every family; constraints are reached as an edit is made."""
        if not request.constraints:
            return super().generate(request, on_step)
        request, tell = request.validated(), Stages(request, on_step)
        check_skeleton(self.spec.dim, self.config.name, "Use a HumanML3D model.")
        mdm_editing.check_edits(self.sampling)
        warnings = list(self.reader.warnings(request.prompt))
        told = {"parts": [request.prompt], "warnings": warnings}
        return motions_reaching(self, request, tell, [(request.prompt, 1.0)], told)

    def make(self, request: Request, tell: Stages) -> list[Made]:
        """See :class:`FamilyPipeline`; ``Motion.meta`` also holds the prompt as its one part."""
        check_skeleton(self.spec.dim, self.config.name)
        frames = planner.request_frames(self, request.seconds)
        tell("reading the prompt")
        warnings = self.reader.warnings(request.prompt)
        clips = self.infer_t2m(
            [request.prompt] * request.samples,
            [frames] * request.samples,
            seed=request.seed,
            guidance_scale=request.guidance_scale,
            sampler=request.sampler,
            steps=request.steps,
            on_step=tell.steps(),
        )
        return [Made(clip, {"parts": [request.prompt]}, warnings) for clip in clips]

    def rig(self, features: np.ndarray, request: Request) -> tuple[np.ndarray, dict[str, Any]]:
        """See :class:`FamilyPipeline`."""
        return rigged(features, request)

    def used(
        self, guidance_scale: float | None, steps: int | None, sampler: str | None
    ) -> dict[str, Any]:
        """What these settings are for this model, its own ones filled in."""
        return self.sampling.used(guidance_scale, steps, sampler)

    # ------------------------------------------------------------------ editing

    def edit(self, motion: Motion, prompt: str, **options: Any) -> Motion:
        """Make part of a motion anew: see :func:`backend.pipelines.editing.edit`."""
        check_skeleton(self.spec.dim, self.config.name, "Edit with a HumanML3D model.")
        mdm_editing.check_edits(self.sampling)
        return editing.edit(self, motion, prompt, **options)

    def sample_edit(
        self, parts: Sequence[str], frames: int, known: Inpainting, how: EditSampling
    ) -> tuple[Tensor, Tensor]:
        """See :class:`backend.pipelines.editing.edit.EditingModel`."""
        return mdm_editing.sample_edit(self.sampling, self.encode_text, parts, frames, known, how)
