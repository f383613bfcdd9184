"""The residual VQ-VAE of MoMask: one stream of tokens, Q codebooks. Inference only."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...errors import FormatError
from ..mogents.conv import ConvDecoder, ConvEncoder
from ..mogents.vq import ResidualQuantizer
from .config import RVQConfig


class RVQ(nn.Module):
    """Normalised motion ``[B, T, dim]`` to and from token ids ``[B, T // 4, Q]`` (int64)."""

    def __init__(self, config: RVQConfig) -> None:
        super().__init__()
        c = self.config = config
        self.encoder = ConvEncoder(
            1,
            c.dim,
            c.code_dim,
            width=c.width,
            down=c.down_t,
            stride=c.stride_t,
            depth=c.depth,
            growth=c.dilation_growth_rate,
            activation=c.vq_act,
        )
        self.decoder = ConvDecoder(
            1,
            c.dim,
            c.code_dim,
            width=c.width,
            down=c.down_t,
            depth=c.depth,
            growth=c.dilation_growth_rate,
            activation=c.vq_act,
        )
        self.quantizer = ResidualQuantizer(c.num_quantizers, c.nb_code, c.code_dim, "motion")
        if c.shared_codebook:
            self.quantizer.layers = nn.ModuleList([self.quantizer.layers[0]] * c.num_quantizers)

    def encode(self, motion: Tensor) -> Tensor:
        """Token ids.

        Raises:
            FormatError: not ``[B, T, dim]`` with at least one token's frames.
        """
        c = self.config
        if motion.dim() != 3 or motion.shape[-1] != c.dim or motion.shape[1] < c.frames_per_token:
            raise FormatError(
                f"A motion batch of shape {list(motion.shape)} cannot be coded.",
                f"Give [clips, frames, {c.dim}] with at least {c.frames_per_token} frames.",
            )
        latent = self.encoder(motion.transpose(1, 2)).transpose(1, 2)
        return self.quantizer.quantize(latent).ids

    def decode(self, ids: Tensor) -> Tensor:
        """Motion ``[B, 4 T4, dim]``, normalised, from ids ``[B, T4, q]`` (q <= Q, -1: no code).

        Raises:
            FormatError: another shape, or an id that no codebook has.
        """
        if ids.dim() != 3 or 0 in ids.shape:
            raise FormatError(
                f"Token ids of shape {list(ids.shape)} cannot be decoded.",
                "Give [clips, tokens, quantizers].",
            )
        codes: Tensor = self.quantizer.lookup(ids)
        return self.decoder(codes.transpose(1, 2)).transpose(1, 2)

    @torch.no_grad()
    def reconstruct(self, motion: Tensor) -> Tensor:
        """What is left of a motion after its tokens, ``[B, T // 4 * 4, dim]``."""
        return self.decode(self.encode(motion))
