"""The engine: loads a pipeline once, runs requests on it, finishes the motions.

Used by the command line, the stdio server and the in-process session of the add-on alike.
Importing this module is cheap; torch is imported when the first model is loaded.
"""

from __future__ import annotations

import logging
import os
import time
from collections import OrderedDict
from dataclasses import replace

from ..errors import (
    InternalError,
    InvalidRequest,
    KinetypeError,
    MissingDependency,
    missing_package,
)
from ..pipelines import registry
from ..store import watch
from ..store.memory import physical_memory
from ..wire.control import ModelInfo
from ..wire.messages import Progress, Request, Result
from ..wire.model_words import size_text
from . import verbs
from .jobs import internal_error
from .library import told
from .verbs import Loaded, OnProgress

CACHED_MODELS = 2
MAX_THREADS = 8
"""More threads than this slow a batch of one down: its matrices are small."""

_log = logging.getLogger(__name__)


class Engine:
    """Runs requests one at a time; make one per worker thread and keep it.

    Args:
        device: "cpu", "cuda", "cuda:1" or "mps"; a CUDA device if there is one when None.
        threads: CPU threads of torch; a sensible number when None.

    It never uses the network: what is not on this computer is told (:class:`ModelAbsent`), and
    fetched by the :class:`.library.Librarian` when somebody asks for it.
    """

    def __init__(
        self,
        *,
        device: str | None = None,
        threads: int | None = None,
    ) -> None:
        self._device = device
        self._threads = threads
        self._loaded: OrderedDict[str, Loaded] = OrderedDict()
        self._torch_ready = False

    def models(self) -> list[ModelInfo]:
        """The models that requests can name; loads nothing."""
        return registry.list_models()

    def load(self, model: str) -> None:
        """Load a model ahead of its first request; the errors of :meth:`run`."""
        info = registry.find_info(model, local_files_only=True)
        self._pipeline(Request("", model=model), info, _ignore)

    def run(self, request: Request, on_progress: OnProgress | None = None) -> Result:
        """Answer a request (:mod:`.verbs`).

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
            info = verbs.check(request)
            with watch.watched(told(request.id, report), load_bytes=info.size_bytes):
                loaded = self._pipeline(request, info, report)
                result = verbs.answer(loaded, info, request, report)
        except KinetypeError:
            raise
        except Exception as error:
            if _is_out_of_memory(error):
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
        _log.info("request %s: %s in %.2f s", request.id, request.verb, taken)
        return replace(result, seconds_taken=taken)

    def _pipeline(self, request: Request, info: ModelInfo, report: OnProgress) -> Loaded:
        name = request.model
        if name in self._loaded:
            self._loaded.move_to_end(name)
            return self._loaded[name]
        started = time.perf_counter()
        if registry.uses_torch(name):
            _check_memory(info)
            if not self._torch_ready:
                report(Progress(request.id, "starting PyTorch"))
                self._prepare_torch()
        report(Progress(request.id, watch.LOADING))
        while len(self._loaded) >= CACHED_MODELS:
            # before loading, so that two large models never need memory for three
            self._loaded.popitem(last=False)
        pipeline = registry.load_pipeline(
            name,
            device=self._device,
            local_files_only=True,
            as_released=request.verb == "sample",
        )
        self._loaded[name] = Loaded(pipeline, registry.model_hash(info))
        taken = time.perf_counter() - started
        _log.info("loaded %s on %s in %.2f s", name, self._device, taken)
        return self._loaded[name]

    def _prepare_torch(self) -> None:
        if self._torch_ready:
            return
        try:
            import torch
        except ModuleNotFoundError as error:
            raise MissingDependency(
                "PyTorch is not installed in this Python.",
                "Install it (pip install torch), or choose another backend in the preferences.",
                str(error),
            ) from error
        except (ImportError, OSError) as error:  # it is there, and the system cannot load it
            raise MissingDependency(
                f"PyTorch is installed, but cannot be loaded: {error}.",
                "Close other programs, or install it again.",
                str(error),
            ) from error
        self._device = choose_device(self._device)
        threads = self._threads or default_threads()
        if threads is not None:
            torch.set_num_threads(threads)
        _log.info(
            "torch %s, %s, %d threads", torch.__version__, self._device, torch.get_num_threads()
        )
        watch.check_in_networks()
        self._torch_ready = True


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


def _is_out_of_memory(error: BaseException) -> bool:
    """Of Python, of a GPU, or of PyTorch's own memory on the CPU, which is a RuntimeError."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and any(
        part in text for part in ("can't allocate memory", "not enough memory", "out of memory")
    )


def _check_memory(info: ModelInfo) -> None:
    """Raise :class:`InvalidRequest` for a model that this computer has too little memory for."""
    have = physical_memory()
    if have is not None and have < info.memory_bytes:
        raise InvalidRequest(
            f"{info.title} needs about {size_text(info.memory_bytes)} of memory; this computer has "
            f"{size_text(have)}.",
            "Choose a smaller model, or a backend on another computer.",
        )


def _out_of_memory(error: BaseException) -> KinetypeError:
    return InternalError(
        "There was not enough memory for this request.",
        "Ask for fewer samples or a shorter motion, or close other programs.",
        internal_error(error).detail,
    )


def _ignore(progress: Progress) -> None:
    """Nobody watches."""
