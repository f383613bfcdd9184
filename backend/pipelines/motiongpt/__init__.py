"""MotionGPT (Jiang et al. 2023): text to motion, motion to text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .pipeline import MotionGPTPipeline as MotionGPTPipeline


def __getattr__(name: str) -> object:
    # on first use, so that what lies beside the pipeline can be imported without torch
    if name == "MotionGPTPipeline":
        from .pipeline import MotionGPTPipeline

        return MotionGPTPipeline
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
