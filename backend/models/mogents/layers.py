"""Parts of the transformers: encoder, head, position tables. Attribute names are key names."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..packed_encoder import PackedEncoderLayer, attend
from ..packed_linear import can_pack
from .config import MAX_ROWS
from .layout import Pack

MAX_COLUMNS = 50
MAX_POSITIONS = 5000
TYPICAL_TOKENS = 600
"""Rows of a matrix product of one clip with guidance; only speed depends on it."""


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
        qkv = (
            _spread(qkv, rows * length, pack)
            .view(rows, length, 3, self.heads, -1)
            .permute(2, 0, 3, 1, 4)
        )
        out = functional.scaled_dot_product_attention(
            qkv[0], qkv[1], qkv[2], attn_mask=None if pack is None else pack.visible
        )
        out = out.transpose(1, 2).reshape(rows * length, -1)
        projected: Tensor = self.out_proj(_gather(out, pack))
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
    """A stack of layers over sequences, without a final norm.

    Where no gradient is asked for on a CPU, the layers run on packed copies of their weights. These
    are made at the first call and again when a weight has changed.
    """

    def __init__(self, layers: int, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(width, heads, inner) for _ in range(layers))
        self._packed: tuple[object, list[PackedEncoderLayer], list[Tensor]] | None = None

    def __getstate__(self) -> dict[str, object]:
        # packed weights cannot be copied
        return {**super().__getstate__(), "_packed": None}

    def forward(self, x: Tensor, pack: Pack | None = None) -> Tensor:
        """``[R, S, D]`` to the same; with a pack, padded tokens are left out and come back zero."""
        rows, length, width = x.shape
        x = _gather(x.reshape(rows * length, width), pack)
        packed = self._packed_layers(x)
        if packed is None:
            for layer in self.layers:
                x = layer(x, (rows, length), pack)
        else:
            x = _through(packed, x, (rows, length), pack)
        return _spread(x, rows * length, pack).view(rows, length, width)

    def _packed_layers(self, x: Tensor) -> list[PackedEncoderLayer] | None:
        """The layers with weights packed in the dtype of products; None where that cannot be."""
        if x.device.type != "cpu":
            return None
        half = torch.is_autocast_enabled("cpu")
        dtype = torch.get_autocast_dtype("cpu") if half else torch.float32
        weights = [weight.detach() for weight in self.parameters()]
        learning = torch.is_grad_enabled() and any(w.requires_grad for w in (x, *self.parameters()))
        if learning or not can_pack(x.device, dtype):
            return None
        versions = [(w.data_ptr(), -1 if w.is_inference() else w._version) for w in weights]
        state = (dtype, versions)
        if self._packed is None or self._packed[0] != state:
            options: dict[str, Any] = {"dtype": dtype, "rows": TYPICAL_TOKENS}
            heads = [cast(EncoderLayer, layer).self_attn.heads for layer in self.layers]
            layers = zip(self.layers, heads, strict=True)
            packed = [PackedEncoderLayer(each, count, **options) for each, count in layers]
            # keeping the weights themselves, so that no others can come to lie at their address
            self._packed = state, packed, weights
        return self._packed[1]


def _through(
    layers: list[PackedEncoderLayer], x: Tensor, shape: tuple[int, int], pack: Pack | None
) -> Tensor:
    """``[N, D]`` real tokens of sequences ``shape = (R, S)`` through packed layers."""
    rows, length = shape
    visible = None if pack is None else pack.visible
    with torch.autocast(x.device.type, enabled=False):
        x = x.float()
        for layer in layers:
            qkv = _spread(layer.qkv(x), rows * length, pack).view(rows, length, -1)
            out = attend(qkv, layer.heads, visible).flatten(0, 1)
            x = layer.after_attention(x, _gather(out, pack))
    return x


def _gather(x: Tensor, pack: Pack | None) -> Tensor:
    """The real tokens ``[N, C]`` of ``[R * S, C]``."""
    return x if pack is None else x[pack.index]


def _spread(x: Tensor, places: int, pack: Pack | None) -> Tensor:
    """The way back: real tokens ``[N, C]`` to ``[places, C]``, zero elsewhere."""
    if pack is None:
        return x
    return x.new_zeros(places, x.shape[-1]).index_copy_(0, pack.index, x)


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
