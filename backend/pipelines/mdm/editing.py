"""Editing with MDM: :func:`backend.pipelines.editing.edit` in the 263 features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ...diffusion.inpaint import Inpainting, sample_masked
from ...diffusion.loop import seeded_generators
from ...diffusion.schedule import Schedule
from ...errors import InvalidRequest
from ...models.mdm.network import MDM
from ...motion.representations.hml263 import SPEC
from ...store.model_folder import Stats
from ...wire.messages import Motion
from ..editing import edit as editing
from ..editing.edit import EditSampling
from ..editing.space_hml263 import Hml263Space
from ..editing.spaces import EditSpace
from ..humanml3d.lengths import MAX_FRAMES, MIN_FRAMES
from ..humanml3d.output import check_skeleton
from .folder import MDMPipelineConfig


class MdmEditing:
    """What an MDM pipeline needs to edit; a part of :class:`backend.pipelines.mdm.MDMPipeline`."""

    edit_space: EditSpace = Hml263Space()
    config: MDMPipelineConfig
    net: MDM
    stats: Stats
    schedule: Schedule
    device: torch.device
    spec: Any
    _fast: Any
    encode_text: Callable[[Sequence[str]], Any]
    _guidance: Callable[[float | None], float]

    def edit(self, motion: Motion, prompt: str, **options: Any) -> Motion:
        """Make part of a motion anew: see :func:`backend.pipelines.editing.edit`."""
        check_skeleton(self.spec.dim, self.config.name, "Edit with a HumanML3D model.")
        if self.net.config.context_len:
            raise InvalidRequest(
                f"The model {self.config.name!r} goes on from a motion; it cannot edit one.",
                "Let a motion go on with kinetype continue, or edit with starter or another MDM.",
            )
        return editing.edit(self, motion, prompt, **options)

    @property
    def edit_seconds(self) -> tuple[float, float]:
        """See :class:`backend.pipelines.editing.edit.EditingModel`."""
        return MIN_FRAMES / SPEC.fps, MAX_FRAMES / SPEC.fps

    def sample_edit(
        self, parts: Sequence[str], frames: int, known: Inpainting, how: EditSampling
    ) -> tuple[Tensor, Tensor]:
        """See :class:`backend.pipelines.editing.edit.EditingModel`; one window, one caption."""
        if frames > MAX_FRAMES:
            raise InvalidRequest(
                f"The model {self.config.name!r} edits up to {MAX_FRAMES / SPEC.fps:g} seconds, "
                f"the clip has {frames / SPEC.fps:g}.",
                "Cut the clip, or edit with a model that makes long clips (starter).",
            )
        steps = min(self.config.steps, self.schedule.steps) if how.steps is None else how.steps
        return sample_masked(
            self._fast.guided(self._guidance(how.guidance_scale)),
            (1, frames, SPEC.dim),
            known,
            schedule=self.schedule,
            sampler=how.sampler or self.config.sampler,
            steps=steps,
            y={"text_embed": self.encode_text([", then ".join(parts)])},
            generator=seeded_generators(how.seed, 1),
            on_step=how.on_step,
            device=self.device,
        )
