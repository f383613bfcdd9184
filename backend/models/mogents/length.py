"""Length estimator: how many token rows a caption asks for (MoMask's, Guo et al., CVPR 2024)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import LengthConfig


class LengthEstimator(nn.Module):
    """Text features ``[B, 512]`` to logits over 0..49 token rows ``[B, 50]``."""

    def __init__(self, config: LengthConfig) -> None:
        super().__init__()
        self.output = nn.Sequential(
            nn.Linear(config.input_size, 512),
            nn.LayerNorm(512),
            nn.LeakyReLU(0.2),
            nn.Dropout(0.2),
            nn.Linear(512, 256),
            nn.LayerNorm(256),
            nn.LeakyReLU(0.2),
            nn.Dropout(0.2),
            nn.Linear(256, 128),
            nn.LayerNorm(128),
            nn.LeakyReLU(0.2),
            nn.Linear(128, config.output_size),
        )

    def forward(self, text: Tensor) -> Tensor:
        """Logits ``[B, bins]``; bin i means i token rows."""
        logits: Tensor = self.output(text)
        return logits

    def probabilities(self, text: Tensor) -> Tensor:
        """Softmax of the logits, ``[B, bins]``."""
        return torch.softmax(self(text), dim=-1)
