"""The shape of a diffusion transformer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Conditioning = Literal["in_context", "adaln", "cross_attention"]


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
    ``context_width`` > 0 lets the blocks of adaln also attend to the encoder's token states, read
    by one small layer of that width. ``labels``, ``styles`` and ``controls`` are the sizes of soft
    conditions beside the text: how much of each action and of each manner, and numbers such as
    speed, each of which may be unknown. ``held_edges`` shows the convolutions the first and the
    last frame again beyond the ends of a clip; zeros there draw its ends to the mean pose.
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
    context_width: int = 0
    labels: int = 0
    styles: int = 0
    controls: int = 0
    held_edges: bool = False

    def __post_init__(self) -> None:
        if self.context_width and self.conditioning != "adaln":
            raise ValueError("context_width goes with adaln: the others have their own context")
        if self.conditioning not in ("in_context", "adaln", "cross_attention"):
            raise ValueError(f"unknown conditioning {self.conditioning!r}")
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        if self.context_width % self.heads:
            raise ValueError(f"context_width {self.context_width}: no multiple of {self.heads}")

    @property
    def reads_tokens(self) -> bool:
        """Whether ``y`` must hold the encoder's token states."""
        return self.text_tokens or self.context_width > 0
