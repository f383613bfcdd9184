"""A MoMask release as it is published (spec B.1), with golden weights and a tiny CLIP beside it."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import torch

from backend.models.momask.networks import Networks

from .mogents_model import unpack_model
from .momask_model import build

NAMES = {
    "vq": "rvq_nq6_dc512_nc512_noshare_qdp0.2",
    "mask": "t2m_nlayer8_nhead6_ld384_ff1024_cdp0.1_rvq6ns",
    "res": "tres_nlayer8_ld384_ff1024_rvq6ns_cdp0.2_sw",
}
_FILES = {
    "vq": ("net_best_fid.tar", "vq_model"),
    "mask": ("latest.tar", "t2m_transformer"),
    "res": ("net_best_fid.tar", "res_transformer"),
}


def write_release(folder: Path, *, clip: bool = True, length: bool = True) -> Path:
    """``checkpoints/t2m`` in ``folder``; returns it."""
    networks = build()
    root = folder / "checkpoints" / "t2m"
    for role, name in NAMES.items():
        home = root / name
        (home / "model").mkdir(parents=True)
        file, key = _FILES[role]
        weights = {k: v.clone() for k, v in getattr(networks, role).state_dict().items()}
        torch.save({key: weights, "ep": 3, "total_it": 10}, home / "model" / file)
        (home / "opt.txt").write_text(_options(networks, role, name))
    meta = root / NAMES["vq"] / "meta"
    meta.mkdir()
    rng = np.random.default_rng(0)
    dim = networks.config.vq.dim
    np.save(meta / "mean.npy", rng.normal(0, 0.1, dim).astype(np.float32))
    np.save(meta / "std.npy", rng.uniform(0.05, 0.1, dim).astype(np.float32))
    if length and networks.length_est is not None:
        place = root / "length_estimator" / "model"
        place.mkdir(parents=True)
        torch.save({"estimator": networks.length_est.state_dict()}, place / "finest.tar")
    if clip:
        artifact = unpack_model(folder / "clip")
        for file in ("clip.safetensors", "vocab.json", "merges.txt"):
            shutil.copy(artifact / file, root / file)
    return root


def _options(networks: Networks, role: str, name: str) -> str:
    values = {"name": name, "lr": 0.0002, "is_train": False, "which_epoch": "all"}
    values |= dataclasses.asdict(getattr(networks.config, role))
    values.pop("clip_dim", None)
    lines = [f"{key}: {value}" for key, value in sorted(values.items())]
    bar = "------------ Options -------------"
    return "\n".join([bar, *lines, "-------------- End ----------------", ""])
