"""The models that the panel offers: a cached list, so that drawing never waits for anything."""

from __future__ import annotations

from collections.abc import Iterable

from .backend_access import (
    ABILITIES,
    ModelInfo,
    directing,
    limits,
    load_families,
    load_registry,
)

_cache: list[ModelInfo] = []
_shown: list[str] = []


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


def convertible() -> list[tuple[str, str]]:
    """Families whose releases can be converted: name and title."""
    return [
        (name, family.models[0].title if family.models else name)
        for name, family in load_families().families().items()
        if family.converter
    ]


def replace(found: Iterable[ModelInfo]) -> None:
    """Take over what a backend reported (it may run on another machine)."""
    reported = sorted(found, key=lambda info: info.name != limits.DEFAULT_MODEL)
    if reported:
        _cache[:] = reported


def forget() -> None:
    """Read the list anew on next use."""
    _cache.clear()


def show(name: str) -> None:
    """Have the list of models tell more of this one."""
    _shown[:] = [name]


def shown(fallback: str) -> ModelInfo | None:
    """The model that the list tells more of: the one last shown, else ``fallback``, else any."""
    for name in (*_shown, fallback):
        info = find(name)
        if info is not None:
            return info
    return next(iter(models()), None)
