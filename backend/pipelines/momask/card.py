"""MoMask: residual motion tokens and two masked transformers; seconds on a CPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ...wire.control import ModelInfo
from ..family import Family
from ..humanml3d.published import HUMANML3D, of_kit

_MODEL = replace(
    HUMANML3D,
    description="Residual motion tokens and two masked transformers (Guo et al. 2024); seconds on a"
    " CPU.",
    text_encoder="CLIP ViT-B/32 (in the model's folder, else from the hub)",
    abilities=("generate", "edit", "estimate_length"),
    options=("guidance_scale", "steps"),
    commercial_use="no",
    memory_bytes=1_200_000_000,
    speed="0.8 s for 9.8 s of motion, 10 steps, one CPU core",
)


def _layout(folder: Path) -> bool:
    from .layout import is_release

    return is_release(folder)


def _described(info: ModelInfo, values: Mapping[str, object]) -> ModelInfo:
    sections = values.get("config")
    vq = sections.get("vq") if isinstance(sections, Mapping) else None
    if isinstance(vq, Mapping) and vq.get("dataset_name") == "kit":
        return of_kit(info)
    if values and not values.get("has_length_estimator", False):
        return replace(info, abilities=tuple(a for a in info.abilities if a != "estimate_length"))
    return info


CARD = Family(
    name="momask",
    pipeline=".pipeline:MoMaskPipeline",
    model=_MODEL,
    marker="momask_config.json",
    traces=("vq.safetensors", "mask.safetensors", "res.safetensors"),
    layout=_layout,
    described=_described,
    converter=".conversion:MoMaskConversion",
)
