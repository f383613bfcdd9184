"""Kimodo (NVIDIA): text, poses, hands, feet and a path to motion."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .pipeline import KimodoPipeline as KimodoPipeline


def __getattr__(name: str) -> object:
    # on first use, so that what lies beside the pipeline can be imported without torch
    if name == "KimodoPipeline":
        from .pipeline import KimodoPipeline

        return KimodoPipeline
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
