"""MoMask (Guo et al. 2024): residual motion tokens and two masked transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .pipeline import MoMaskPipeline as MoMaskPipeline


def __getattr__(name: str) -> object:
    # on first use, so that what lies beside the pipeline can be imported without torch
    if name == "MoMaskPipeline":
        from .pipeline import MoMaskPipeline

        return MoMaskPipeline
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
