"""A prompt written as a timeline: several texts, each with its time and parts of the body.

One text a line, ``walk in a circle # 0 # 6 # legs # spine`` (start and end in seconds); what moves
which part when is :mod:`backend.diffusion.timeline`'s plan (STMC, Petrovich et al. 2024). The
features of this family fall apart into parts of the body, so that each text is denoised over its
own time and the parts are put together at every step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from ...diffusion import timeline
from ...diffusion.guidance import Denoiser, guided
from ...diffusion.loop import StepCallback, sample, seeded_generators
from ...diffusion.schedule import power_spaced
from ...errors import InvalidRequest
from ...models.dit import DiT
from ...motion.body_parts import PART_JOINTS, part_columns
from ...motion.representations import smplrifke205
from ...store.model_folder import Stats
from ...wire.messages import Motion, Progress, Request
from ...wire.skeleton import MOTION_FPS
from ..calls import Stages, checked_guidance, meta_of, part_of
from .config import SPEC, DiTPipelineConfig

MARK = "#"


class TimelineModel(Protocol):
    """What is needed of a pipeline of this family."""

    config: DiTPipelineConfig
    net: DiT
    stats: Stats
    device: torch.device

    def encode_text(self, captions: Sequence[str]) -> dict[str, Tensor]:
        """The condition of captions, one row each."""


def is_timeline(prompt: str) -> bool:
    """Whether a prompt is written as a timeline."""
    return MARK in prompt


class TimelineDenoiser:
    """A denoiser of one timeline ``[1, T, D]`` made of one that knows single texts.

    Args:
        told: with guidance, for texts; untold: without any text, for transitions.
        y: condition with a row for each prediction of ``plan``, transitions last.
    """

    def __init__(
        self, told: Denoiser, untold: Denoiser, plan: timeline.Timeline, y: Mapping[str, Tensor]
    ) -> None:
        self._told, self._untold, self._plan = told, untold, plan
        first = len(plan.spans) - plan.transitions
        self._rows = (slice(0, first), slice(first, None))
        self._y = [{key: value[rows] for key, value in y.items()} for rows in self._rows]
        self._columns = {part: torch.from_numpy(part_columns(SPEC, part)) for part in PART_JOINTS}

    def __call__(self, x: Tensor, timesteps: Tensor, _: dict[str, Tensor]) -> Tensor:
        """Predict every text over its own time, and join the parts of the body."""
        crops, _real = timeline.crops(x, [self._plan])
        predicted = []
        for net, rows, y in zip((self._told, self._untold), self._rows, self._y, strict=True):
            own = crops[rows]
            if len(own):
                predicted.append(net(own, timesteps[:1].expand(len(own)), y))
        return timeline.combine(torch.cat(predicted), [self._plan], self._columns)


def sample_timeline(
    model: TimelineModel,
    plan: timeline.Timeline,
    seed: int,
    *,
    guidance_scale: float | None = None,
    steps: int | None = None,
    sampler: str | None = None,
    on_step: StepCallback | None = None,
) -> Tensor:
    """Normalised features ``[T, 205]`` of a timeline at 20 fps."""
    c = model.config
    scale = checked_guidance(c.guidance_scale if guidance_scale is None else guidance_scale)
    y = dict(model.encode_text(plan.texts))
    y["lengths"] = torch.tensor(plan.lengths, device=model.device)
    count, sampler = c.steps if steps is None else steps, sampler or c.sampler
    spaced = count if sampler == "dpmpp" else power_spaced(c.schedule.steps, count, c.step_power)
    x = sample(
        TimelineDenoiser(guided(model.net, scale), guided(model.net, 0.0), plan, y),
        (1, plan.frames, SPEC.dim),
        schedule=c.schedule,
        sampler=sampler,
        steps=spaced,
        y={},
        generator=seeded_generators(seed, 1),
        on_step=on_step,
        prediction=c.prediction,
        device=model.device,
    )
    return x[0]


def timeline_motions(
    model: TimelineModel, request: Request, on_step: Callable[[Progress], None] | None = None
) -> list[Motion]:
    """The motions of a request whose prompt is a timeline; its length is the timeline's.

    Raises:
        InvalidRequest: a line of another form, a time without a text, or a text that lasts longer
            than the model's window.
    """
    c = model.config
    plan = timeline.plan(timeline.parse(request.prompt, c.fps))
    longest = max(plan.lengths)
    if longest > c.max_frames:
        raise InvalidRequest(
            f"A text of the timeline lasts {longest / c.fps:g} seconds with its transitions.",
            f"Write texts of at most {c.max_frames / c.fps:g} seconds, one after the other.",
        )
    tell = Stages(request, on_step)
    motions = []
    for index in range(request.samples):
        x = sample_timeline(
            model,
            plan,
            request.seed + index,
            guidance_scale=request.guidance_scale,
            steps=request.steps,
            sampler=request.sampler,
            on_step=part_of(tell.steps(), index, request.samples),
        )
        features = model.stats.denormalise(x).float().cpu().numpy()
        seconds = plan.frames / c.fps
        data = smplrifke205.to_motion135(
            features, MOTION_FPS, frames=max(1, round(seconds * MOTION_FPS))
        )
        params = {
            "seconds": seconds,
            "sampler": request.sampler or c.sampler,
            "steps": request.steps or c.steps,
            "guidance_scale": c.guidance_scale
            if request.guidance_scale is None
            else request.guidance_scale,
        }
        texts = [text for text in plan.texts if text]
        meta = meta_of(request, request.seed + index, params, parts=texts, licence=c.licence)
        motions.append(Motion(data, MOTION_FPS, meta))
    return motions
