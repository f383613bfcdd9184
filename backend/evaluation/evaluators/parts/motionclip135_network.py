"""MotionCLIP's two towers: CLIP's text transformer, and the same over frames of motion_135.

The motion tower is a vision transformer whose patches are frames: a class token goes first, layer
norm before and after the layers, and the class token's last state is the motion. Tensor names are
those of the hosted code (Motius, ``motionclip``), which follow Hugging Face's CLIP.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class TowerConfig:
    """Shape of one tower; ``inputs`` are words of the vocabulary, or columns of a frame."""

    width: int
    layers: int
    heads: int
    feed_forward: int
    positions: int
    projection: int
    inputs: int
    end: int = 0
    """Token that ends a text; 2 means the largest id of a row, as CLIP's first configurations."""


class _Layer(nn.Module):
    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.self_attn = nn.ModuleDict(
            {f"{n}_proj": nn.Linear(config.width, config.width) for n in ("q", "k", "v", "out")}
        )
        self.layer_norm1 = nn.LayerNorm(config.width)
        self.mlp = nn.ModuleDict(
            {
                "fc1": nn.Linear(config.width, config.feed_forward),
                "fc2": nn.Linear(config.feed_forward, config.width),
            }
        )
        self.layer_norm2 = nn.LayerNorm(config.width)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        inner = self.layer_norm1(x)
        q, k, v = (
            self.self_attn[f"{n}_proj"](inner).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for n in ("q", "k", "v")
        )
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        x = x + self.self_attn["out_proj"](mixed.transpose(1, 2).flatten(2))
        inner = self.mlp["fc1"](self.layer_norm2(x))
        # quick GELU, as CLIP
        return x + self.mlp["fc2"](inner * torch.sigmoid(1.702 * inner))


class _Layers(nn.Module):
    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.layers))

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """``seen`` [B, 1, L or 1, L] True where a place may be looked at."""
        bias = torch.zeros_like(seen, dtype=x.dtype).masked_fill(~seen, torch.finfo(x.dtype).min)
        for layer in self.layers:
            x = layer(x, bias)
        return x


class _Frames(nn.Module):
    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        self.class_embedding = nn.Parameter(torch.randn(config.width))
        self.motion_projection = nn.Linear(config.inputs, config.width, bias=False)
        self.position_embedding = nn.Embedding(config.positions + 1, config.width)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, T, F]`` -> ``[B, 1 + T, width]``, the class token first."""
        first = self.class_embedding.expand(len(x), 1, -1)
        hidden = torch.cat([first, self.motion_projection(x)], 1)
        return hidden + self.position_embedding.weight[: hidden.shape[1]]


class _Words(nn.Module):
    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(config.inputs, config.width)
        self.position_embedding = nn.Embedding(config.positions, config.width)

    def forward(self, ids: Tensor) -> Tensor:
        """``[B, L]`` -> ``[B, L, width]``."""
        return self.token_embedding(ids) + self.position_embedding.weight[: ids.shape[1]]


class MotionTower(nn.Module):
    """Normalised motion_135 ``[B, T, 135]`` to one vector ``[B, width]``, before projection."""

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        self.embeddings = _Frames(config)
        self.pre_layernorm = nn.LayerNorm(config.width)
        self.encoder = _Layers(config)
        self.post_layernorm = nn.LayerNorm(config.width)

    def states(self, x: Tensor, mask: Tensor) -> Tensor:
        """States of the class token and all frames ``[B, 1 + T, width]``; see :meth:`forward`."""
        hidden = self.pre_layernorm(self.embeddings(x))
        seen = torch.cat([mask.new_ones(len(mask), 1), mask], 1)
        return self.encoder(hidden, seen[:, None, None])

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """``x`` [B, T, F], ``mask`` [B, T] True on real frames -> [B, width]."""
        return self.post_layernorm(self.states(x, mask)[:, 0])


class TextTower(nn.Module):
    """Token ids ``[B, L]`` to one vector ``[B, width]``, before projection."""

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        self.end, self.context = config.end, config.positions
        self.embeddings = _Words(config)
        self.encoder = _Layers(config)
        self.final_layer_norm = nn.LayerNorm(config.width)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """``mask`` [B, L] True on real tokens; the state at the first end token."""
        causal = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool, device=ids.device).tril()
        out = self.final_layer_norm(
            self.encoder(self.embeddings(ids), causal & mask[:, None, None])
        )
        ends = ids if self.end == 2 else (ids == self.end).int()
        return out[torch.arange(len(out), device=out.device), ends.argmax(-1)]


class MotionCLIP(nn.Module):
    """Both towers with their bias-free projections."""

    def __init__(self, text: TowerConfig, motion: TowerConfig) -> None:
        super().__init__()
        self.text_model = TextTower(text)
        self.text_projection = nn.Linear(text.width, text.projection, bias=False)
        self.motion_model = MotionTower(motion)
        self.motion_projection = nn.Linear(motion.width, motion.projection, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor([2.6592]))

    @classmethod
    def of_weights(
        cls, weights: Mapping[str, Tensor], text: Mapping[str, int], motion: Mapping[str, int]
    ) -> MotionCLIP:
        """A network of the shape of its tensors; what they do not tell comes from configurations.

        Args:
            text, motion: ``heads``, and ``end`` of the texts.

        Raises:
            KeyError: a tensor that tells the shape is absent.
        """

        def config(tower: str, inputs: int, positions: int, **more: int) -> TowerConfig:
            feed_forward, width = weights[f"{tower}_model.encoder.layers.0.mlp.fc1.weight"].shape
            start = f"{tower}_model.encoder.layers."
            return TowerConfig(
                width=width,
                layers=len({k[len(start) :].split(".")[0] for k in weights if k.startswith(start)}),
                feed_forward=feed_forward,
                positions=positions,
                projection=weights[f"{tower}_projection.weight"].shape[0],
                inputs=inputs,
                **more,
            )

        places = {t: len(weights[f"{t}_model.embeddings.position_embedding.weight"])
                  for t in ("text", "motion")}  # fmt: skip
        words = len(weights["text_model.embeddings.token_embedding.weight"])
        columns = weights["motion_model.embeddings.motion_projection.weight"].shape[1]
        return cls(
            config("text", words, places["text"], **text),
            config("motion", columns, places["motion"] - 1, **motion),
        )

    def embed_text(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Token ids ``[B, L]`` and their mask (True: real) -> ``[B, projection]``, raw."""
        return self.text_projection(self.text_model(ids, mask))

    def embed_motion(self, x: Tensor, mask: Tensor) -> Tensor:
        """See :class:`MotionTower`; raw projection."""
        return self.motion_projection(self.motion_model(x, mask))
