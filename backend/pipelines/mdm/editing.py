"""Editing with MDM: :func:`backend.pipelines.editing.edit` in the 263 features."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from ...diffusion.inpaint import Inpainting, sample_masked
from ...diffusion.loop import seeded_generators
from ...errors import InvalidRequest
from ...motion.representations.hml263 import SPEC
from ..editing.edit import EditSampling
from ..humanml3d.lengths import MAX_FRAMES, MIN_FRAMES
from .sampling import MdmSampling

EDIT_SECONDS = (MIN_FRAMES / SPEC.fps, MAX_FRAMES / SPEC.fps)
"""See :class:`backend.pipelines.editing.edit.EditingModel`."""


def check_edits(sampling: MdmSampling) -> None:
    """:class:`InvalidRequest` for a planner, which goes on from motions only."""
    if sampling.net.config.context_len:
        raise InvalidRequest(
            f"The model {sampling.config.name!r} goes on from a motion; it cannot edit one.",
            "Let a motion go on with kinetype continue, or edit with starter or another MDM.",
        )


def sample_edit(
    sampling: MdmSampling,
    encode_text: Callable[[Sequence[str]], object],
    parts: Sequence[str],
    frames: int,
    known: Inpainting,
    how: EditSampling,
) -> tuple[Tensor, Tensor]:
    """See :class:`backend.pipelines.editing.edit.EditingModel`; one window, one caption."""
    if frames > MAX_FRAMES:
        raise InvalidRequest(
            f"The model {sampling.config.name!r} edits up to {MAX_FRAMES / SPEC.fps:g} seconds, "
            f"the clip has {frames / SPEC.fps:g}.",
            "Cut the clip, or edit with a model that makes long clips (starter).",
        )
    return sample_masked(
        sampling.guided(how.guidance_scale),
        (1, frames, SPEC.dim),
        known,
        schedule=sampling.schedule,
        sampler=sampling.sampler(how.sampler),
        steps=sampling.steps(how.steps),
        y={"text_embed": encode_text([", then ".join(parts)])},
        generator=seeded_generators(how.seed, 1),
        on_step=how.on_step,
        device=sampling.device,
    )
