"""A small TMR for motion_135 that reads sentence vectors: the bundled evaluator's network.

After TMR (Petrovich et al., ICCV 2023): two encoders to one Gaussian latent, and a decoder that
keeps the motion in it. Here four frames of smplrifke205 make a token, and the text encoder is a
small network on a frozen MiniLM sentence vector and the side flags, so that no language model has
to be shipped.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .actor import ActorConfig, ActorDecoder, ActorEncoder

SIDE_SCALE = 1.0


@dataclass(frozen=True)
class TMRConfig:
    """Shape of a :class:`SentenceTMR`."""

    features: int = 205
    patch_frames: int = 4
    latent: int = 192
    layers: int = 3
    decoder_layers: int = 1
    feed_forward: int = 512
    sentence: int = 384
    text_hidden: int = 512


class SentenceTMR(nn.Module):
    """Motion and text encoders; ``decoder`` is used in training only."""

    def __init__(self, config: TMRConfig) -> None:
        super().__init__()
        self.config = config
        width = config.features * config.patch_frames
        shape = ActorConfig(width, config.latent, config.layers, feed_forward=config.feed_forward)
        self.motion = ActorEncoder(shape)
        self.text = nn.Sequential(
            nn.Linear(config.sentence + 2, config.text_hidden),
            nn.GELU(),
            nn.LayerNorm(config.text_hidden),
            nn.Linear(config.text_hidden, config.text_hidden),
            nn.GELU(),
            nn.LayerNorm(config.text_hidden),
            nn.Linear(config.text_hidden, 2 * config.latent),
        )
        decoder = ActorConfig(
            width, config.latent, config.decoder_layers, feed_forward=config.feed_forward
        )
        self.decoder = ActorDecoder(decoder)

    def tokens(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Frames ``[B, T, F]`` to tokens ``[B, T / 4, 4 F]`` and their mask; whole tokens only."""
        patch = self.config.patch_frames
        count = x.shape[1] // patch
        x = x[:, : count * patch].reshape(len(x), count, -1)
        mask = torch.arange(count, device=x.device) < (lengths // patch)[:, None]
        return x, mask

    def embed_motion(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """``x`` [B, T >= 4, F] normalised, ``lengths`` [B] frames -> mu, logvar [B, latent]."""
        return self.motion(*self.tokens(x, lengths))

    def embed_text(self, sentence: Tensor, sides: Tensor) -> tuple[Tensor, Tensor]:
        """``sentence`` [B, 384], ``sides`` [B, 2] -> mu, logvar [B, latent]."""
        out = self.text(torch.cat([sentence, SIDE_SCALE * sides], -1))
        mu, logvar = out.chunk(2, -1)
        return mu, logvar
