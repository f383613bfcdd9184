"""HY-Motion-1.0 (Tencent): text to motion by flow matching."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .pipeline import HYMotionPipeline as HYMotionPipeline


def __getattr__(name: str) -> object:
    # on first use, so that what lies beside the pipeline can be imported without torch
    if name == "HYMotionPipeline":
        from .pipeline import HYMotionPipeline

        return HYMotionPipeline
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
