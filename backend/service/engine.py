"""The engine: loads a pipeline once, runs requests on it, finishes the motions.

Used by the command line, the stdio server and the in-process session of the add-on alike.
Importing this module is cheap; torch is imported when the first model is loaded.
"""

from __future__ import annotations

import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

import numpy as np

from ..errors import (
    InternalError,
    KinetypeError,
    MissingDependency,
    missing_package,
)
from ..pipelines import registry
from ..wire.control import OPTIONS, ModelInfo
from ..wire.messages import Motion, Progress, Request, Result
from .jobs import internal_error

CACHED_MODELS = 2
MAX_THREADS = 8
"""More threads than this slow a batch of one down: its matrices are small."""

OnProgress = Callable[[Progress], None]

_log = logging.getLogger(__name__)


class Engine:
    """Runs requests one at a time; make one per worker thread and keep it.

    Args:
        device: "cpu", "cuda", "cuda:1" or "mps"; a CUDA device if there is one when None.
        threads: CPU threads of torch; a sensible number when None.
        local_files_only: never use the network.
    """

    def __init__(
        self,
        *,
        device: str | None = None,
        threads: int | None = None,
        local_files_only: bool = False,
    ) -> None:
        self._device = device
        self._threads = threads
        self._local_files_only = local_files_only
        self._loaded: OrderedDict[str, registry.Pipeline] = OrderedDict()
        self._torch_ready = False

    def models(self) -> list[ModelInfo]:
        """The models that requests can name; loads nothing."""
        return registry.list_models()

    def load(self, model: str) -> None:
        """Load a model ahead of its first request; the errors of :meth:`run`."""
        self._pipeline(Request("", model=model), _ignore)

    def run(self, request: Request, on_progress: OnProgress | None = None) -> Result:
        """Generate, clean up if asked, and collect the warnings of all samples.

        Args:
            request: checked here; it need not be ``validated()`` before.
            on_progress: called at every stage and step on this thread; it may raise
                :class:`~backend.errors.Cancelled`, which then leaves this function.

        Raises:
            KinetypeError: always; an unexpected exception arrives as ``InternalError`` with its
                traceback in ``detail``.
        """
        started = time.perf_counter()
        report = on_progress or _ignore
        try:
            request = request.validated()
            info = _check_before_loading(request, self._local_files_only)
            pipeline = self._pipeline(request, report)
            motions = self._finished(request, _made(pipeline, request, report), report)
        except KinetypeError:
            raise
        except MemoryError as error:
            raise _out_of_memory(error) from error
        except Exception as error:
            if type(error).__name__ == "OutOfMemoryError":
                raise _out_of_memory(error) from error
            package = missing_package(error)
            if package:
                raise MissingDependency(
                    f"The package {package!r} is not installed in the backend's Python.",
                    "Run 'kinetype doctor' there, or install the backend again.",
                    internal_error(error).detail,
                ) from error
            _log.exception("request %s failed", request.id)
            raise internal_error(error) from error
        taken = time.perf_counter() - started
        _log.info("request %s: %d motions in %.2f s", request.id, len(motions), taken)
        warnings = (*_left_out(request, info), *_warnings(motions))
        return Result(request.id, tuple(motions), warnings, taken)

    def _pipeline(self, request: Request, report: OnProgress) -> registry.Pipeline:
        name = request.model
        if name in self._loaded:
            self._loaded.move_to_end(name)
            return self._loaded[name]
        report(Progress(request.id, "loading model"))
        started = time.perf_counter()
        registry.check(name)
        if registry.uses_torch(name):
            self._prepare_torch()
        while len(self._loaded) >= CACHED_MODELS:
            # before loading, so that two large models never need memory for three
            self._loaded.popitem(last=False)
        pipeline = registry.load_pipeline(
            name, device=self._device, local_files_only=self._local_files_only
        )
        self._loaded[name] = pipeline
        taken = time.perf_counter() - started
        _log.info("loaded %s on %s in %.2f s", name, self._device, taken)
        return pipeline

    def _prepare_torch(self) -> None:
        if self._torch_ready:
            return
        try:
            import torch
        except ImportError as error:
            raise MissingDependency(
                "PyTorch is not installed in this Python.",
                "Install it (pip install torch), or choose another backend in the preferences.",
                str(error),
            ) from error
        self._device = choose_device(self._device)
        threads = self._threads or default_threads()
        if threads is not None:
            torch.set_num_threads(threads)
        _log.info(
            "torch %s, %s, %d threads", torch.__version__, self._device, torch.get_num_threads()
        )
        self._torch_ready = True

    def _finished(
        self, request: Request, motions: Iterable[Motion], report: OnProgress
    ) -> list[Motion]:
        found = list(motions)
        if len(found) != request.samples:
            raise InternalError(
                f"The model made {len(found)} motions instead of {request.samples}.",
                "Please report this with the log.",
            )
        if request.cleanup and request.edit is None:  # an edit locks the feet of what it made
            report(Progress(request.id, "cleaning up"))
            found = [_cleaned(motion) for motion in found]
        if not all(np.isfinite(motion.data).all() for motion in found):
            raise InternalError(
                "The model made a motion that is not finite.",
                "Try another seed, or a smaller guidance scale.",
            )
        report(Progress(request.id, "scoring"))
        return _scored(found, request)


def choose_device(device: str | None) -> str:
    """``device`` if this machine has it, or the best one when None.

    Apple's "mps" is used only when asked for: several operations of the models differ there.

    Raises:
        InvalidRequest: a device that torch does not know or that is not there.
    """
    from ..pipelines.calls import device_or_best

    return str(device_or_best(device))


def default_threads() -> int | None:
    """CPU threads for torch, or None where the environment already says it."""
    if os.environ.get("OMP_NUM_THREADS"):
        return None
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min(cores, MAX_THREADS))


def _check_before_loading(request: Request, local_files_only: bool) -> ModelInfo:
    """What is known of the model, if it can do what is asked: nothing of it is loaded to refuse."""
    if request.edit is not None:
        from ..pipelines.editing import requests as edit_requests

        edit_requests.check(request)
    wanted = "generate"
    if request.edit is not None:
        wanted = "continue" if request.edit.more else "edit"
    elif request.estimate_length:
        wanted = "estimate_length"
    info = registry.find_info(request.model, local_files_only=local_files_only)
    info.check_able(wanted, registry.list_models())
    if request.constraints:
        info.check_able("constrain", registry.list_models())
    named = registry.model_info(request.model)
    if named is not None and wanted == "generate":
        named.check_seconds(request.seconds)
    return info


def _left_out(request: Request, info: ModelInfo) -> tuple[str, ...]:
    """The warning for settings that the model does not read."""
    asked = [name for name in OPTIONS if getattr(request, name) is not None]
    unread = [name.replace("_", " ") for name in asked if name not in info.options]
    if not unread:
        return ()
    return (f"The model {info.name!r} has no {', '.join(unread)}: left out.",)


def _made(pipeline: registry.Pipeline, request: Request, report: OnProgress) -> list[Motion]:
    if request.edit is not None:
        from ..pipelines.editing import requests as edit_requests

        return edit_requests.edit_motions(pipeline, request, report)
    return list(pipeline.generate(request, on_step=report))


def _cleaned(motion: Motion) -> Motion:
    from ..motion import cleanup

    data = cleanup.default_cleanup(motion.data, fps=motion.fps)
    return Motion(data, motion.fps, {**motion.meta, "cleanup": True})


def _scored(motions: list[Motion], request: Request) -> list[Motion]:
    """Each motion with its seed and its ``meta["scores"]``; only the best one if wanted.

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
    except Exception:
        _log.exception("request %s: no scores", request.id)
        scores = [{} for _ in motions]
        warning = "The takes could not be scored: kept the first."
    scored = []
    for index, (motion, found) in enumerate(zip(motions, scores, strict=True)):
        # the best of several does not say by its place which seed it had
        meta = {"seed": request.seed + index, **motion.meta}
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


def _out_of_memory(error: BaseException) -> KinetypeError:
    return InternalError(
        "There was not enough memory for this request.",
        "Ask for fewer samples or a shorter motion, or close other programs.",
        internal_error(error).detail,
    )


def _ignore(progress: Progress) -> None:
    """Nobody watches."""
