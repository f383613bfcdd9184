"""HY-Motion's network: text refiner, double-stream blocks, single-stream blocks.

Motion tokens see each other within a band and all text; text tokens see text alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .config import HYMotionConfig
from .layers import (
    EPS,
    MLP,
    HeadNorm,
    Modulation,
    TimeMLP,
    VectorMLP,
    activate,
    attend,
    modulate,
    rotary_table,
    rotate,
    split_heads,
)


class RefinerBlock(nn.Module):
    """Self-attention and MLP over text tokens, gated by time and the mean of the text."""

    def __init__(self, width: int, heads: int, ratio: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width, eps=EPS)
        self.self_attn_qkv = nn.Linear(width, 3 * width)
        self.self_attn_q_norm = nn.LayerNorm(width // heads, eps=EPS)
        self.self_attn_k_norm = nn.LayerNorm(width // heads, eps=EPS)
        self.self_attn_proj = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width, eps=EPS)
        self.mlp = MLP(width, round(width * ratio), "silu")
        self.adaLN_modulation = Modulation(width, 2)

    def forward(self, x: Tensor, condition: Tensor, visible: Tensor) -> Tensor:
        """``[B, M, D]`` to the same."""
        gate1, gate2 = self.adaLN_modulation(condition)
        q, k, v = split_heads(self.self_attn_qkv(self.norm1(x)), self.heads)
        q, k = self.self_attn_q_norm(q), self.self_attn_k_norm(k)
        x = x + gate1 * self.self_attn_proj(attend(q, k, v, visible))
        out: Tensor = x + gate2 * self.mlp(self.norm2(x))
        return out


class _Blocks(nn.Module):
    """A list under the name that the checkpoints give it."""

    def __init__(self, blocks: list[RefinerBlock]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)


class TextRefiner(nn.Module):
    """Refines token states before they meet the motion."""

    def __init__(self, config: HYMotionConfig) -> None:
        super().__init__()
        width = config.width
        self.timestep_encoder = TimeMLP(width, 1.0)
        self.context_encoder = VectorMLP(width, width)
        self.input_embedder = nn.Linear(width, width)
        self.individual_token_refiner = _Blocks(
            [
                RefinerBlock(width, config.heads, config.refiner_ratio)
                for _ in range(config.refiner_layers)
            ]
        )

    def forward(self, tokens: Tensor, t: Tensor, real: Tensor) -> Tensor:
        """``[B, M, D]`` to the same; ``real`` ``[B, M]`` bool."""
        weight = real.to(tokens.dtype)[..., None]
        mean = (tokens * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)
        condition = self.timestep_encoder(t) + self.context_encoder(mean)
        x = self.input_embedder(tokens)
        visible = seeing(real[:, None, :] & real[:, :, None])[:, None]
        for block in self.individual_token_refiner.blocks:
            x = block(x, condition, visible)
        return x


class DoubleBlock(nn.Module):
    """Motion and text with weights of their own, joined in one attention."""

    def __init__(self, config: HYMotionConfig) -> None:
        super().__init__()
        width, inner = config.width, round(config.width * config.mlp_ratio)
        self.heads = config.heads
        self.motion_only = config.rope_motion_only
        for stream in ("motion", "text"):
            parts = {
                "mod": Modulation(width, 6),
                "qkv": nn.Linear(width, 3 * width),
                "q_norm": HeadNorm(width // config.heads),
                "k_norm": HeadNorm(width // config.heads),
                "out_proj": nn.Linear(width, width),
                "mlp": MLP(width, inner, "gelu"),
            }
            for name, module in parts.items():
                self.add_module(f"{stream}_{name}", module)

    def forward(
        self, motion: Tensor, text: Tensor, condition: Tensor, positions: Any, visible: Tensor
    ) -> tuple[Tensor, Tensor]:
        """``[B, T, D]`` and ``[B, M, D]`` to the same."""
        streams = {"motion": motion, "text": text}
        vectors = {name: self._part(name, "mod")(condition) for name in streams}
        heads = [self._project(name, x, vectors[name]) for name, x in streams.items()]
        q, k, v = (torch.cat(parts, dim=2) for parts in zip(*heads, strict=True))
        q, k = placed(q, positions), placed(k, positions)
        joined = attend(q, k, v, visible)
        frames = motion.shape[1]
        out = []
        for (name, x), own in zip(
            streams.items(), (joined[:, :frames], joined[:, frames:]), strict=True
        ):
            _, _, gate1, shift2, scale2, gate2 = vectors[name]
            x = x + gate1 * self._part(name, "out_proj")(own)
            out.append(x + gate2 * self._part(name, "mlp")(modulate(x, shift2, scale2)))
        return out[0], out[1]

    def _part(self, stream: str, name: str) -> Any:
        return self.get_submodule(f"{stream}_{name}")

    def _project(
        self, name: str, x: Tensor, vectors: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor, Tensor]:
        qkv = self._part(name, "qkv")(modulate(x, vectors[0], vectors[1]))
        q, k, v = split_heads(qkv, self.heads)
        return self._part(name, "q_norm")(q), self._part(name, "k_norm")(k), v


class SingleBlock(nn.Module):
    """One set of weights over the joint sequence; attention and MLP side by side."""

    def __init__(self, config: HYMotionConfig) -> None:
        super().__init__()
        width, self.inner = config.width, round(config.width * config.mlp_ratio)
        self.heads, self.width = config.heads, width
        self.modulation = Modulation(width, 3)
        self.linear1 = nn.Linear(width, 3 * width + self.inner)
        self.linear2 = nn.Linear(width + self.inner, width)
        self.q_norm = HeadNorm(width // config.heads)
        self.k_norm = HeadNorm(width // config.heads)

    def forward(self, x: Tensor, condition: Tensor, positions: Any, visible: Tensor) -> Tensor:
        """``[B, S, D]`` to the same."""
        shift, scale, gate = self.modulation(condition)
        both = self.linear1(modulate(x, shift, scale))
        qkv, inner = both.split([3 * self.width, self.inner], dim=-1)
        q, k, v = split_heads(qkv, self.heads)
        q, k = placed(self.q_norm(q), positions), placed(self.k_norm(k), positions)
        joined = torch.cat([attend(q, k, v, visible), activate(inner, "gelu")], dim=-1)
        out: Tensor = x + gate * self.linear2(joined)
        return out


class FinalLayer(nn.Module):
    """Modulated norm and projection to features."""

    def __init__(self, width: int, features: int) -> None:
        super().__init__()
        self.adaLN_modulation = Modulation(width, 2)
        self.linear = nn.Linear(width, features)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """``[B, T, D]`` to ``[B, T, features]``."""
        shift, scale = self.adaLN_modulation(condition)
        out: Tensor = self.linear(modulate(x, shift, scale))
        return out


class HYMotionNet(nn.Module):
    """Velocity of a noisy motion; called as ``net(x, t, y)``.

    Args of ``forward``:
        x: ``[B, T, features]``, T at most ``config.frames``: frames beyond a clip may be left out,
            since nothing reads them; text positions always start after ``config.frames``.
        t: ``[B]`` time, 0 (noise) to 1.
        y: ``tokens`` ``[B, M, text_width]`` with ``token_mask`` ``[B, M]`` bool; ``pooled``
            ``[B, pooled_width]``; optional ``lengths`` ``[B]``.

    Returns ``[B, T, features]``; frames past a row's length hold no meaning.
    """

    def __init__(self, config: HYMotionConfig) -> None:
        super().__init__()
        c, width = config, config.width
        self.config = config
        self.input_encoder = nn.Linear(c.features, width)
        self.ctxt_encoder = nn.Linear(c.text_width, width)
        self.vtxt_encoder = VectorMLP(c.pooled_width, width)
        self.timestep_encoder = TimeMLP(width, c.time_factor)
        self.text_refiner = TextRefiner(c)
        self.double_blocks = nn.ModuleList(DoubleBlock(c) for _ in range(c.double_layers))
        self.single_blocks = nn.ModuleList(SingleBlock(c) for _ in range(c.single_layers))
        self.final_layer = FinalLayer(width, c.features)

    def forward(self, x: Tensor, t: Tensor, y: dict[str, Tensor]) -> Tensor:
        """See the class; the network may be in another dtype than ``x``, which the result has."""
        frames, asked = x.shape[1], x.dtype
        dtype = self.input_encoder.weight.dtype
        real_text = y["token_mask"].bool()
        real = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
        if y.get("lengths") is not None:
            real = torch.arange(frames, device=x.device) < y["lengths"].to(x.device)[:, None]
        condition = self.timestep_encoder(t) + self.vtxt_encoder(y["pooled"].to(dtype))
        text = self.text_refiner(self.ctxt_encoder(y["tokens"].to(dtype)), t, real_text)
        motion = self.input_encoder(x.to(dtype))
        positions = self._positions(frames, text.shape[1], x.device)
        visible = self._visible(real, real_text)
        for block in self.double_blocks:
            motion, text = block(motion, text, condition, positions, visible)
        joint = torch.cat([motion, text], dim=1)
        for block in self.single_blocks:
            joint = block(joint, condition, positions, visible)
        out: Tensor = self.final_layer(joint[:, :frames], condition)
        return out.to(asked)

    def _positions(self, frames: int, tokens: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Rotary table of the joint sequence; a turn by 0 leaves text as it is where asked."""
        c = self.config
        behind = torch.arange(c.frames, c.frames + tokens, device=device)
        if c.rope_motion_only:
            behind = torch.zeros_like(behind)
        places = torch.cat([torch.arange(frames, device=device), behind])
        return rotary_table(places, c.width // c.heads)

    def _visible(self, real: Tensor, real_text: Tensor) -> Tensor:
        """``[B, 1, S, S]`` bool: which keys (last axis) each token reads."""
        c, frames = self.config, real.shape[1]
        place = torch.arange(frames, device=real.device)
        apart = place[:, None] - place
        near = torch.ones_like(apart, dtype=torch.bool)
        if c.mask_mode == "narrowband":
            near = apart.abs() <= c.band
        elif c.mask_mode == "causal":
            near = apart >= 0
        tokens = real_text.shape[1]
        out = torch.zeros(
            (len(real), frames + tokens, frames + tokens), dtype=torch.bool, device=real.device
        )
        out[:, :frames, :frames] = near & real[:, None]
        out[:, :, frames:] = real_text[:, None]
        return seeing(out)[:, None]


def placed(x: Tensor, positions: tuple[Tensor, Tensor]) -> Tensor:
    """Queries or keys with their rotary positions."""
    return rotate(x, positions)


def seeing(visible: Tensor) -> Tensor:
    """Rows that would read nothing read themselves: softmax over nothing is not a number."""
    alone = ~visible.any(dim=-1, keepdim=True)
    own = torch.eye(visible.shape[-1], dtype=torch.bool, device=visible.device)
    return visible | (alone & own)
