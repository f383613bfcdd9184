"""A Kimodo model folder as NVIDIA publishes it (spec A.2), with golden weights and a text table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import yaml
from safetensors.torch import save_file

from backend.text.vectors.table import TextTable

from .kimodo_model import SETS, TEXT_TOKENS, config, golden_kimodo
from .released import below

PROMPTS = ("A person walks forward.", "A person waves.", "A person sits down.")


def write_release(folder: Path, skeleton: str = "soma30", *, torch_file: bool = False) -> Path:
    """``config.yaml``, a checkpoint with the published prefix, ``stats/motion``, a table."""
    c, z = config(skeleton), golden_kimodo(skeleton)
    folder.mkdir(parents=True)
    settings = {
        "_target_": "kimodo.model.Kimodo",
        "num_base_steps": c.base_steps,
        "motion_mask_mode": "concat",
        "fps": 30,
        "denoiser": {
            "_target_": "kimodo.model.TwoStage",
            "llm_shape": [1, c.text_width],
            "num_text_tokens_override": TEXT_TOKENS,
            "use_text_mask": False,
            "latent_dim": c.latent_dim,
            "ff_size": c.ff_size,
            "num_layers": c.num_layers,
            "num_heads": c.num_heads,
            "activation": "gelu",
            "input_first_heading_angle": True,
        },
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    weights = {f"denoiser.backbone.{k}": v.contiguous() for k, v in below(z, "w").items()}
    if torch_file:
        torch.save({"state_dict": weights}, folder / "model.ckpt")
    else:
        save_file(weights, folder / "model.safetensors")
    for name in SETS:
        place = folder / "stats" / "motion" / name
        place.mkdir(parents=True)
        for value in ("mean", "std"):
            np.save(place / f"{value}.npy", z[f"stats.{name}.{value}"].numpy())
    texts = [z["plain.text0"], z["multi.text1"], z["constrained.text0"]]
    vectors = dict(zip(PROMPTS, texts, strict=True))
    TextTable.make(PROMPTS, "golden", lambda text: {"text": vectors[text]}).save(
        folder / "text_vectors.safetensors"
    )
    return folder
