"""Layers of ``nn.TransformerEncoder`` for inference: packed weights, nothing copied twice."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .packed_linear import PackedLinear


class PackedEncoderLayer:
    """One post-norm layer with exact GELU: its products in one dtype, the rest in float32.

    Queries leave :attr:`qkv` already divided by the root of the head's width.

    Args:
        layer: has the tensor names of ``nn.TransformerEncoderLayer``. Weights are copied, except
            those of the norms.
        heads: of the attention.
        options: of :class:`PackedLinear`.
    """

    def __init__(self, layer: nn.Module, heads: int, **options: Any) -> None:
        source: Any = layer
        weight, bias = scaled_projection(source.self_attn, heads)
        self.heads = heads
        self.qkv = PackedLinear(weight.float(), bias.float(), **options)
        self.out = PackedLinear.of(source.self_attn.out_proj, **options)
        self.up = PackedLinear.of(source.linear1, activation="gelu", **options)
        self.down = PackedLinear.of(source.linear2, **options)
        self.norm1, self.norm2 = source.norm1, source.norm2

    def __call__(self, x: Tensor, visible: Tensor | None, qkv: Tensor | None = None) -> Tensor:
        """The whole layer, ``[R, S, D]`` to the same.

        Args:
            visible: see :func:`attend`.
            qkv: what :attr:`qkv` gives for ``x``, where it is known.
        """
        qkv = self.qkv(x) if qkv is None else qkv
        return self.after_attention(x, attend(qkv, self.heads, visible))

    def after_attention(self, x: Tensor, attended: Tensor) -> Tensor:
        """The rest of the layer on its input ``x`` and what :func:`attend` gave, ``[..., D]``."""
        x = _normed(self.norm1, self.out.plus(attended, x))
        return _normed(self.norm2, self.down.plus(self.up(x), x))


def scaled_projection(attention: Any, heads: int) -> tuple[Tensor, Tensor]:
    """Weight ``[3D, D]`` and bias of the packed projection, float64, the queries' part scaled."""
    weight, bias = attention.in_proj_weight.detach(), attention.in_proj_bias.detach()
    width = weight.shape[1]
    scale = torch.ones(3 * width, dtype=torch.float64, device=weight.device)
    scale[:width] = (width // heads) ** -0.5
    return weight.double() * scale[:, None], bias.double() * scale


def attend(qkv: Tensor, heads: int, visible: Tensor | None) -> Tensor:
    """Self-attention within sequences.

    Args:
        qkv: ``[R, S, 3D]``, queries already scaled.
        visible: bool, True on the keys that may be read, broadcastable to ``[R, heads, S, S]``.

    Returns:
        ``[R, S, D]``
    """
    rows, length, width = qkv.shape
    parts = qkv.view(rows, length, 3, heads, -1).permute(2, 0, 3, 1, 4)
    if qkv.dtype == torch.bfloat16 and qkv.device.type == "cpu":
        # the fused kernel multiplies in float32 there: half as fast
        q, k, v = parts.flatten(1, 2)
        scores = torch.bmm(q, k.transpose(1, 2)).view(rows, heads, length, length)
        if visible is not None:
            scores = scores.masked_fill(~visible, float("-inf"))
        out = torch.bmm(scores.softmax(-1).flatten(0, 1), v).view(rows, heads, length, -1)
    else:
        q, k, v = parts
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=visible, scale=1.0)
    return out.transpose(1, 2).reshape(rows, length, width // 3)


def _normed(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    return F.layer_norm(x, norm.normalized_shape, norm.weight, norm.bias, norm.eps)
