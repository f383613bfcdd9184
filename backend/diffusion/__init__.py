"""Diffusion: schedules, pure step functions, guidance and the one sampling loop.

Names are imported on first use, so that importing a sub-module does not pull in the rest.
"""

from __future__ import annotations

from importlib import import_module

_HOMES = {
    "Schedule": "schedule",
    "sample": "loop",
    "Flow": "process",
    "guided": "guidance",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
