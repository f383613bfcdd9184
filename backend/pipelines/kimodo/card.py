"""Kimodo: text, poses, hands, feet and a path to motion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ...wire.control import ModelInfo
from ...wire.directing import TYPES
from ..family import Family

SMPLX_BODY = 268
"""Columns of the body statistics of a model on SMPL-X-22."""
OPEN_LICENCE = "NVIDIA Open Model License (commercial use allowed)"
RESEARCH_LICENCE = "NVIDIA R&D License (non-commercial; no redistribution of derivatives)"

_MODEL = ModelInfo(
    name="",
    title="",
    licence=OPEN_LICENCE,
    representation="kimodo369",
    fps=30.0,
    min_seconds=0.5,
    max_seconds=60.0,
    text_encoder="a table or map of text vectors in the model's folder, else LLM2Vec-Llama-3-8B"
    " (gated, 17 GB of memory, 10 GB in 8 bits)",
    abilities=("generate", "edit", "continue", "constrain", "segments"),
    constraints=(*TYPES, "end-effector"),
    options=("guidance_scale", "steps", "sampler"),
    memory_bytes=2_500_000_000,
    speed="2.5 s a step for 5 s of motion (50 steps: 127 s), one CPU core",
)


def _recognise(marker: Path) -> bool:
    text = marker.read_text(encoding="utf-8", errors="replace")
    return "motion_mask_mode" in text or "kimodo" in text.lower()


def _described(info: ModelInfo, _: Mapping[str, object]) -> ModelInfo:
    """Which skeleton, and so which licence, by the size of the body's statistics."""
    stats = Path(info.path) / "stats/motion/body/mean.npy"
    smplx = stats.is_file() and f"({SMPLX_BODY},)".encode() in stats.read_bytes()[:256]
    if not smplx:
        return replace(info, commercial_use="yes")
    return replace(info, representation="kimodo273", licence=RESEARCH_LICENCE, commercial_use="no")


CARD = Family(
    name="kimodo",
    pipeline=".pipeline:KimodoPipeline",
    model=_MODEL,
    marker="config.yaml",
    recognise=_recognise,
    described=_described,
    models=(
        replace(
            _MODEL,
            name="kimodo",
            title="Kimodo (SOMA)",
            description="Two-stage diffusion on 700 h of studio motion (NVIDIA 2026); obeys poses,"
            " hands, feet and a path.",
            hub_id="nvidia/Kimodo-SOMA-RP-v1",
            commercial_use="yes",
            size_bytes=1_134_000_000,
        ),
        replace(
            _MODEL,
            name="kimodo-smplx",
            title="Kimodo (SMPL-X)",
            description="The same network on SMPL-X; its makers call its motion worse.",
            hub_id="nvidia/Kimodo-SMPLX-RP-v1",
            licence=RESEARCH_LICENCE,
            representation="kimodo273",
            commercial_use="no",
            size_bytes=1_130_000_000,
        ),
    ),
    converter=".conversion:KimodoConversion",
)
