"""Who watches long work: progress in bytes out of it, and a cancel into it.

Downloads, checks and reading of weights happen deep inside functions that know no request. Whoever
starts them opens :func:`watched`; the work tells how far it is, and what the watcher raises
(``Cancelled``) ends it. Work that nobody watches tells nobody. Whoever may want an end before
there is progress to tell opens :func:`cancellable`, and long work calls :func:`check`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from ..wire.control import BYTE_STAGES

Tell = Callable[[str, int, int], None]
"""``tell(stage, done, total)`` in bytes, total 0 while unknown; it may raise ``Cancelled``."""
DOWNLOADING, CHECKING, LOADING = BYTE_STAGES


@dataclass
class _Watch:
    tell: Tell
    total: int
    loaded: int = 0


_watch: ContextVar[_Watch | None] = ContextVar("kinetype_watch", default=None)
_check: ContextVar[Callable[[], None] | None] = ContextVar("kinetype_check", default=None)
_layers_check: object | None = None


@contextmanager
def watched(tell: Tell, *, load_bytes: int = 0) -> Iterator[None]:
    """Within this block (and thread), work with files tells how far it is.

    Args:
        load_bytes: of all weights that are loaded in the block, as far as that is known.
    """
    token = _watch.set(_Watch(tell, load_bytes))
    try:
        yield
    finally:
        _watch.reset(token)


def is_watched() -> bool:
    """Whether somebody is told."""
    return _watch.get() is not None


def moved(stage: str, done: int, total: int) -> None:
    """So many bytes of a download or a check are done."""
    watch = _watch.get()
    if watch is not None:
        watch.tell(stage, done, total)


def loaded(count: int) -> None:
    """So many further bytes of weights are in memory."""
    watch = _watch.get()
    if watch is not None:
        watch.loaded += count
        watch.tell(LOADING, watch.loaded, max(watch.total, watch.loaded))


@contextmanager
def cancellable(check: Callable[[], None]) -> Iterator[None]:
    """Within this block (and thread) ``check`` is called often; it may raise ``Cancelled``."""
    token = _check.set(check)
    try:
        yield
    finally:
        _check.reset(token)


def check() -> None:
    """A moment at which work can end: raises what whoever wants an end raises."""
    wanted = _check.get()
    if wanted is not None:
        wanted()


def check_in_networks() -> None:
    """From now on every layer of every network of torch begins with a :func:`check`.

    A step of a large network, or of many samples, takes seconds on a slow processor. Numbers stay
    the same to the bit.
    """
    global _layers_check
    if _layers_check is None:
        from torch.nn.modules.module import register_module_forward_pre_hook

        _layers_check = register_module_forward_pre_hook(lambda module, inputs: check())
