"""What the engine does for each verb of a request, once the model is loaded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import Cancelled, InternalError
from ..pipelines import registry
from ..store import watch
from ..wire.control import OPTIONS, ModelInfo
from ..wire.messages import Motion, Progress, Request, Result
from . import finishing
from .provenance import stamped

OnProgress = Callable[[Progress], None]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loaded:
    """A pipeline, and which weights it has."""

    pipeline: object
    fingerprint: str = ""


def check(request: Request) -> ModelInfo:
    """What is known of the model, if it can do what is asked: nothing of it is loaded to refuse.

    Raises:
        InvalidRequest: it cannot, or no model could.
        ModelAbsent: it is not on this computer; with its size and licence.
        ModelNotFound, ArtifactError: see :func:`.registry.check`.
    """
    verb = request.verb
    if verb == "edit":
        from ..pipelines.editing import requests as edit_requests

        edit_requests.check(request)
    info = registry.find_info(request.model, local_files_only=True, as_released=verb == "sample")
    info.check_able(verb, registry.list_models())
    if request.constraints or request.segments:
        from . import directing

        directing.check_time(request)
    if request.constraints:
        directing.check(request, info, registry.list_models())
    if request.segments:
        info.check_able("segments", registry.list_models())
    if request.estimate_length:
        info.check_able("estimate_length", registry.list_models())
    elif verb == "generate" and registry.model_info(request.model) is not None:
        info.check_seconds(request.seconds)
    info.check_speed(request.seconds, request.speed)
    return info


def answer(loaded: Loaded, info: ModelInfo, request: Request, report: OnProgress) -> Result:
    """The result of a request, but for the time it took."""
    unread = _unread(request, info)
    request, unmet = finishing.with_quality(request, info)
    unread += unmet
    if request.describe is not None:
        return _described(loaded.pipeline, request, report)
    if request.sample is not None:
        from ..pipelines.action_mdm import samples

        made = samples.answer(loaded.pipeline, request, report)
        motions = _checked(made.motions, request)
        motions = stamped(motions, request, info, loaded.fingerprint, unread)
        return replace(made, motions=tuple(motions), warnings=_warnings(motions))
    found = _checked(_made(loaded.pipeline, request, info, report), request)
    if request.cleanup and request.edit is None:  # an edit locks the feet of what it made
        report(Progress(request.id, "cleaning up"))
        found = [_cleaned(motion, request) for motion in found]
    if request.constraints:
        from . import directing

        report(Progress(request.id, "correcting" if request.correct else "measuring"))
        found = [directing.directed(motion, request) for motion in found]
    found = stamped(found, request, info, loaded.fingerprint, unread)
    report(Progress(request.id, "scoring"))
    # scored before: a foot that stands slides in place, and that is right
    found = [finishing.closed(motion, request) for motion in _scored(found, request)]
    return Result(request.id, tuple(found), _warnings(found))


def _unread(request: Request, info: ModelInfo) -> tuple[str, ...]:
    """The warning for settings that the model does not read."""
    asked = [name for name in OPTIONS if getattr(request, name) is not None]
    unread = [name.replace("_", " ") for name in asked if name not in info.options]
    if not unread:
        return ()
    return (f"The model {info.name!r} has no {', '.join(unread)}: left out.",)


def _made(pipeline: Any, request: Request, info: ModelInfo, report: OnProgress) -> list[Motion]:
    if request.edit is not None:
        from ..pipelines.editing import requests as edit_requests

        return edit_requests.edit_motions(pipeline, request, report)

    def generate(one: Request, tell: OnProgress) -> list[Motion]:
        return list(pipeline.generate(one, on_step=tell))

    return finishing.made(pipeline, generate, request, info, report)


def _described(pipeline: Any, request: Request, report: OnProgress) -> Result:
    from ..motion import convert

    assert request.describe is not None
    report(Progress(request.id, "describing"))
    clips = [
        convert.convert(clip.data, clip.representation, "hml263", fps=clip.fps).data
        for clip in request.describe.clips
    ]
    warnings: list[str] = []
    texts = pipeline.describe(
        clips, with_length=request.describe.with_length, on_warning=warnings.append
    )
    return Result(request.id, warnings=tuple(warnings), texts=tuple(texts))


def _checked(motions: Iterable[Motion], request: Request) -> list[Motion]:
    """As many motions as were asked for, all of them finite."""
    found = list(motions)
    may_lack = request.verb in ("continue", "in_between")  # where a model wrote nothing
    asked = request.samples if request.sample is None or found else 0
    if len(found) != asked and not (may_lack and 0 < len(found) < asked):
        raise InternalError(
            f"The model made {len(found)} motions instead of {asked}.",
            "Please report this with the log.",
        )
    if not all(np.isfinite(motion.data).all() for motion in found):
        raise InternalError(
            "The model made a motion that is not finite.",
            "Try another seed, or a smaller guidance scale.",
        )
    return found


def _cleaned(motion: Motion, request: Request) -> Motion:
    from ..motion import cleanup

    watch.check()
    if motion.meta.get("cleanup"):  # masked sampling has locked the feet around what is kept
        return motion
    if request.constraints:  # these stand on the floor of the room
        data = cleanup.lock_feet(cleanup.smooth(motion.data, fps=motion.fps), fps=motion.fps)
    else:
        data = cleanup.default_cleanup(motion.data, fps=motion.fps)
    return Motion(data, motion.fps, {**motion.meta, "cleanup": True})


def _scored(motions: list[Motion], request: Request) -> list[Motion]:
    """Each motion with its ``meta["scores"]``; only the best one if wanted.

    Scores are an extra: whatever is wrong with them must not cost a motion.
    """
    warning, best = "", 0
    try:
        from ..evaluation import take_scores

        # the text evaluator needs torch: where the model does without, so do the scores
        text = registry.uses_torch(request.model)
        scores = [take_scores.take_scores(m, request.prompt, text=text) for m in motions]
        best = take_scores.best(scores)
        if not any(take_scores.TEXT_MATCH in s for s in scores):
            warning = "Nothing could compare the takes with the prompt: kept what slides least."
    except Cancelled:
        raise
    except Exception:
        _log.exception("request %s: no scores", request.id)
        scores = [{} for _ in motions]
        warning = "The takes could not be scored: kept the first."
    scored = []
    for motion, found in zip(motions, scores, strict=True):
        meta = dict(motion.meta)
        if found:
            meta["scores"] = {name: float(f"{value:.6g}") for name, value in found.items()}
        scored.append(Motion(motion.data, motion.fps, meta))
    if not request.keep_best:
        return scored
    return [_warned(scored[best], warning)] if len(scored) > 1 else scored


def _warned(motion: Motion, warning: str) -> Motion:
    warnings = [*motion.meta.get("warnings", ()), *filter(None, [warning])]
    return Motion(motion.data, motion.fps, {**motion.meta, "warnings": warnings})


def _warnings(motions: Iterable[Motion]) -> tuple[str, ...]:
    """Texts in ``Motion.meta["warnings"]``, each once, in order."""
    texts = (str(text) for motion in motions for text in motion.meta.get("warnings", ()))
    return tuple(dict.fromkeys(texts))
