"""Diffusion transformer for motion with three ways to condition (Peebles & Xie, DiT, ICCV 2023).

``in_context``      time and text are extra tokens in front of the motion tokens;
``adaln``           time and text modulate every LayerNorm, with zero-initialised residual gates;
``cross_attention`` time and text are the keys and values of an extra attention sub-layer.

The network predicts x0 (or epsilon: it does not care) at the frame rate of its representation.
A convolutional stem and head work on single frames around the transformer, which may group
``patch_frames`` frames into a token: the transformer stays short, the fine timing stays sharp.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .conditions import TextContext, Wishes
from .config import DiTConfig
from .layers import Block, Modulation, hiding_bias, modulate, sinusoidal

_FLAG_SCALE = 6.0
"""A few flags against hundreds of sentence elements: they need a voice."""


class DiT(nn.Module):
    """Motion diffusion transformer; called as ``net(x_t, timesteps, y)``.

    Args of ``forward``:
        x: ``[B, T, input_dim]`` noisy normalised features.
        timesteps: ``[B]`` integers, 0-based, in the schedule's own range.
        y: ``lengths`` [B] valid frames; ``sentence`` [B, text_dim]; ``tokens`` [B, M, text_dim] and
            ``token_mask`` [B, M] (True = real) when ``text_tokens``; ``sides`` [B, 2] when
            ``side_words``; ``actions`` [B, action_words] when ``action_words``; ``labels``,
            ``styles``, ``controls`` and ``controls_known`` when the config has them; optional
            ``drop`` [B] bool, True makes that row unconditional (classifier-free guidance).

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
        self.context = TextContext(c) if c.context_width else None
        self.wishes = Wishes(c) if c.labels or c.styles or c.controls else None
        self.blocks = nn.ModuleList(
            Block(
                width,
                c.heads,
                c.conditioning,
                mlp_ratio=c.mlp_ratio,
                adaln_rank=c.adaln_rank,
                context_width=c.context_width,
            )
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
        asked = self.text_embed(text)
        if self.wishes is not None:
            asked = asked + self.wishes(y).to(asked.dtype)
        sentence = F.layer_norm(F.silu(asked), (width,))
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

        held = _held_frames(lengths, x.shape[1]) if self.config.held_edges else None
        noisy = x * frame_mask
        stem = _over_time(self.stem, noisy, held) * frame_mask
        seen = stem
        if self.config.detail_width:
            detail = _over_time(self.detail_in, noisy, held) * frame_mask
            seen = torch.cat([stem, detail], -1)
        hidden = self.embed(seen.reshape(len(x), -1, patch * seen.shape[-1]))
        positions = torch.arange(hidden.shape[1], device=x.device)
        hidden = hidden + sinusoidal(positions, self.config.width).to(hidden.dtype)

        vector, sentence, tokens, text_mask = self.encode_condition(timesteps, y)
        if self.context is not None:
            tokens, text_mask = self.context(y, sentence)
        hidden = self._transform(hidden, token_mask, vector, sentence, tokens, text_mask)

        shift, scale = self.final(vector, sentence)
        hidden = self.unembed(modulate(hidden, scale, shift))
        hidden = hidden.reshape(len(x), -1, seen.shape[-1]) * frame_mask
        coarse = hidden[..., : self.config.stem_width]
        joined = torch.cat([coarse, stem.to(hidden.dtype)], -1)
        # channels first in memory: the convolution rounds otherwise where time comes first
        mid = F.gelu(_over_time(self.head1, joined, held).mT) * frame_mask.mT
        out = _over_time(self.head2, mid.mT, held)
        if self.config.detail_width:
            # how far a noisy frame may be believed depends on the step, and on what is asked for
            width = self.config.width
            asked = F.layer_norm(vector, (width,)) + sentence
            gate = self.detail_gate(asked * width**-0.5)[:, None]
            fine = hidden[..., self.config.stem_width :]
            passed = torch.cat([fine, (gate * detail).to(hidden.dtype)], -1)
            out = out + _over_time(self.detail_out, passed, held)
        return (out * frame_mask)[:, :frames]

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
            bias, context_bias = hiding_bias(mask), hiding_bias(extra_mask)
            for block in self.blocks:
                hidden = block(hidden, bias, context=extra, context_bias=context_bias)
            return hidden
        if self.context is not None:
            bias, context_bias = hiding_bias(mask), hiding_bias(extra_mask)
            for block in self.blocks:
                hidden = block(hidden, bias, vector, sentence, extra, context_bias)
            return hidden
        prefix = extra.shape[1]
        hidden = torch.cat([extra.to(hidden.dtype), hidden], 1)
        bias = hiding_bias(torch.cat([extra_mask, mask], 1))
        for block in self.blocks:
            hidden = block(hidden, bias, condition=vector, text=sentence)
        return hidden[:, prefix:]


def _held_frames(lengths: Tensor, frames: int) -> Tensor:
    """``[B, frames + 2]``: the frame that stands at each place from one before to one behind."""
    places = torch.arange(-1, frames + 1, device=lengths.device).clamp_min(0)
    return torch.minimum(places, lengths[:, None] - 1)


def _over_time(layer: nn.Conv1d, x: Tensor, held: Tensor | None) -> Tensor:
    """A convolution of width 3 along time of ``[B, T, C]``; ``held`` replaces its zero padding."""
    if held is None:
        return layer(x.transpose(1, 2)).transpose(1, 2)
    wide = x.gather(1, held[..., None].expand(-1, -1, x.shape[-1]))
    return F.conv1d(wide.transpose(1, 2), layer.weight, layer.bias).transpose(1, 2)
