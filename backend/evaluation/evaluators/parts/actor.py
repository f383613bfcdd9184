"""ACTOR-style transformer encoders and decoder: one latent Gaussian for a whole sequence.

Petrovich et al. 2021 (ACTOR), 2022 (TEMOS), 2023 (TMR). The MotionStreamer evaluator uses the same
encoder under other tensor names; both are read into :class:`ActorEncoder` here, whose own names are
TMR's (``tokens``, ``projection``, ``seqTransEncoder``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ....models.positions import interleaved_positions

HEADS = 4
"""Attention heads of every released model of this family; no file records it."""


@dataclass(frozen=True)
class ActorConfig:
    """Shape of an encoder or decoder.

    ``relu_first`` puts a ReLU before the projection (text encoder of the MotionStreamer evaluator).
    """

    features: int
    latent: int = 256
    layers: int = 6
    heads: int = HEADS
    feed_forward: int = 1024
    relu_first: bool = False


def _layer_options(config: ActorConfig) -> dict[str, Any]:
    return {
        "d_model": config.latent,
        "nhead": config.heads,
        "dim_feedforward": config.feed_forward,
        "dropout": 0.1,
        "activation": "gelu",
        "batch_first": True,
    }


class ActorEncoder(nn.Module):
    """Features ``[B, T, F]`` to the mean and log-variance ``[B, D]`` of their latent.

    Two learnt tokens go before the projected frames; their outputs are mu and logvar. The
    positional table covers the tokens too. Post-norm layers, GELU, no final norm.
    """

    def __init__(self, config: ActorConfig) -> None:
        super().__init__()
        self.config = config
        self.projection = nn.Linear(config.features, config.latent)
        self.tokens = nn.Parameter(torch.randn(2, config.latent))
        layer = nn.TransformerEncoderLayer(**_layer_options(config))
        self.seqTransEncoder = nn.TransformerEncoder(
            layer, config.layers, enable_nested_tensor=False
        )

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """``x`` [B, T, F], ``mask`` [B, T] True on real frames -> mu, logvar, each [B, D]."""
        x = self.projection(x.relu() if self.config.relu_first else x)
        x = torch.cat([self.tokens.expand(len(x), -1, -1), x], 1)
        x = x + interleaved_positions(x.shape[1], x.shape[2]).to(x)
        hidden = torch.cat([mask.new_zeros(len(mask), 2), ~mask], 1)
        out = self.seqTransEncoder(x, src_key_padding_mask=hidden)
        return out[:, 0], out[:, 1]


class ActorDecoder(nn.Module):
    """One latent ``[B, D]`` to a sequence ``[B, T, F]``; padded frames are exactly 0."""

    def __init__(self, config: ActorConfig) -> None:
        super().__init__()
        self.config = config
        layer = nn.TransformerDecoderLayer(**_layer_options(config))
        self.seqTransDecoder = nn.TransformerDecoder(layer, config.layers)
        self.final_layer = nn.Linear(config.latent, config.features)

    def forward(self, z: Tensor, mask: Tensor) -> Tensor:
        """``z`` [B, D], ``mask`` [B, T] True on frames to make -> [B, T, F]."""
        queries = interleaved_positions(mask.shape[1], z.shape[1]).to(z).expand(len(z), -1, -1)
        out = self.seqTransDecoder(queries, z[:, None], tgt_key_padding_mask=~mask)
        return self.final_layer(out) * mask[..., None]


def encoder_config(weights: Mapping[str, Tensor], *, relu_first: bool = False) -> ActorConfig:
    """The shape that a state dict of TMR's names has (heads are not in it)."""
    latent, features = weights["projection.weight"].shape
    layers = {key.split(".")[2] for key in weights if key.startswith("seqTransEncoder.layers.")}
    return ActorConfig(
        features=features,
        latent=latent,
        layers=len(layers),
        feed_forward=weights["seqTransEncoder.layers.0.linear1.weight"].shape[0],
        relu_first=relu_first,
    )


def from_motionstreamer(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """MotionStreamer's tensor names to ours; the stored positional table is left out."""
    names = {
        "skel_embedding.weight": "projection.weight",
        "skel_embedding.bias": "projection.bias",
        "projection.1.weight": "projection.weight",
        "projection.1.bias": "projection.bias",
    }
    found = {
        names.get(key, key): value
        for key, value in weights.items()
        if key not in {"mu_token", "logvar_token", "sequence_pos_encoding.pe"}
    }
    if "mu_token" in weights and "logvar_token" in weights:
        found["tokens"] = torch.stack([weights["mu_token"], weights["logvar_token"]])
    return found
