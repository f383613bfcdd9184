"""A request made into motions: read the prompt, plan it in time, sample, and finish.

With words of its own (:mod:`backend.text.prompts`) a model reads what each part asks for: parts get
the time that they need, gestures are laid over walks, counts and tempi are brought about, and what
it does not know is named. Without them a prompt is cut into parts of equal length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...motion.representations import smplrifke205
from ...text.prompts.reader import PromptReader
from ...wire.messages import Motion, Progress, Request
from ...wire.skeleton import MOTION_FPS
from ..calls import Stages, cut_warning, meta_of
from ..editing.prompt_parts import split_prompt
from .candidates import Seen, chosen, looked_at, seeds_of
from .directing import directed
from .finishing import finished
from .notices import doubts_of, notices_of
from .script import Limits, Script, script_of
from .short_clips import frames_to_make, liveliest
from .sides import sided
from .timeline import is_timeline, timeline_motions

if TYPE_CHECKING:
    from .pipeline import DiTPipeline


def generate(
    model: DiTPipeline, request: Request, on_step: Callable[[Progress], None] | None = None
) -> list[Motion]:
    """The motions of a request: see :meth:`.pipeline.DiTPipeline.generate`."""
    request = request.validated()
    tell = Stages(request, on_step)
    if request.constraints or request.segments:
        return directed(model, request, tell)
    if is_timeline(request.prompt):
        return timeline_motions(model, request, on_step)
    if isinstance(model.reader, PromptReader):
        return _read(model, model.reader, request, tell)
    return _plain(model, request, tell)


# ---------------------------------------------------------------------------- with a reader


def _read(model: DiTPipeline, reader: PromptReader, request: Request, tell: Stages) -> list[Motion]:
    c = model.config
    frames = max(1, round(request.seconds * c.fps))
    tell("reading the prompt")
    reading = reader.read(request.prompt)
    limits = Limits(c.min_frames, c.fps, reader.words.known)
    model.plan([part.text for part in reading.parts[:1]], frames)  # is the length possible at all
    script = script_of(reading, frames, limits, model.vocabulary)
    short = _short(script, frames, model)
    canvases = [
        _canvas(model, script if short is None else short, layer, request, tell)
        for layer in range(script.layers + 1)
    ]
    tell("converting")
    length = max(1, round(request.seconds * MOTION_FPS))
    warnings, notices = notices_of(reading, c.name, model.vocabulary)
    warnings += [*script.notes, *_cut(model, [part.text for part in reading.parts])]
    more: dict[str, Any] = {
        "asked": [part.asked.to_dict() for part in reading.parts if part.asked is not None],
        "notices": notices,
    }
    motions = []
    for index in range(request.samples):
        clips = [canvas[index][0] for canvas in canvases]
        doubts = doubts_of([scene for canvas in canvases for scene in canvas[index][1]])
        if short is not None:
            clips = [liveliest(clips[0], script.frames_made, c.fps)]
        layers = [sided(_at_30(clip, c.fps), script, layer) for layer, clip in enumerate(clips)]
        data, notes = finished(script, layers, length)
        parts = [part.text for part in reading.parts]
        own = {**more, "notices": [*notices, *doubts]}
        told = [*warnings, *notes, *(doubt["text"] for doubt in doubts)]
        meta = _meta(model, request, request.seed + index, parts, told, **own)
        motions.append(Motion(data, MOTION_FPS, meta))
    return motions


def _short(script: Script, frames: int, model: DiTPipeline) -> Script | None:
    """A longer canvas for one plain action of less than two seconds; None where none is needed."""
    scene = script.scenes[0]
    if model.vocabulary is not None:  # it was trained on short clips too
        return None
    if len(script.scenes) > 1 or scene.times > 1 or scene.over:
        return None
    made = frames_to_make(scene.made, model.config.fps, model.config.max_frames)
    return None if made == scene.made else Script((replace(scene, made=made),), script.notes)


def _canvas(
    model: DiTPipeline, script: Script, layer: int, request: Request, tell: Stages
) -> list[tuple[np.ndarray, list[Seen]]]:
    """One canvas of a script for every sample, and what its scenes show.

    Sample ``i`` has the same seeds on every layer.
    """
    lines = script.sentences(layer)
    plan = model.plan(
        [text for text, _, _ in lines],
        script.frames_made,
        [count for _, _, count in lines],
        [wish for _, wish, _ in lines],
    )
    each = 1 if model.judge is None else model.config.candidates
    seeds = seeds_of(request.seed, request.samples, each)
    clips = model.sample_canvases(
        [plan] * len(seeds),
        [script.frames_made] * len(seeds),
        seeds,
        guidance_scale=request.guidance_scale,
        steps=request.steps,
        sampler=request.sampler,
        on_step=tell.steps(),
    )
    if model.judge is None:
        return [(clip, []) for clip in clips]
    seen = [looked_at(clip, script, layer, model.judge) for clip in clips]
    taken = [i + chosen(seen[i : i + each]) for i in range(0, len(seeds), each)]
    return [(clips[i], seen[i]) for i in taken]


def _at_30(clip: np.ndarray, fps: float) -> np.ndarray:
    frames = max(1, round(len(clip) / fps * MOTION_FPS))
    return smplrifke205.to_motion135(clip, MOTION_FPS, frames=frames)


# ---------------------------------------------------------------------------- without one


def _plain(model: DiTPipeline, request: Request, tell: Stages) -> list[Motion]:
    c = model.config
    parts = split_prompt(request.prompt)
    frames = max(1, round(request.seconds * c.fps))
    plan = model.plan(parts, frames)
    made = frames
    if len(parts) == 1 and model.vocabulary is None:  # others were trained on short clips too
        made = frames_to_make(frames, c.fps, c.max_frames)
        plan = model.plan(parts, made)
    tell("reading the prompt")
    warnings = [*_cut(model, parts), *_unknown(model, parts)]
    clips = model.sample_canvases(
        [plan] * request.samples,
        [made] * request.samples,
        seeds_of(request.seed, request.samples, 1),
        guidance_scale=request.guidance_scale,
        steps=request.steps,
        sampler=request.sampler,
        on_step=tell.steps(),
    )
    tell("converting")
    length = max(1, round(request.seconds * MOTION_FPS))
    return [
        Motion(
            smplrifke205.to_motion135(liveliest(clip, frames, c.fps), MOTION_FPS, frames=length),
            MOTION_FPS,
            _meta(model, request, request.seed + index, parts, warnings),
        )
        for index, clip in enumerate(clips)
    ]


def _unknown(model: DiTPipeline, parts: Sequence[str]) -> list[str]:
    if model.knowledge is None:
        return []
    sentences = model.encoder.encode(list(parts)).sentence
    found = (
        model.knowledge.warning(part, sentence.cpu().numpy(), model.config.name)
        for part, sentence in zip(parts, sentences, strict=True)
    )
    return [warning for warning in found if warning]


# ---------------------------------------------------------------------------- both


def _cut(model: DiTPipeline, parts: Sequence[str]) -> list[str]:
    truncated = model.encoder.encode(list(parts)).truncated.tolist()
    return [cut_warning(part) for part, cut in zip(parts, truncated, strict=True) if cut]


def _meta(
    model: DiTPipeline,
    request: Request,
    seed: int,
    parts: Sequence[str],
    warnings: Sequence[str],
    **more: Any,
) -> dict[str, Any]:
    c = model.config
    guidance = request.guidance_scale
    params = {
        "seconds": request.seconds,
        "sampler": request.sampler or c.sampler,
        "steps": request.steps or c.steps,
        "guidance_scale": c.guidance_scale if guidance is None else guidance,
    }
    return meta_of(
        request, seed, params, parts=list(parts), warnings=warnings, licence=c.licence, **more
    )
