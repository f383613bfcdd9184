"""MoGenTS: spatial-temporal joint tokens and masked transformers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...wire.control import ModelInfo
from ..family import Family
from ..humanml3d.published import HUMANML3D, of_kit

_MODEL = replace(
    HUMANML3D,
    text_encoder="CLIP ViT-B/32 (in the model's folder)",
    abilities=("generate", "estimate_length"),
    options=("guidance_scale", "steps"),
    size_bytes=1_200_000_000,
    memory_bytes=2_000_000_000,
    speed="8 s for 9.8 s of motion, 10 steps, one CPU core",
)


def _described(info: ModelInfo, values: Mapping[str, Any]) -> ModelInfo:
    sections = values.get("config") or {}
    if (sections.get("vq") or {}).get("dataset_name") == "kit":
        return of_kit(info)
    if values.get("has_length_estimator", False):
        return info
    return replace(info, abilities=tuple(a for a in info.abilities if a != "estimate_length"))


CARD = Family(
    name="mogents",
    pipeline=".pipeline:MoGenTSPipeline",
    model=_MODEL,
    marker="mogents_config.json",
    traces=("vq.safetensors", "mask_ts.safetensors"),
    described=_described,
    models=(
        replace(
            _MODEL,
            name="mogents",
            title="MoGenTS",
            description="Spatial-temporal joint tokens and masked transformers (Yuan et al. 2024).",
            hub_id="ZeyuLing/hftrainer-mogents-humanml3d",
            encoder_bytes=605_000_000,
        ),
    ),
    companions=".folder:load_encoder",
    converter=".conversion:MoGenTSConversion",
)
