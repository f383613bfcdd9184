"""HY-Motion-1.0 (Tencent): flow matching in motion_135's own columns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ...wire.control import ModelInfo
from ..family import Family

LICENCE = (
    "Tencent HY community licence: NOT granted in the European Union, the United Kingdom and South"
    " Korea; outputs may not train other models"
)

_MODEL = ModelInfo(
    name="",
    title="",
    licence=LICENCE,
    excluded_regions=("the European Union", "the United Kingdom", "South Korea"),
    representation="hymotion201",
    fps=30.0,
    min_seconds=20 / 30,
    max_seconds=12.0,
    text_encoder="a table of text features in the model's folder, else Qwen3-8B (17 GB of memory)"
    " and CLIP ViT-L/14",
    abilities=("generate",),
    options=("guidance_scale", "steps", "sampler"),
    memory_bytes=5_500_000_000,
)


def _recognise(marker: Path) -> bool:
    text = marker.read_text(encoding="utf-8", errors="replace")
    return "network_module_args" in text


CARD = Family(
    name="hymotion",
    pipeline=".pipeline:HYMotionPipeline",
    model=_MODEL,
    marker="config.yml",
    recognise=_recognise,
    models=(
        replace(
            _MODEL,
            name="hymotion",
            title="HY-Motion 1.0",
            description="1.0 B flow-matching transformer (Tencent 2025); best measured fidelity to"
            " the words. Read the licence: it excludes regions.",
            hub_id="tencent/HY-Motion-1.0",
            commercial_use="no",
            size_bytes=4_200_000_000,
        ),
        replace(
            _MODEL,
            name="hymotion-lite",
            title="HY-Motion 1.0 Lite",
            description="The same with 0.46 B parameters.",
            hub_id="tencent/HY-Motion-1.0-Lite",
            commercial_use="no",
            size_bytes=1_900_000_000,
            memory_bytes=3_000_000_000,
            speed="1.9 s a step for 5 s of motion, one CPU core",
        ),
    ),
    converter=".conversion:HYMotionConversion",
)
