"""MoGenTS (Yuan et al. 2024): masked transformers over joint tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .pipeline import MoGenTSPipeline as MoGenTSPipeline


def __getattr__(name: str) -> object:
    # on first use, so that what lies beside the pipeline can be imported without torch
    if name == "MoGenTSPipeline":
        from .pipeline import MoGenTSPipeline

        return MoGenTSPipeline
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
