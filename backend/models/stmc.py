"""The denoiser of STMC's MDM-SMPL (Petrovich et al. 2024): in-context conditioning, pre-norm.

Tokens are [time, text, registers, frames]; sinusoidal positions are added to all of them. Tensor
names are those of the released checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .positions import interleaved_positions


@dataclass(frozen=True)
class StmcConfig:
    """Shape of a :class:`StmcDenoiser`; the released model has width 512 and 8 layers."""

    features: int = 205
    text_dim: int = 512
    width: int = 512
    text_width: int = 1024
    layers: int = 8
    heads: int = 8
    feed_forward: int = 2048
    registers: int = 2
    max_positions: int = 5000


class _TimeEmbedding(nn.Module):
    """Step number to a token: its sinusoidal position through a small network."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.time_embed = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, positions: Tensor) -> Tensor:
        return self.time_embed(positions)


class StmcDenoiser(nn.Module):
    """Noisy features to a prediction of the clean ones (x0)."""

    def __init__(self, config: StmcConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.tx_embedding = nn.Sequential(
            nn.Linear(config.text_dim, config.text_width),
            nn.GELU(),
            nn.Linear(config.text_width, width),
            nn.LayerNorm(width),
        )
        self.skel_embedding = nn.Linear(config.features, width)
        self.registers = nn.Parameter(torch.randn(config.registers, width))
        self.timestep_encoder = _TimeEmbedding(width)
        layer = nn.TransformerEncoderLayer(
            width,
            config.heads,
            config.feed_forward,
            dropout=0.0,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.seqTransEncoder = nn.TransformerEncoder(
            layer, config.layers, enable_nested_tensor=False
        )
        self.to_skel_layer = nn.Linear(width, config.features)
        table = interleaved_positions(config.max_positions, width)
        self.register_buffer("positions", table, persistent=False)

    def forward(self, x: Tensor, timesteps: Tensor, text: Tensor, mask: Tensor) -> Tensor:
        """Predict x0.

        Args:
            x: ``[B, T, features]`` noisy normalised features.
            timesteps: ``[B]`` 0-based steps.
            text: ``[B, text_dim]`` sentence vectors (CLIP); the empty text's is unconditional.
            mask: ``[B, T]`` True where a frame is real.

        Returns:
            ``[B, T, features]``; zero past the end of each clip.
        """
        positions = torch.as_tensor(self.positions)
        front = [
            self.timestep_encoder(positions[timesteps])[:, None],
            self.tx_embedding(text)[:, None],
            self.registers.expand(len(x), -1, -1),
        ]
        tokens = torch.cat([*front, self.skel_embedding(x)], 1)
        extra = tokens.shape[1] - x.shape[1]
        real = torch.cat([mask.new_ones(len(x), extra), mask], 1)
        tokens = tokens + positions[: tokens.shape[1]]
        hidden = self.seqTransEncoder(tokens, src_key_padding_mask=~real)
        return self.to_skel_layer(hidden[:, extra:]) * mask[..., None]


def config_of(weights: Mapping[str, Tensor], heads: int = 8) -> StmcConfig:
    """The shape that a checkpoint's tensors have; the number of heads is not in them.

    Raises:
        KeyError: a tensor of the denoiser is missing.
    """
    text, skeleton = weights["tx_embedding.0.weight"], weights["skel_embedding.weight"]
    prefix = "seqTransEncoder.layers."
    layers = {name.removeprefix(prefix).split(".")[0] for name in weights if prefix in name}
    return StmcConfig(
        features=skeleton.shape[1],
        text_dim=text.shape[1],
        width=skeleton.shape[0],
        text_width=text.shape[0],
        layers=len(layers),
        heads=heads,
        feed_forward=weights[f"{prefix}0.linear1.weight"].shape[0],
        registers=weights["registers"].shape[0],
    )
