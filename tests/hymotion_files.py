"""An HY-Motion folder as Tencent publishes it (spec C.1), with golden weights and a text table."""

from __future__ import annotations

from pathlib import Path

import torch
import yaml

from backend.text.vectors.table import TextTable

from .hymotion_model import BAND, golden_hymotion
from .released import below

PROMPTS = ("A person walks forward.", "A person waves.")


def write_release(folder: Path, *, table: bool = True) -> Path:
    """``config.yml``, ``latest.ckpt``, ``text_features.safetensors``."""
    z = golden_hymotion()
    folder.mkdir(parents=True)
    settings = {
        "train_pipeline_args": {"enable_ctxt_null_feat": False},
        "network_module_args": {
            "mask_mode": "narrowband",
            "narrowband_length": BAND / 30,
            "apply_rope_to_single_branch": False,
            "train_frames": z["fwd.x"].shape[1],
        },
    }
    (folder / "config.yml").write_text(yaml.safe_dump(settings))
    torch.save({"model_state_dict": below(z, "w"), "epoch": 3}, folder / "latest.ckpt")
    if table:
        rows = dict(zip(PROMPTS, range(2), strict=True))

        def features(text: str) -> dict[str, torch.Tensor]:
            row = rows[text]
            real = z["fwd.cmask"][row].bool()
            return {"tokens": z["fwd.ctxt"][row][real], "pooled": z["fwd.vtxt"][row]}

        TextTable.make(PROMPTS, "golden", features).save(folder / "text_features.safetensors")
    return folder
