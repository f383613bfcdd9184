"""Shape of Kimodo's denoiser, as ``config.yaml`` of a released model says it."""

from __future__ import annotations

from dataclasses import dataclass

MAX_POSITIONS = 5000
"""Rows of the sine table: prefix and frames together."""


@dataclass(frozen=True)
class KimodoConfig:
    """The two stages are alike but for the widths of their input and output.

    Attributes:
        features: columns of the representation (369 for SOMA-30, 273 for SMPL-X-22).
        text_width: of the one text vector.
        text_tokens: places in front of the sequence; the vector fills the first, zeros the others.
        base_steps: of the diffusion that the network was trained with.
    """

    features: int = 369
    text_width: int = 4096
    text_tokens: int = 50
    latent_dim: int = 1024
    ff_size: int = 2048
    num_layers: int = 16
    num_heads: int = 8
    base_steps: int = 1000
    fps: float = 30.0

    def __post_init__(self) -> None:
        sizes = (self.text_width, self.latent_dim, self.ff_size, self.num_layers, self.num_heads)
        if min(sizes) < 1 or self.base_steps < 2 or self.text_tokens < 1 or not self.fps > 0:
            raise ValueError("every size must be positive")
        if self.latent_dim % self.num_heads or self.latent_dim % 2:
            raise ValueError(f"latent_dim {self.latent_dim} does not fit {self.num_heads} heads")
        if self.features < 10 + 12 or (self.features - 9) % 12:
            raise ValueError(f"features {self.features} are not 12 J + 9")

    @property
    def prefix(self) -> int:
        """Tokens before the frames: text, time, heading."""
        return self.text_tokens + 2

    @property
    def max_frames(self) -> int:
        """Longest clip that the position table has rows for."""
        return MAX_POSITIONS - self.prefix
