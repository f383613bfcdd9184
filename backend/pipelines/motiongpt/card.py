"""MotionGPT: motion tokens and a language model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..family import Family
from ..humanml3d.published import HUMANML3D

_MODEL = replace(
    HUMANML3D,
    text_encoder="its own language model (FLAN-T5 tokenizer in the model's folder)",
    abilities=("generate", "continue", "in_between", "describe"),
    options=(),
    size_bytes=1_075_000_000,
    memory_bytes=1_800_000_000,
    speed="2.3 s for 9.8 s of motion, one CPU core",
)


def _recognise(index: Path) -> bool:
    return "motiongpt" in index.read_text(encoding="utf-8", errors="replace").lower()


CARD = Family(
    name="motiongpt",
    pipeline=".pipeline:MotionGPTPipeline",
    model=_MODEL,
    marker="model_index.json",
    recognise=_recognise,
    unmistakable="motiongpt_s3_h3d.tar",
    models=(
        replace(
            _MODEL,
            name="motiongpt",
            title="MotionGPT",
            description="Motion tokens and a T5 language model (Jiang et al. 2023); also describes"
            " motions in words.",
            hub_id="ZeyuLing/hftrainer-motiongpt-humanml3d",
        ),
    ),
    converter=".conversion:MotionGPTConversion",
    trainers={"tokenizer": "training.tokenizer.recipe:TokenizerRecipe"},
)
