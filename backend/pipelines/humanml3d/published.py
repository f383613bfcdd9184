"""What published models of HumanML3D features have in common."""

from __future__ import annotations

from dataclasses import replace

from ...wire.control import ModelInfo

HUMANML3D = ModelInfo(
    name="",
    title="",
    licence="research use (HumanML3D, AMASS)",
    commercial_use="no",
    representation="hml263",
    fps=20.0,
    min_seconds=2.0,
    max_seconds=9.8,
)


def of_kit(info: ModelInfo) -> ModelInfo:
    """As it is where the data set is KIT-ML: other joints and rate, which fit no rig of ours."""
    return replace(info, representation="kit251", fps=12.5, abilities=(), constraints=())
