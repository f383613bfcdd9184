"""The action model: motions of named actions."""

from __future__ import annotations

from pathlib import Path

from ...wire.control import ModelInfo
from ..family import Family

FINAL = "mdm_final.pth"


def is_release(path: Path) -> bool:
    """Whether this is a checkpoint of the released training code, or the folder of one."""
    return path.suffix == ".pth" or (path / FINAL).is_file()


CARD = Family(
    name="action_mdm",
    pipeline=".pipeline:ActionMDMPipeline",
    model=ModelInfo(
        name="",
        title="",
        description="Motions of named actions: a training of yours, or a release of its authors.",
        representation="joints",
        fps=20.0,
        text_encoder="none: the prompt names an action",
        abilities=("generate", "sample"),
        options=("steps", "sampler"),
        memory_bytes=500_000_000,
    ),
    marker="action_mdm_config.json",
    released=is_release,
    release=".pipeline:ActionMDMPipeline.from_pretrained",
    trainers={"action-mdm": "training.action_mdm.recipe:ActionRecipe"},
)
