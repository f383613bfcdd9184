"""MDM (Tevet et al. 2023) and its autoregressive planner DiP."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .pipeline import MDMPipeline as MDMPipeline


def __getattr__(name: str) -> object:
    # on first use, so that what lies beside the pipeline can be imported without torch
    if name == "MDMPipeline":
        from .pipeline import MDMPipeline

        return MDMPipeline
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
