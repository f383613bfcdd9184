"""The diffusion transformer that ships with Kinetype."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .pipeline import DiTPipeline as DiTPipeline


def __getattr__(name: str) -> object:
    # on first use, so that what lies beside the pipeline can be imported without torch
    if name == "DiTPipeline":
        from .pipeline import DiTPipeline

        return DiTPipeline
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
