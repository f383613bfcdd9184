"""T5 v1.1, the encoder-decoder language model of FLAN-T5 (Raffel et al. 2020; Shazeer 2020).

Gated tanh-GELU feed-forward layers, RMS norms, relative position buckets shared by all layers of a
stack, no biases and no attention scaling. The output head is a table of its own: neither tied to
the input embedding nor scaled, which is how FLAN-T5 and MotionGPT are trained. Parameter names are
those of the published checkpoints, except that the input embedding exists once, as ``shared``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PAD, EOS = 0, 1
"""Token ids; decoding starts from PAD."""


@dataclass(frozen=True)
class T5Config:
    """Sizes of the language model; the defaults are FLAN-T5-base's."""

    vocab_size: int
    d_model: int = 768
    d_kv: int = 64
    d_ff: int = 2048
    num_heads: int = 12
    num_layers: int = 12
    num_decoder_layers: int = 12
    relative_attention_num_buckets: int = 32
    relative_attention_max_distance: int = 128
    layer_norm_epsilon: float = 1e-6

    def __post_init__(self) -> None:
        if min(self.vocab_size, self.d_model, self.d_kv, self.d_ff, self.num_heads) < 1:
            raise ValueError(f"sizes must be positive: {self}")
        if min(self.num_layers, self.num_decoder_layers) < 1:
            raise ValueError(f"sizes must be positive: {self}")


class _RMSNorm(nn.Module):
    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(config.d_model))
        self.eps = config.layer_norm_epsilon

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps))


def relative_buckets(
    query: Tensor, keys: int, *, bidirectional: bool, buckets: int, max_distance: int
) -> Tensor:
    """Bucket of each (query position, key position) pair, ``[len(query), keys]`` int64.

    Half of the buckets are single distances, the rest grow logarithmically up to ``max_distance``.

    Args:
        query: ``[Q]`` positions of the queries.
        keys: number of key positions, counted from 0.
    """
    distance = torch.arange(keys, device=query.device)[None, :] - query[:, None]
    base = torch.zeros_like(distance)
    if bidirectional:
        buckets //= 2
        base = (distance > 0).long() * buckets
        distance = distance.abs()
    else:
        distance = (-distance).clamp_min(0)
    exact = buckets // 2
    far = exact + (
        torch.log(distance.float().clamp_min(1) / exact)
        / math.log(max_distance / exact)
        * (buckets - exact)
    ).long().clamp_max(buckets - 1 - exact)
    return base + torch.where(distance < exact, distance, far)


class _Attention(nn.Module):
    def __init__(self, config: T5Config, *, relative: bool = False) -> None:
        super().__init__()
        inner = config.num_heads * config.d_kv
        self.heads = config.num_heads
        self.q = nn.Linear(config.d_model, inner, bias=False)
        self.k = nn.Linear(config.d_model, inner, bias=False)
        self.v = nn.Linear(config.d_model, inner, bias=False)
        self.o = nn.Linear(inner, config.d_model, bias=False)
        if relative:
            self.relative_attention_bias = nn.Embedding(
                config.relative_attention_num_buckets, config.num_heads
            )

    def split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def keys_values(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.split(self.k(x)), self.split(self.v(x))

    def attend(self, x: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> Tensor:
        query = self.split(self.q(x))
        bias = bias if bias is None else bias.to(query.dtype)
        y = F.scaled_dot_product_attention(query, keys, values, attn_mask=bias, scale=1.0)
        return self.o(y.transpose(1, 2).flatten(2))


class _FeedForward(nn.Module):
    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.wi_0 = nn.Linear(config.d_model, config.d_ff, bias=False)
        self.wi_1 = nn.Linear(config.d_model, config.d_ff, bias=False)
        self.wo = nn.Linear(config.d_ff, config.d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.wo(F.gelu(self.wi_0(x), approximate="tanh") * self.wi_1(x))


Sublayer = TypeVar("Sublayer", _Attention, _FeedForward)


class _Layer(nn.Module, Generic[Sublayer]):
    """One sublayer under the name that checkpoints give it, with the norm before it."""

    def __init__(self, config: T5Config, name: str, module: Sublayer) -> None:
        super().__init__()
        self._name = name
        self.add_module(name, module)
        self.layer_norm = _RMSNorm(config)

    @property
    def inner(self) -> Sublayer:
        """The sublayer, whatever its name."""
        return cast(Sublayer, self._modules[self._name])


class _Block(nn.Module):
    def __init__(self, config: T5Config, *, decoder: bool, relative: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            _Layer(config, "SelfAttention", _Attention(config, relative=relative))
        ]
        if decoder:
            layers.append(_Layer(config, "EncDecAttention", _Attention(config)))
        layers.append(_Layer(config, "DenseReluDense", _FeedForward(config)))
        self.layer = nn.ModuleList(layers)

    @property
    def attention(self) -> _Layer[_Attention]:
        """Attention to itself."""
        return cast("_Layer[_Attention]", self.layer[0])

    @property
    def cross(self) -> _Layer[_Attention]:
        """A decoder's attention to the prompt."""
        return cast("_Layer[_Attention]", self.layer[1])

    @property
    def feed(self) -> _Layer[_FeedForward]:
        return cast("_Layer[_FeedForward]", self.layer[-1])


class _Stack(nn.Module):
    def __init__(self, config: T5Config, *, decoder: bool) -> None:
        super().__init__()
        self.config, self.decoder = config, decoder
        count = config.num_decoder_layers if decoder else config.num_layers
        self.block = nn.ModuleList(
            _Block(config, decoder=decoder, relative=index == 0) for index in range(count)
        )
        self.final_layer_norm = _RMSNorm(config)

    @property
    def blocks(self) -> list[_Block]:
        """The layers in order."""
        return [cast(_Block, block) for block in self.block]

    def position_bias(self, queries: int, keys: int) -> Tensor:
        """``[1, heads, queries, keys]``, positions counted from 0."""
        table = self.blocks[0].attention.inner.relative_attention_bias
        buckets = relative_buckets(
            torch.arange(queries, device=table.weight.device),
            keys,
            bidirectional=not self.decoder,
            buckets=self.config.relative_attention_num_buckets,
            max_distance=self.config.relative_attention_max_distance,
        )
        return table(buckets).permute(2, 0, 1)[None]


@dataclass
class DecoderCache:
    """What one decoding keeps between its steps; made by :meth:`T5.start`.

    Attributes:
        cross: per layer, keys and values of the prompt, ``[B, heads, S, d_kv]``.
        prompt_bias: ``[B, 1, 1, S]``, hides the padding of the prompts.
        own: per layer, keys and values of the decoded tokens, ``[B, heads, length, d_kv]``.
        bias: ``[1, heads, length, length]`` relative positions.
        step: tokens already decoded.
    """

    cross: list[tuple[Tensor, Tensor]]
    prompt_bias: Tensor
    own: list[tuple[Tensor, Tensor]]
    bias: Tensor
    step: int = 0

    def keep(self, rows: Tensor) -> None:
        """Go on with some rows of the batch only (``[K]`` indices)."""
        self.cross = [(keys[rows], values[rows]) for keys, values in self.cross]
        self.own = [(keys[rows], values[rows]) for keys, values in self.own]
        self.prompt_bias = self.prompt_bias[rows]


class T5(nn.Module):
    """Encoder, decoder and output head."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.config = config
        self.shared = nn.Embedding(config.vocab_size, config.d_model)
        self.encoder = _Stack(config, decoder=False)
        self.decoder = _Stack(config, decoder=True)
        self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)

    def encode(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Prompts ``[B, S]`` to hidden states ``[B, S, d_model]``; ``mask`` True on real tokens."""
        x = self.shared(ids)
        bias = self.encoder.position_bias(ids.shape[1], ids.shape[1]) + _hide(mask, x)
        for block in self.encoder.blocks:
            attention, feed = block.attention, block.feed
            h = attention.layer_norm(x)
            x = x + attention.inner.attend(h, *attention.inner.keys_values(h), bias)
            x = x + feed.inner(feed.layer_norm(x))
        return self.encoder.final_layer_norm(x)

    def decode(
        self, ids: Tensor, hidden: Tensor, mask: Tensor, own_mask: Tensor | None = None
    ) -> Tensor:
        """Logits ``[B, N, vocab]`` of every position at once, without a cache.

        Args:
            ids: ``[B, N]``, beginning with PAD.
            hidden, mask: from :meth:`encode`.
            own_mask: ``[B, N]``, False where a decoder position is hidden from the later ones.
        """
        x = self.shared(ids)
        length = ids.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool, device=ids.device).tril()
        seen = causal if own_mask is None else causal & own_mask.bool()[:, None, None, :]
        bias = self.decoder.position_bias(length, length)
        bias = bias.masked_fill(~seen, torch.finfo(x.dtype).min)
        prompt_bias = _hide(mask, x)
        for block in self.decoder.blocks:
            attention, cross, feed = block.attention, block.cross, block.feed
            h = attention.layer_norm(x)
            x = x + attention.inner.attend(h, *attention.inner.keys_values(h), bias)
            prompt = cross.inner.keys_values(hidden)
            x = x + cross.inner.attend(cross.layer_norm(x), *prompt, prompt_bias)
            x = x + feed.inner(feed.layer_norm(x))
        return self.lm_head(self.decoder.final_layer_norm(x))

    def start(self, hidden: Tensor, mask: Tensor, length: int) -> DecoderCache:
        """A cache for up to ``length`` decoded tokens, the prompt's keys and values computed."""
        cross = [block.cross.inner.keys_values(hidden) for block in self.decoder.blocks]
        rows, heads, _, size = cross[0][0].shape
        space = (len(cross), rows, heads, length, size)
        keys, values = cross[0][0].new_empty(space), cross[0][0].new_empty(space)
        own = list(zip(keys, values, strict=True))
        bias = self.decoder.position_bias(length, length)
        return DecoderCache(cross, _hide(mask, hidden), own, bias)

    def step(self, ids: Tensor, cache: DecoderCache) -> Tensor:
        """Logits ``[B, vocab]`` after the token ``ids`` ``[B]``; the cache moves on by one."""
        x = self.shared(ids)[:, None]
        at, cache.step = cache.step, cache.step + 1
        bias = cache.bias[:, :, at : at + 1, : at + 1]
        for block, prompt, (keys, values) in zip(
            self.decoder.blocks, cache.cross, cache.own, strict=True
        ):
            attention, cross, feed = block.attention, block.cross, block.feed
            h = attention.layer_norm(x)
            keys[:, :, at : at + 1], values[:, :, at : at + 1] = attention.inner.keys_values(h)
            x = x + attention.inner.attend(h, keys[:, :, : at + 1], values[:, :, : at + 1], bias)
            x = x + cross.inner.attend(cross.layer_norm(x), *prompt, cache.prompt_bias)
            x = x + feed.inner(feed.layer_norm(x))
        return self.lm_head(self.decoder.final_layer_norm(x))[:, 0]


def _hide(mask: Tensor, x: Tensor) -> Tensor:
    """``[B, S]`` to an additive ``[B, 1, 1, S]``: very negative where the mask is False."""
    bias = torch.zeros(mask.shape, dtype=x.dtype, device=x.device)
    return bias.masked_fill(~mask.bool(), torch.finfo(x.dtype).min)[:, None, None, :]
