"""Golden data of MDM (GuyTevet/motion-diffusion-model @ d4fd88c), loaded for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backend.models.mdm import load_upstream
from backend.models.mdm.network import MDM, MDMConfig
from tests.parity.formula import formula_array, formula_weight

GOLDEN = Path(__file__).parent / "golden" / "mdm"


def golden(name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Arrays of a golden file, its formula inputs among them, and the manifest."""
    manifest = json.loads((GOLDEN / f"{name}.manifest.json").read_text())
    made = {
        key: torch.from_numpy(formula_array(i["name"], tuple(i["shape"]), i["seed"], i["scale"]))
        for key, i in manifest.get("inputs", {}).items()
    }
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as data:
        return {**made, **{k: torch.from_numpy(data[k]) for k in data.files}}, manifest


def released(folder: str) -> MDM:
    """The network of a golden checkpoint."""
    return load_upstream(GOLDEN / folder)


def from_manifest(manifest: dict[str, Any]) -> MDM:
    """A network of the manifest's shape, filled with formula weights."""
    c = manifest["config"]
    config = MDMConfig(
        joints=c["njoints"],
        channels=c["nfeats"],
        arch=c["arch"],
        condition={"text": "text", "action": "action", "no_cond": "none"}[c["cond_mode"]],
        text_encoder=c["text_encoder_type"],
        actions=c["num_actions"],
        width=c["latent_dim"],
        layers=c["num_layers"],
        heads=c["num_heads"],
        ff_size=c["ff_size"],
        cond_mask_prob=c["cond_mask_prob"],
        mask_frames=c["mask_frames"],
        emb_trans_dec=c["emb_trans_dec"],
        max_positions=c["pos_embed_max_len"],
        context_len=c["context_len"],
        pred_len=c["pred_len"],
        target_cond=c["multi_target_cond"],
        target_encoder=c["multi_encoder_type"],
        target_layers=c["target_enc_layers"],
        target_joints=c["all_goal_joint_names"],
        diffusion_steps=1000,
    )
    net = MDM(config)
    seed = manifest["formula_seed"]
    weights = {
        name: torch.from_numpy(formula_weight(name, tuple(value.shape), seed))
        for name, value in net.weights().items()
    }
    net.load_state_dict(weights, strict=False)
    return net.eval()


def frame_mask(lengths: Tensor, frames: int) -> Tensor:
    """``[B, 1, 1, F]`` bool, True on real frames."""
    return (torch.arange(frames) < lengths[:, None])[:, None, None]


def text_of(z: dict[str, Tensor]) -> Any:
    """``text_embed`` with its padding where the golden data has one."""
    if "text_pad_mask" in z:
        return z["text_embed"], z["text_pad_mask"]
    return z["text_embed"]


def batch_first(x: Tensor) -> Tensor:
    """``[B, J, C, F]`` to ``[B, F, J*C]``."""
    return x.permute(0, 3, 1, 2).flatten(2)


def gap(actual: Tensor, expected: Tensor) -> float:
    """Largest absolute difference."""
    assert actual.shape == expected.shape
    return float((actual - expected).abs().max())
