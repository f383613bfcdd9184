"""Published models that are downloaded on request, and where their copies lie."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..wire.control import ModelInfo

_HUMANML3D = ModelInfo(
    name="",
    title="",
    licence="research use (HumanML3D, AMASS)",
    representation="hml263",
    fps=20.0,
    min_seconds=2.0,
    max_seconds=9.8,
)
"""What all models of HumanML3D features have in common."""

PUBLISHED: tuple[ModelInfo, ...] = (
    replace(
        _HUMANML3D,
        name="mdm",
        title="MDM",
        description="Human Motion Diffusion Model (Tevet et al. 2023) trained on HumanML3D.",
        text_encoder="CLIP ViT-B/32 (in the model's folder, else from the hub)",
        hub_id="ZeyuLing/hftrainer-mdm-humanml3d",
    ),
    replace(
        _HUMANML3D,
        name="motiongpt",
        title="MotionGPT",
        description="Motion tokens and a T5 language model (Jiang et al. 2023); also describes"
        " motions in words.",
        text_encoder="its own language model (FLAN-T5 tokenizer in the model's folder)",
        hub_id="ZeyuLing/hftrainer-motiongpt-humanml3d",
    ),
    replace(
        _HUMANML3D,
        name="mogents",
        title="MoGenTS",
        description="Spatial-temporal joint tokens and masked transformers (Yuan et al. 2024).",
        text_encoder="CLIP ViT-B/32 (in the model's folder; its vocabulary from the hub)",
        hub_id="ZeyuLing/hftrainer-mogents-humanml3d",
    ),
)

DOWNLOAD_BYTES = {"mdm": 72_000_000, "motiongpt": 1_075_000_000, "mogents": 1_200_000_000}
"""About what a download takes: the tensors of each artifact (MoGenTS brings CLIP), in float32."""


def cached_folder(hub_id: str, markers: Sequence[str]) -> Path | None:
    """The snapshot of a hub model in the Hugging Face cache that is used when no revision is named.

    None where it is not there, or lacks the markers or weights. The cache is read as files:
    importing its library would cost more than the whole listing.
    """
    home = _hub_cache() / f"models--{hub_id.replace('/', '--')}"
    try:
        commit = (home / "refs" / "main").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    folder = home / "snapshots" / commit
    if not commit or not any((folder / marker).is_file() for marker in markers):
        return None
    weights = any(any(folder.rglob(f"*{suffix}")) for suffix in (".safetensors", ".tar", ".pt"))
    return folder if weights else None


def _hub_cache() -> Path:
    """Where ``huggingface_hub`` keeps models, by its documented environment variables."""
    if os.environ.get("HF_HUB_CACHE"):
        return Path(os.environ["HF_HUB_CACHE"]).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or str(Path(cache) / "huggingface")
    return Path(home).expanduser() / "hub"
