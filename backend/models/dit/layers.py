"""Parts of a diffusion transformer: embeddings, modulation, attention, blocks."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import Conditioning


def sinusoidal(positions: Tensor, dim: int) -> Tensor:
    """``[...]`` to ``[..., dim]`` = [cos(t w), sin(t w)], w_i = exp(-ln(1e4) i / (dim / 2))."""
    half = dim // 2
    index = torch.arange(half, device=positions.device, dtype=torch.float64)
    frequencies = torch.exp(-math.log(10000.0) * index / half)
    angles = positions.to(torch.float64)[..., None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], -1)


def modulate(x: Tensor, gamma: Tensor, beta: Tensor, eps: float = 1e-6) -> Tensor:
    """adaLN: LayerNorm without parameters, then ``(1 + gamma) * LN(x) + beta``."""
    return F.layer_norm(x, x.shape[-1:], eps=eps) * (1 + gamma) + beta


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int, bias: Tensor | None) -> Tensor:
    """Multi-head attention of projected ``[B, T, D]`` queries over ``[B, S, D]`` keys and values.

    ``bias`` ``[B, 1, 1, S]`` is added to the scores (-inf hides a key). While training on a CPU the
    plain matrix form is used: the fused kernel's backward pass is much slower there in bfloat16.
    """
    b, t, d = q.shape

    def split(x: Tensor) -> Tensor:
        return x.reshape(b, -1, heads, d // heads).transpose(1, 2)

    q, k, v = split(q), split(k), split(v)
    if q.device.type == "cpu" and torch.is_grad_enabled():
        scores = (q * (d // heads) ** -0.5) @ k.transpose(-1, -2)
        if bias is not None:
            scores = scores + bias.to(scores.dtype)
        out = scores.softmax(-1).to(v.dtype) @ v
    else:
        mask = None if bias is None else bias.to(q.dtype)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return out.transpose(1, 2).reshape(b, t, d)


class Modulation(nn.Module):
    """SiLU, then a zero-initialised linear map from the condition to ``chunks`` vectors.

    With a ``rank`` the map is factorised, and ``text`` [B, width] (see :class:`DiT`) joins at the
    narrow place through a map of its own; without, it is added to the condition.
    """

    def __init__(self, width: int, chunks: int, rank: int = 0) -> None:
        super().__init__()
        self.chunks = chunks
        self.down = nn.Linear(width, rank) if rank else None
        self.text_down = nn.Linear(width, rank, bias=False) if rank else None
        self.up = nn.Linear(rank or width, chunks * width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, condition: Tensor, text: Tensor | None = None) -> tuple[Tensor, ...]:
        hidden = F.silu(condition)
        if self.down is not None and self.text_down is not None:
            hidden = self.down(hidden)
            if text is not None:
                hidden = hidden + self.text_down(text)
        elif text is not None:
            hidden = hidden + text
        return self.up(hidden)[:, None].chunk(self.chunks, -1)


class ContextAttention(nn.Module):
    """Attention of motion ``[B, T, width]`` over text ``[B, S, narrow]``; it starts silent."""

    def __init__(self, width: int, narrow: int) -> None:
        super().__init__()
        self.q = nn.Linear(width, narrow)
        self.kv = nn.Linear(narrow, 2 * narrow)
        self.out = nn.Linear(narrow, width)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, context: Tensor, bias: Tensor | None, heads: int) -> Tensor:
        """What ``x`` hears in ``context``; ``bias`` [B, 1, 1, S] hides padding."""
        k, v = self.kv(context).chunk(2, -1)
        q = self.q(F.layer_norm(x, x.shape[-1:]))
        return self.out(attend(q, k, v, heads, bias))


class Block(nn.Module):
    """One pre-norm transformer block; ``conditioning`` decides which extra parts it has."""

    def __init__(
        self,
        width: int,
        heads: int,
        conditioning: Conditioning,
        *,
        mlp_ratio: float = 4.0,
        adaln_rank: int = 0,
        context_width: int = 0,
        gates: bool = True,
    ) -> None:
        super().__init__()
        self.heads, self.gates = heads, gates
        hidden = int(width * mlp_ratio)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)
        self.modulation: Modulation | None = None
        self.cross: nn.ModuleDict | None = None
        if conditioning == "adaln":
            self.modulation = Modulation(width, 6, adaln_rank)
            self.context = ContextAttention(width, context_width) if context_width else None
            return
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        if conditioning == "cross_attention":
            self.cross = nn.ModuleDict(
                {
                    "norm": nn.LayerNorm(width, eps=1e-6),
                    "q": nn.Linear(width, width),
                    "kv": nn.Linear(width, 2 * width),
                    "out": nn.Linear(width, width),
                }
            )

    def _self_attention(self, x: Tensor, bias: Tensor | None) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        return self.out(attend(q, k, v, self.heads, bias))

    def _mlp(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))

    def forward(
        self,
        x: Tensor,
        bias: Tensor | None = None,
        condition: Tensor | None = None,
        text: Tensor | None = None,
        context: Tensor | None = None,
        context_bias: Tensor | None = None,
    ) -> Tensor:
        """One block on ``x`` [B, T, D].

        ``condition`` and ``text`` [B, D] modulate (adaLN); ``context`` [B, S, D] is attended to.
        """
        if self.modulation is not None:
            shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(condition, text)
            if not self.gates:
                gate1 = gate2 = torch.ones_like(gate1)
            x = x + gate1 * self._self_attention(modulate(x, scale1, shift1), bias)
            if self.context is not None and context is not None:
                x = x + self.context(x, context, context_bias, self.heads)
            return x + gate2 * self._mlp(modulate(x, scale2, shift2))
        x = x + self._self_attention(self.norm1(x), bias)
        if self.cross is not None:
            k, v = self.cross["kv"](context).chunk(2, -1)
            q = self.cross["q"](self.cross["norm"](x))
            x = x + self.cross["out"](attend(q, k, v, self.heads, context_bias))
        return x + self._mlp(self.norm2(x))


def hiding_bias(mask: Tensor) -> Tensor:
    """Additive attention bias [B, 1, 1, S] that hides the keys where ``mask`` [B, S] is False."""
    zeros = torch.zeros(mask.shape, device=mask.device)
    return zeros.masked_fill(~mask, float("-inf"))[:, None, None]
