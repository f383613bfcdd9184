"""Motions that are directed: prompts with their own times, and constraints to reach.

Both are planned on one canvas: what happens when is known, so nothing is retimed afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ...errors import InvalidRequest
from ...motion.representations import smplrifke205
from ...text.prompts.reader import PromptReader
from ...wire.messages import Motion, Request
from ...wire.skeleton import MOTION_FPS
from ..calls import Stages, cut_warning, meta_of
from ..editing.prompt_parts import split_prompt
from ..editing.reaching import motions_reaching
from .notices import notices_of
from .script import Limits, conditioned_text, script_of

if TYPE_CHECKING:
    from .pipeline import DiTPipeline


@dataclass(frozen=True)
class Plan:
    """What happens in turn: texts, frames of each, and frames of the cross-fades between them."""

    texts: tuple[str, ...]
    frames: tuple[int, ...]
    overlaps: tuple[int, ...] | None
    warnings: tuple[str, ...]
    note: dict[str, Any]


def directed(model: DiTPipeline, request: Request, tell: Stages) -> list[Motion]:
    """The motions of a request with constraints, with segments, or with both."""
    tell("reading the prompt")
    plan = _of_segments(model, request) if request.segments else _of_prompt(model, request)
    cut = model.encoder.encode(list(plan.texts)).truncated.tolist()
    warnings = [*plan.warnings]
    warnings += [cut_warning(text) for text, long in zip(plan.texts, cut, strict=True) if long]
    note = {**plan.note, "parts": list(plan.texts), "warnings": warnings}
    note["licence"] = model.config.licence
    if request.constraints:
        total = sum(plan.frames)
        parts = [(t, n / total) for t, n in zip(plan.texts, plan.frames, strict=True)]
        return motions_reaching(model, request, tell, parts, note)
    windows = model.plan(plan.texts, sum(plan.frames), plan.frames, overlaps=plan.overlaps)
    clips = model.sample_canvases(
        [windows] * request.samples,
        [sum(plan.frames)] * request.samples,
        [request.seed + index for index in range(request.samples)],
        guidance_scale=request.guidance_scale,
        steps=request.steps,
        sampler=request.sampler,
        on_step=tell.steps(),
    )
    tell("converting")
    length = max(1, round(request.seconds * MOTION_FPS))
    used = model.used(request.guidance_scale, request.steps, request.sampler)
    params = {"seconds": request.seconds, **used}
    return [
        Motion(
            smplrifke205.to_motion135(clip, MOTION_FPS, frames=length),
            MOTION_FPS,
            meta_of(request, request.seed + index, params, **note),
        )
        for index, clip in enumerate(clips)
    ]


def _of_segments(model: DiTPipeline, request: Request) -> Plan:
    """Each prompt over its own time; one that tells a sequence has its parts share that time."""
    c = model.config
    starts = [*(segment.start for segment in request.segments), request.seconds]
    texts: list[str] = []
    frames: list[int] = []
    overlaps: list[int] = []
    told = []
    for segment, (start, stop) in zip(request.segments, pairwise(starts), strict=True):
        first, last = (round(second * c.fps) for second in (start, stop))
        if last - first < c.min_frames:
            raise InvalidRequest(
                f"“{segment.prompt[:40]}” has {stop - start:g} seconds.",
                f"The model {c.name!r} needs {c.min_frames / c.fps:g} for each prompt.",
            )
        parts = split_prompt(segment.prompt)
        if (last - first) // len(parts) < c.min_frames:
            parts = [segment.prompt.strip()]
        edges = [round(first + i * (last - first) / len(parts)) for i in range(len(parts) + 1)]
        overlaps.append(min(round(segment.transition * c.fps), 2 * c.min_frames))
        overlaps += [model.overlap] * (len(parts) - 1)
        texts += parts
        frames += [b - a for a, b in pairwise(edges)]
        shown = [round(second * MOTION_FPS) for second in (start, stop)]
        told.append({"prompt": segment.prompt, "frames": shown, "transition": segment.transition})
    return Plan(tuple(texts), tuple(frames), tuple(overlaps[1:]), (), {"segments": told})


def _of_prompt(model: DiTPipeline, request: Request) -> Plan:
    """Parts with the time that they need, as far as the model knows it."""
    c = model.config
    frames = max(1, round(request.seconds * c.fps))
    if not isinstance(model.reader, PromptReader):
        parts = split_prompt(request.prompt)
        edges = [round(i * frames / len(parts)) for i in range(len(parts) + 1)]
        return Plan(tuple(parts), tuple(b - a for a, b in pairwise(edges)), None, (), {})
    reading = model.reader.read(request.prompt)
    limits = Limits(c.min_frames, c.fps, model.reader.words.known)
    script = script_of(reading, frames, limits, model.vocabulary)
    warnings, notices = notices_of(reading, c.name)
    over = [part.text for scene in script.scenes for part, _ in scene.over]
    warnings += script.notes
    warnings += [f"“{text}” cannot be laid over a motion with constraints." for text in over]
    asked = [part.asked.to_dict() for part in reading.parts if part.asked is not None]
    return Plan(
        tuple(conditioned_text(scene.part) for scene in script.scenes),
        tuple(scene.shown for scene in script.scenes),
        None,
        tuple(warnings),
        {"asked": asked, "notices": notices},
    )
