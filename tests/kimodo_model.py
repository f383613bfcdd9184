"""The small golden Kimodo models, their shape read from their tensors."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch

from backend.models.kimodo.config import KimodoConfig
from backend.models.kimodo.network import KimodoDenoiser
from backend.models.kimodo.statistics import FeatureStats
from tests.released import below, golden

SKELETONS = ("soma30", "smplx22")
TEXT_TOKENS = 5
"""Of the golden models; in no tensor. The published ones have 50."""
SETS = ("global_root", "local_root", "body")


def golden_kimodo(skeleton: str) -> dict[str, torch.Tensor]:
    return golden(f"kimodo/kimodo_{skeleton}_tiny_golden.npz")


def config(skeleton: str, heads: int | None = None) -> KimodoConfig:
    weights = below(golden_kimodo(skeleton), "w")
    layers = {k.split(".")[3] for k in weights if k.startswith("root_model.seqTransEncoder.layers")}
    return KimodoConfig(
        features=golden_kimodo(skeleton)["fwd.x"].shape[-1],
        text_width=weights["root_model.embed_text.weight"].shape[1],
        text_tokens=TEXT_TOKENS,
        latent_dim=weights["root_model.embed_text.weight"].shape[0],
        ff_size=weights["root_model.seqTransEncoder.layers.0.linear1.weight"].shape[0],
        num_layers=len(layers),
        num_heads=heads or head_count(skeleton),
    )


def statistics(skeleton: str) -> FeatureStats:
    z = golden_kimodo(skeleton)
    return FeatureStats.of(
        {name: (z[f"stats.{name}.mean"], z[f"stats.{name}.std"]) for name in SETS}
    )


def build(skeleton: str, heads: int | None = None) -> KimodoDenoiser:
    net = KimodoDenoiser(config(skeleton, heads), statistics(skeleton))
    net.load_state_dict(below(golden_kimodo(skeleton), "w"))
    return net.eval().requires_grad_(False)


def forward_case(skeleton: str, mask: bool) -> tuple[torch.Tensor, torch.Tensor, dict[str, Any]]:
    """Arguments of the golden forward pass."""
    z = golden_kimodo(skeleton)
    y = {
        "text": z["fwd.text"][:, 0],
        "heading": z["fwd.heading"],
        "lengths": z["fwd.pad"].sum(1),
    }
    if mask:
        y |= {"mask": z["fwd.mask"], "observed": z["fwd.obs"]}
    return z["fwd.x"], z["fwd.t"], y


@cache
def head_count(skeleton: str) -> int:
    """Of the golden transformers: in no tensor, so the one whose output is the golden one."""
    z = golden_kimodo(skeleton)
    width = z["w.root_model.embed_text.weight"].shape[0]

    def error(heads: int) -> float:
        out = build(skeleton, heads)(*forward_case(skeleton, mask=False))
        return float((out[0] - z["fwd.out_nomask"][0]).abs().mean())

    return min((n for n in range(1, width + 1) if width % n == 0), key=error)
