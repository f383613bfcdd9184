"""Parts of HY-Motion's network. Attribute names are the tensor names of the checkpoints."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

EPS = 1e-6


class TimeMLP(nn.Module):
    """A time in 0..1 to a vector: cosines and sines through a small network."""

    def __init__(self, width: int, factor: float) -> None:
        super().__init__()
        self.width, self.factor = width, factor
        self.blocks = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t: Tensor) -> Tensor:
        """``[B]`` to ``[B, D]``."""
        half = self.width // 2
        index = torch.arange(half, dtype=torch.float32, device=t.device)
        rates = torch.exp(index * (-math.log(10000.0) / half))
        angles = (self.factor * t.float())[:, None] * rates
        table = torch.cat([angles.cos(), angles.sin()], dim=-1)
        out: Tensor = self.blocks(table.to(next(self.parameters()).dtype))
        return out


class VectorMLP(nn.Module):
    """Linear, SiLU, linear."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.linears = nn.Sequential(nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, x: Tensor) -> Tensor:
        """``[..., inputs]`` to ``[..., D]``."""
        out: Tensor = self.linears(x)
        return out


class Modulation(nn.Module):
    """SiLU of a condition ``[B, D]`` to ``parts`` vectors ``[B, 1, D]``."""

    def __init__(self, width: int, parts: int) -> None:
        super().__init__()
        self.parts = parts
        self.linear = nn.Linear(width, parts * width)

    def forward(self, condition: Tensor) -> tuple[Tensor, ...]:
        """See the class."""
        return self.linear(functional.silu(condition))[:, None].chunk(self.parts, dim=-1)


class HeadNorm(nn.Module):
    """RMS norm over the channels of each head."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """``[..., head width]`` to the same."""
        return functional.rms_norm(x, x.shape[-1:], self.weight, EPS)


class MLP(nn.Module):
    """Linear, activation, linear."""

    def __init__(self, width: int, inner: int, activation: str) -> None:
        super().__init__()
        self.activation = activation
        self.fc1 = nn.Linear(width, inner)
        self.fc2 = nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        """``[..., D]`` to the same."""
        out: Tensor = self.fc2(activate(self.fc1(x), self.activation))
        return out


def activate(x: Tensor, name: str) -> Tensor:
    """SiLU, or GELU by its tanh approximation."""
    return functional.silu(x) if name == "silu" else functional.gelu(x, approximate="tanh")


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """LayerNorm without weights, scaled and shifted."""
    return functional.layer_norm(x, x.shape[-1:], eps=EPS) * (1 + scale) + shift


def split_heads(qkv: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """``[B, S, 3 D]`` to q, k, v ``[B, heads, S, D / heads]``."""
    q, k, v = qkv.unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)
    return q, k, v


def attend(q: Tensor, k: Tensor, v: Tensor, visible: Tensor | None) -> Tensor:
    """Attention ``[B, heads, S, C]`` to ``[B, S, D]``; ``visible`` is True on keys to read."""
    out = functional.scaled_dot_product_attention(q, k, v, attn_mask=visible)
    return out.transpose(1, 2).flatten(2)


def rotary_table(positions: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines ``[S, width / 2]`` of rotary positions (base 10,000)."""
    index = torch.arange(0, width, 2, dtype=torch.float32, device=positions.device)
    rates = 1.0 / torch.pow(10000.0, index / width)
    angles = positions.float()[:, None] * rates
    return angles.cos(), angles.sin()


def rotate(x: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    """Turn neighbouring channel pairs of ``[B, heads, S, C]`` by their positions."""
    cos, sin = (part.to(x.dtype) for part in table)
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2)
