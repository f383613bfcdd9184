"""Diffusion transformer for motion with three ways to condition (Peebles & Xie, DiT, ICCV 2023).

``in_context``      time and text are extra tokens in front of the motion tokens;
``adaln``           time and text modulate every LayerNorm, with zero-initialised residual gates;
``cross_attention`` time and text are the keys and values of an extra attention sub-layer.

The network predicts x0 (or epsilon: it does not care) at the frame rate of its representation.
A convolutional stem and head work on single frames around the transformer, which may group
``patch_frames`` frames into a token: the transformer stays short, the fine timing stays sharp.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Conditioning = Literal["in_context", "adaln", "cross_attention"]


_FLAG_SCALE = 6.0
"""A few flags against hundreds of sentence elements: they need a voice."""


@dataclass(frozen=True)
class DiTConfig:
    """Shape of a :class:`DiT`; saved beside the weights.

    ``text_tokens`` also feeds the encoder's token states, not only the sentence vector: as prefix
    tokens (in_context, adaln) or as context (cross_attention). ``side_words`` feeds the flags of
    ``text.sides`` (left, right), ``action_words`` that many flags of ``text.actions``.
    ``adaln_rank`` > 0 factorises the modulation of each block through that many channels.
    ``detail_width`` adds that many channels for what the stem's are too few for (a wrist that
    swings): they pass through the transformer like the stem's, and around it through a gate that
    listens to step and text, without a non-linearity. ``max_frames`` bounds positions.
    """

    input_dim: int = 205
    width: int = 256
    depth: int = 6
    heads: int = 8
    mlp_ratio: float = 4.0
    patch_frames: int = 2
    stem_width: int = 128
    conditioning: Conditioning = "adaln"
    adaln_rank: int = 0
    text_dim: int = 384
    text_tokens: bool = False
    side_words: bool = False
    action_words: int = 0
    detail_width: int = 0
    max_frames: int = 256

    def __post_init__(self) -> None:
        if self.conditioning not in ("in_context", "adaln", "cross_attention"):
            raise ValueError(f"unknown conditioning {self.conditioning!r}")
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")


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
            return x + gate2 * self._mlp(modulate(x, scale2, shift2))
        x = x + self._self_attention(self.norm1(x), bias)
        if self.cross is not None:
            k, v = self.cross["kv"](context).chunk(2, -1)
            q = self.cross["q"](self.cross["norm"](x))
            x = x + self.cross["out"](attend(q, k, v, self.heads, context_bias))
        return x + self._mlp(self.norm2(x))


class DiT(nn.Module):
    """Motion diffusion transformer; called as ``net(x_t, timesteps, y)``.

    Args of ``forward``:
        x: ``[B, T, input_dim]`` noisy normalised features.
        timesteps: ``[B]`` integers, 0-based, in the schedule's own range.
        y: ``lengths`` [B] valid frames; ``sentence`` [B, text_dim]; ``tokens`` [B, M, text_dim] and
            ``token_mask`` [B, M] (True = real) when ``text_tokens``; ``sides`` [B, 2] when
            ``side_words``; ``actions`` [B, action_words] when ``action_words``; optional ``drop``
            [B] bool, True makes that row unconditional (classifier-free guidance).

    Returns the prediction, ``[B, T, input_dim]``; frames past a row's length are zero, and they
    never influence the others, so a clip comes out the same alone and in a batch.
    """

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.config = config
        c, width = config, config.width
        self.stem = nn.Conv1d(c.input_dim, c.stem_width, 3, padding=1)
        self.embed = nn.Linear(c.patch_frames * (c.stem_width + c.detail_width), width)
        self.time_mlp = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.length_proj = nn.Linear(width, width)
        flags = 2 * c.side_words + c.action_words
        self.text_embed = nn.Linear(c.text_dim + flags, width)
        if c.text_tokens:
            self.token_proj = nn.Linear(c.text_dim, width)
            self.null_token = nn.Parameter(torch.zeros(width))
        self.blocks = nn.ModuleList(
            Block(width, c.heads, c.conditioning, mlp_ratio=c.mlp_ratio, adaln_rank=c.adaln_rank)
            for _ in range(c.depth)
        )
        self.final = Modulation(width, 2, c.adaln_rank)
        self.unembed = nn.Linear(width, c.patch_frames * (c.stem_width + c.detail_width))
        self.head1 = nn.Conv1d(2 * c.stem_width, c.stem_width, 3, padding=1)
        self.head2 = nn.Conv1d(c.stem_width, c.input_dim, 3, padding=1)
        for weight in self.head2.parameters():
            nn.init.zeros_(weight)
        if c.detail_width:
            self.detail_in = nn.Conv1d(c.input_dim, c.detail_width, 3, padding=1)
            self.detail_gate = nn.Linear(width, c.detail_width)
            self.detail_out = nn.Conv1d(2 * c.detail_width, c.input_dim, 3, padding=1)
            for weight in self.detail_out.parameters():
                nn.init.zeros_(weight)

    # ------------------------------------------------------------------ conditioning

    def encode_condition(
        self, timesteps: Tensor, y: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Time and length [B, D], sentence [B, D], text tokens [B, M, D] and their mask [B, M].

        The sentence has a path of its own, scaled to unit variance: added to the time embedding,
        which is many times larger, it would hardly be heard. M is 0 without ``text_tokens``; an
        unconditional row has a sentence of zeros and one null token.
        """
        width = self.config.width
        dtype = self.text_embed.weight.dtype
        drop = y.get("drop")
        time = self.time_mlp(sinusoidal(timesteps, width).to(dtype))
        length = self.length_proj(sinusoidal(y["lengths"], width).to(dtype))
        # encoders give unit vectors: times the root of their width is unit variance
        text = y["sentence"].to(dtype) * self.config.text_dim**0.5
        if self.config.side_words:
            text = torch.cat([text, _FLAG_SCALE * y["sides"].to(dtype)], -1)
        if self.config.action_words:
            text = torch.cat([text, _FLAG_SCALE * y["actions"].to(dtype)], -1)
        sentence = F.layer_norm(F.silu(self.text_embed(text)), (width,))
        if drop is not None:
            sentence = sentence.masked_fill(drop[:, None], 0.0)
        vector = time + length
        if not self.config.text_tokens:
            no_mask = torch.zeros(len(vector), 0, dtype=torch.bool, device=vector.device)
            return vector, sentence, vector.new_zeros(len(vector), 0, width), no_mask
        mask = y["token_mask"].bool()
        tokens = self.token_proj(y["tokens"].to(dtype))
        if drop is not None:
            first = torch.zeros_like(mask)
            first[:, 0] = True
            tokens = torch.where(drop[:, None, None], self.null_token.to(tokens.dtype), tokens)
            mask = torch.where(drop[:, None], first, mask)
        return vector, sentence, tokens, mask

    # ------------------------------------------------------------------ network

    def forward(self, x: Tensor, timesteps: Tensor, y: dict[str, Tensor]) -> Tensor:
        frames, patch = x.shape[1], self.config.patch_frames
        padding = -frames % patch
        x = F.pad(x, (0, 0, 0, padding))
        lengths = y["lengths"].to(x.device)
        frame_mask = (torch.arange(x.shape[1], device=x.device) < lengths[:, None])[..., None]
        token_mask = frame_mask[:, ::patch, 0]

        noisy = (x * frame_mask).transpose(1, 2)
        stem = self.stem(noisy).transpose(1, 2) * frame_mask
        seen = stem
        if self.config.detail_width:
            detail = self.detail_in(noisy).transpose(1, 2) * frame_mask
            seen = torch.cat([stem, detail], -1)
        hidden = self.embed(seen.reshape(len(x), -1, patch * seen.shape[-1]))
        positions = torch.arange(hidden.shape[1], device=x.device)
        hidden = hidden + sinusoidal(positions, self.config.width).to(hidden.dtype)

        vector, sentence, tokens, text_mask = self.encode_condition(timesteps, y)
        hidden = self._transform(hidden, token_mask, vector, sentence, tokens, text_mask)

        shift, scale = self.final(vector, sentence)
        hidden = self.unembed(modulate(hidden, scale, shift))
        hidden = hidden.reshape(len(x), -1, seen.shape[-1]) * frame_mask
        coarse = hidden[..., : self.config.stem_width]
        joined = torch.cat([coarse, stem.to(hidden.dtype)], -1)
        mid = F.gelu(self.head1(joined.transpose(1, 2))) * frame_mask.transpose(1, 2)
        out = self.head2(mid)
        if self.config.detail_width:
            # how far a noisy frame may be believed depends on the step, and on what is asked for
            width = self.config.width
            asked = F.layer_norm(vector, (width,)) + sentence
            gate = self.detail_gate(asked * width**-0.5)[:, None]
            fine = hidden[..., self.config.stem_width :]
            passed = torch.cat([fine, (gate * detail).to(hidden.dtype)], -1)
            out = out + self.detail_out(passed.transpose(1, 2))
        return (out.transpose(1, 2) * frame_mask)[:, :frames]

    def _transform(
        self,
        hidden: Tensor,
        mask: Tensor,
        vector: Tensor,
        sentence: Tensor,
        tokens: Tensor,
        text_mask: Tensor,
    ) -> Tensor:
        """Run the blocks with the configured conditioning; prefix tokens are dropped at the end."""
        kind = self.config.conditioning
        extra, extra_mask = tokens, text_mask
        if kind != "adaln":
            front = torch.stack([vector, sentence.to(vector.dtype)], 1)
            extra = torch.cat([front, tokens.to(front.dtype)], 1)
            extra_mask = F.pad(text_mask, (2, 0), value=True)
        if kind == "cross_attention":
            bias, context_bias = _bias(mask), _bias(extra_mask)
            for block in self.blocks:
                hidden = block(hidden, bias, context=extra, context_bias=context_bias)
            return hidden
        prefix = extra.shape[1]
        hidden = torch.cat([extra.to(hidden.dtype), hidden], 1)
        bias = _bias(torch.cat([extra_mask, mask], 1))
        for block in self.blocks:
            hidden = block(hidden, bias, condition=vector, text=sentence)
        return hidden[:, prefix:]


def _bias(mask: Tensor) -> Tensor:
    """Additive attention bias [B, 1, 1, S] that hides the keys where ``mask`` [B, S] is False."""
    zeros = torch.zeros(mask.shape, device=mask.device)
    return zeros.masked_fill(~mask, float("-inf"))[:, None, None]
