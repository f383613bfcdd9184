"""MDM, its planner DiP, and its released models of actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...wire.control import ModelInfo
from ...wire.directing import TYPES
from ..family import Family
from ..humanml3d.published import HUMANML3D, of_kit

ARGS = "args.json"
CHECKPOINTS = "model" + "[0-9]" * 9 + ".pt"
"""How the released training names its checkpoints."""
_MODEL = replace(
    HUMANML3D,
    text_encoder="CLIP ViT-B/32 (in the model's folder, else from the hub)",
    abilities=("generate", "edit", "continue", "constrain"),
    constraints=TYPES,
    size_bytes=72_000_000,
    memory_bytes=900_000_000,
    speed="3.7 s for 9.8 s of motion, 25 steps, one CPU core",
)


def is_release(path: Path) -> bool:
    """Whether this is a released checkpoint, or the folder of one; it may lack a part."""
    if path.is_dir():
        has_args = (path / ARGS).is_file() and any(path.glob("model*.pt"))
        return has_args or any(path.glob(CHECKPOINTS))
    released = (path.parent / ARGS).is_file() or path.match(CHECKPOINTS)
    return path.suffix == ".pt" and path.is_file() and released


def _described(info: ModelInfo, values: Mapping[str, Any]) -> ModelInfo:
    """A planner goes on from motions and edits none; KIT-ML's joints fit no rig."""
    told = {**(values.get("config") or {}), **(values.get("network") or {})}
    if told.get("dataset") == "kit":
        return of_kit(info)
    if told.get("context_len"):
        return replace(
            info,
            abilities=("generate", "continue"),
            constraints=(),
            min_seconds=0.0,
            max_seconds=0.0,
        )
    return info


CARD = Family(
    name="mdm",
    pipeline=".pipeline:MDMPipeline",
    model=_MODEL,
    marker="mdm_config.json",
    traces=("model.safetensors", "Mean.npy", "Std.npy"),
    described=_described,
    released=is_release,
    release=".smpl_actions:MDMActions.from_release",
    models=(
        replace(
            _MODEL,
            name="mdm",
            title="MDM",
            description="Human Motion Diffusion Model (Tevet et al. 2023) trained on HumanML3D.",
            hub_id="ZeyuLing/hftrainer-mdm-humanml3d",
            encoder_bytes=605_000_000,
        ),
    ),
    companions=".folder:find_text_encoder",
    converter=".conversion:MdmConversion",
    trainers={"mdm": "training.mdm.recipe:MdmRecipe"},
)
