"""MDM conditioned on an action class, small enough to train from scratch.

The motion diffusion model (Tevet et al. 2022) for a fixed set of actions: a transformer encoder
reads one condition token (the diffusion step and the action, added) or two (action, then step)
before the noised frames, and predicts the clean frames. Tensor names, layer order and dropout
places are those of the released from-scratch training code, so that its checkpoints load here and
a seeded training step draws the same random numbers.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ..store.options import option
from ..wire.skeleton import NUM_JOINTS

MAX_POSITIONS = 5000
"""Rows of the table of positions: bounds the frames of a clip and the diffusion steps."""
_WAVELENGTH = 10000.0


@dataclass(frozen=True)
class ActionMDMConfig:
    """Sizes of the network; the defaults are the published ones.

    Attributes:
        num_actions: classes of the action embedding.
        num_joints: joints of a frame, 3 numbers each.
        condition_tokens: 1 adds step and action into one token, as the released code does; 2
            prepends the action token and the step token, as its description says.
    """

    num_actions: int = 12
    num_joints: int = NUM_JOINTS
    latent_dim: int = option(512, "width of the network", low=2, high=16_384)
    num_layers: int = option(8, "how many blocks", flags=("--layers",), low=1, high=256)
    num_heads: int = 8
    ff_dim: int = option(2048, "width of the layers inside blocks", low=1, high=65_536)
    dropout: float = 0.1
    condition_tokens: Literal[1, 2] = option(1, "1 as released, 2 as described")

    def __post_init__(self) -> None:
        sizes = (self.num_actions, self.num_joints, self.num_layers, self.num_heads, self.ff_dim)
        if min(sizes) < 1:
            raise ValueError("every size must be at least 1")
        if self.latent_dim < 2 or self.latent_dim % 2 or self.latent_dim % self.num_heads:
            raise ValueError(
                f"latent_dim {self.latent_dim} must be even and a multiple of {self.num_heads}"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout {self.dropout}")
        if self.condition_tokens not in (1, 2):
            raise ValueError(f"condition_tokens must be 1 or 2, not {self.condition_tokens!r}")

    @property
    def input_dim(self) -> int:
        """Numbers per frame."""
        return 3 * self.num_joints

    def to_dict(self) -> dict[str, object]:
        """Plain JSON values."""
        return asdict(self)


class SinusoidalPositions(nn.Module):
    """The table of Vaswani et al. 2017, ``pe`` ``[5000, 1, d]``: sine and cosine interleaved."""

    pe: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        position = torch.arange(MAX_POSITIONS, dtype=torch.float32)[:, None]
        rate = torch.exp(torch.arange(0, dim, 2).float() * (-math.log(_WAVELENGTH) / dim))
        pe = torch.zeros(MAX_POSITIONS, dim)
        pe[:, 0::2] = torch.sin(position * rate)
        pe[:, 1::2] = torch.cos(position * rate)
        self.register_buffer("pe", pe[:, None])

    def forward(self, x: Tensor) -> Tensor:
        """Add the first ``n`` rows to a sequence ``[B, n, d]``."""
        return x + self.pe[: x.shape[1], 0]


class ActionMDM(nn.Module):
    """Predicts clean motion from noised motion, diffusion step and action."""

    def __init__(self, config: ActionMDMConfig) -> None:
        super().__init__()
        d = config.latent_dim
        self.config = config
        self.action_embedding = nn.Embedding(config.num_actions, d)
        self.seq_pos_enc = SinusoidalPositions(d)
        self.dropout = nn.Dropout(config.dropout)
        self.time_embed = nn.Sequential(nn.Linear(d, d), nn.SiLU(), nn.Linear(d, d))
        self.pose = nn.Linear(config.input_dim, d)
        layer = nn.TransformerEncoderLayer(
            d, config.num_heads, config.ff_dim, config.dropout, activation="relu", batch_first=True
        )
        self.transformer = nn.TransformerEncoder(layer, config.num_layers)
        self.output_proj = nn.Linear(d, config.input_dim)

    def forward(self, x: Tensor, t: Tensor, y: dict[str, Tensor]) -> Tensor:
        """The clean motion under ``x``.

        Args:
            x: noised normalised frames ``[B, F, 3 J]``.
            t: 0-based diffusion steps ``[B]``.
            y: ``action``, class indices ``[B]``.

        Returns:
            ``[B, F, 3 J]``, normalised.
        """
        step = self.time_embed(self.seq_pos_enc.pe[t, 0])
        action = self.action_embedding(y["action"])
        if self.config.condition_tokens == 1:
            condition = (step + action)[:, None]
        else:
            condition = torch.stack([action, step], dim=1)
        tokens = torch.cat([condition, self.pose(x)], dim=1)
        tokens = self.transformer(self.dropout(self.seq_pos_enc(tokens)))
        return self.output_proj(tokens[:, condition.shape[1] :])
