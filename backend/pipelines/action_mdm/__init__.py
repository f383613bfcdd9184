"""MDM conditioned on an action instead of a text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .pipeline import ActionMDMPipeline as ActionMDMPipeline


def __getattr__(name: str) -> object:
    # on first use, so that what lies beside the pipeline can be imported without torch
    if name == "ActionMDMPipeline":
        from .pipeline import ActionMDMPipeline

        return ActionMDMPipeline
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
