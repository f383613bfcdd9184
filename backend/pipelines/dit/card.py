"""The diffusion transformer: the models that come with Kinetype, and those trained by it."""

from __future__ import annotations

from ...wire.control import ModelInfo
from ...wire.directing import TYPES
from ..family import ASSETS, Family, Sampling

_QUALITIES = {
    "draft": Sampling(steps=8),
    "best": Sampling(steps=25, guidance_scale=1.5),
}

_MODEL = ModelInfo(
    name="",
    title="",
    representation="smplrifke205",
    fps=20.0,
    text_encoder="MiniLM (installed with Kinetype)",
    abilities=("generate", "edit", "continue", "constrain", "segments"),
    constraints=TYPES,
    qualities=tuple(_QUALITIES),
    memory_bytes=700_000_000,
    speed="0.4 s for 5 s of motion, one CPU core",
)

CARD = Family(
    name="dit",
    pipeline=".pipeline:DiTPipeline",
    model=_MODEL,
    models=tuple(
        ModelInfo(
            name=name,
            title=title,
            description="Ships with Kinetype; works offline on a CPU.",
            path=str(ASSETS / name),
            commercial_use=commercial_use,
            speed=_MODEL.speed,
        )
        for name, title, commercial_use in (
            ("starter", "Starter", "no"),
            ("starter-open", "Starter Open", "yes"),
        )
    ),
    trainers={
        "dit": "training.dit.recipe:DiTRecipe",
        "judge": "training.judge.recipe:JudgeRecipe",
    },
    qualities=_QUALITIES,
)
