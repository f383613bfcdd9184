"""Parts of the transformers: encoder, head, position tables. Attribute names are key names."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from .config import MAX_ROWS
from .layout import Pack

MAX_COLUMNS = 50
MAX_POSITIONS = 5000


class SelfAttention(nn.Module):
    """Multi-head self-attention with packed projections, as ``nn.MultiheadAttention`` names it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def forward(self, x: Tensor, shape: tuple[int, int], pack: Pack | None) -> Tensor:
        """Attend within sequences.

        Args:
            x: ``[N, D]`` the real tokens of sequences ``shape = (R, S)``; N = R * S without a pack.
        """
        rows, length = shape
        qkv = functional.linear(x, self.in_proj_weight, self.in_proj_bias)
        if pack is not None:
            qkv = qkv.new_zeros(rows * length, qkv.shape[-1]).index_copy_(0, pack.index, qkv)
        qkv = qkv.view(rows, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        out = functional.scaled_dot_product_attention(
            qkv[0], qkv[1], qkv[2], attn_mask=None if pack is None else pack.visible
        )
        out = out.transpose(1, 2).reshape(rows * length, -1)
        if pack is not None:
            out = out[pack.index]
        projected: Tensor = self.out_proj(out)
        return projected


class EncoderLayer(nn.Module):
    """Post-norm transformer layer with exact GELU (torch's default order)."""

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.self_attn = SelfAttention(width, heads)
        self.linear1 = nn.Linear(width, inner)
        self.linear2 = nn.Linear(inner, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)

    def forward(self, x: Tensor, shape: tuple[int, int], pack: Pack | None) -> Tensor:
        """``[N, D]`` real tokens to the same."""
        x = self.norm1(x + self.self_attn(x, shape, pack))
        out: Tensor = self.norm2(x + self.linear2(functional.gelu(self.linear1(x))))
        return out


class Encoder(nn.Module):
    """A stack of layers over sequences, without a final norm."""

    def __init__(self, layers: int, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(width, heads, inner) for _ in range(layers))

    def forward(self, x: Tensor, pack: Pack | None = None) -> Tensor:
        """``[R, S, D]`` to the same; with a pack, padded tokens are left out and come back zero."""
        rows, length, width = x.shape
        x = x.reshape(rows * length, width)
        if pack is not None:
            x = x[pack.index]
        for layer in self.layers:
            x = layer(x, (rows, length), pack)
        if pack is not None:
            x = x.new_zeros(rows * length, width).index_copy_(0, pack.index, x)
        return x.view(rows, length, width)


class InputProcess(nn.Module):
    """Code vectors to the network's width."""

    def __init__(self, code_dim: int, width: int) -> None:
        super().__init__()
        self.poseEmbedding = nn.Linear(code_dim, width)

    def forward(self, x: Tensor) -> Tensor:
        """``[..., code_dim]`` to ``[..., D]``."""
        out: Tensor = self.poseEmbedding(x)
        return out


class OutputProcess(nn.Module):
    """Head: dense, exact GELU, LayerNorm (eps 1e-12), projection."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.LayerNorm = nn.LayerNorm(width, eps=1e-12)
        self.poseFinal = nn.Linear(width, out)

    def forward(self, x: Tensor) -> Tensor:
        """``[..., D]`` to ``[..., out]``."""
        out: Tensor = self.poseFinal(self.LayerNorm(functional.gelu(self.dense(x))))
        return out


class LearnedPositions(nn.Module):
    """``pe [5000, 1, D]``: starts as the sine table and is trained; comes from the file."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.pe = nn.Parameter(sine_table(MAX_POSITIONS, width)[:, None])

    def forward(self, length: int) -> Tensor:
        """The first positions, ``[length, D]``."""
        return self.pe[:length, 0]


class GridPositions(nn.Module):
    """``pe [200, 50, D]``: fixed; the first half of the channels codes columns, the second rows."""

    pe: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        columns = sine_table(MAX_COLUMNS, half)[None].expand(MAX_ROWS, -1, -1)
        rows = sine_table(MAX_ROWS, half)[:, None].expand(-1, MAX_COLUMNS, -1)
        self.register_buffer("pe", torch.cat([columns, rows], dim=-1))

    def forward(self, rows: int, columns: int) -> Tensor:
        """The upper left corner, ``[rows, columns, D]``."""
        return self.pe[:rows, :columns]


def sine_table(length: int, width: int) -> Tensor:
    """``[length, width]``: even channels sin, odd channels cos of position * frequency."""
    position = torch.arange(length, dtype=torch.float32)[:, None]
    frequency = torch.exp(
        torch.arange(0, width, 2, dtype=torch.float32) * (-math.log(10000.0) / width)
    )
    table = torch.zeros(length, width)
    table[:, 0::2] = torch.sin(position * frequency)
    table[:, 1::2] = torch.cos(position * frequency)
    return table
