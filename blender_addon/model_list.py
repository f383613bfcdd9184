"""The models that the panel offers: a cached list, so that drawing never waits for anything."""

from __future__ import annotations

from collections.abc import Iterable

from .backend_access import ABILITIES, ModelInfo, directing, limits, load_registry

_cache: list[ModelInfo] = []


def models() -> list[ModelInfo]:
    """The known models; first what this installation holds, later what the backend reports."""
    if not _cache:
        _cache[:] = load_registry().list_models()
        # Blender selects the first entry of a dynamic list by default.
        _cache.sort(key=lambda info: info.name != limits.DEFAULT_MODEL)
    return _cache


def find(name: str) -> ModelInfo | None:
    """The entry of that name."""
    return next((info for info in models() if info.name == name), None)


def chosen(name: str) -> ModelInfo:
    """What is known of a model; of a folder or hub id that it can and reads everything.

    The backend looks at those before it loads them.
    """
    return find(name) or ModelInfo(
        name,
        name,
        abilities=tuple(ABILITIES),
        constraints=directing.TYPES,
        qualities=limits.QUALITIES,
    )


def replace(found: Iterable[ModelInfo]) -> None:
    """Take over what a backend reported (it may run on another machine)."""
    reported = sorted(found, key=lambda info: info.name != limits.DEFAULT_MODEL)
    if reported:
        _cache[:] = reported


def forget() -> None:
    """Read the list anew on next use."""
    _cache.clear()
