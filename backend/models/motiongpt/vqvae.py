"""The motion tokenizer: a convolutional VQ-VAE over pose features.

The network of T2M-GPT (Zhang et al., CVPR 2023), as MotionGPT (Jiang et al., NeurIPS 2023) uses
it: residual 1-D convolutions that halve the frame rate ``down_t`` times, one codebook, and the
mirror image of the encoder. Module names follow the published checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ...store.options import option

_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "silu": nn.SiLU, "gelu": nn.GELU}


@dataclass(frozen=True)
class VQVAEConfig:
    """Sizes of the tokenizer; the defaults are the published ones.

    ``dilation_growth`` is the factor between the dilations of one residual stack, which run from
    ``dilation_growth ** (depth - 1)`` down to 1.
    """

    features: int = 263
    codes: int = option(512, "size of the codebook", low=1, high=1_000_000)
    code_dim: int = 512
    width: int = option(
        512, "channels of the networks and of a code", also=("code_dim",), low=1, high=16_384
    )
    down_t: int = 2
    stride_t: int = 2
    depth: int = 3
    dilation_growth: int = 3
    activation: Literal["relu", "silu", "gelu"] = "relu"

    def __post_init__(self) -> None:
        sizes = (self.features, self.codes, self.code_dim, self.width, self.down_t, self.depth)
        if min(sizes) < 1 or self.stride_t < 2 or self.dilation_growth < 1:
            raise ValueError(f"sizes must be positive: {self}")

    @property
    def frames_per_token(self) -> int:
        """How many frames one token stands for."""
        return self.stride_t**self.down_t


class _ResidualBlock(nn.Module):
    def __init__(self, width: int, dilation: int, activation: str) -> None:
        super().__init__()
        self.activation = _ACTIVATIONS[activation]()
        self.conv1 = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.conv2 = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(self.activation(self.conv1(self.activation(x))))


class _ResidualStack(nn.Module):
    def __init__(self, config: VQVAEConfig) -> None:
        super().__init__()
        dilations = [config.dilation_growth**i for i in reversed(range(config.depth))]
        self.model = nn.Sequential(
            *(_ResidualBlock(config.width, d, config.activation) for d in dilations)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class _Encoder(nn.Module):
    def __init__(self, config: VQVAEConfig) -> None:
        super().__init__()
        width, stride = config.width, config.stride_t
        layers: list[nn.Module] = [nn.Conv1d(config.features, width, 3, padding=1), nn.ReLU()]
        for _ in range(config.down_t):
            down = nn.Conv1d(width, width, 2 * stride, stride, stride // 2)
            layers.append(nn.Sequential(down, _ResidualStack(config)))
        layers.append(nn.Conv1d(width, config.code_dim, 3, padding=1))
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class _Decoder(nn.Module):
    def __init__(self, config: VQVAEConfig) -> None:
        super().__init__()
        width = config.width
        layers: list[nn.Module] = [nn.Conv1d(config.code_dim, width, 3, padding=1), nn.ReLU()]
        for _ in range(config.down_t):
            up = nn.Upsample(scale_factor=config.stride_t, mode="nearest")
            conv = nn.Conv1d(width, width, 3, padding=1)
            layers.append(nn.Sequential(_ResidualStack(config), up, conv))
        layers += [
            nn.Conv1d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv1d(width, config.features, 3, padding=1),
        ]
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class Codebook(nn.Module):
    """The codes, a buffer ``codebook`` ``[codes, code_dim]``: they are averages, not trained."""

    codebook: Tensor

    def __init__(self, codes: int, code_dim: int) -> None:
        super().__init__()
        self.register_buffer("codebook", torch.zeros(codes, code_dim))

    def nearest(self, x: Tensor) -> Tensor:
        """``[N, code_dim]`` to the index of the nearest code, ``[N]`` int64."""
        # this order of operations decides between codes that are equally near
        table = self.codebook.t()
        distance = (
            torch.sum(x**2, dim=-1, keepdim=True)
            - 2 * torch.matmul(x, table)
            + torch.sum(table**2, dim=0, keepdim=True)
        )
        return torch.argmin(distance, dim=-1)

    def lookup(self, ids: Tensor) -> Tensor:
        """``[...]`` indices to ``[..., code_dim]``."""
        return nn.functional.embedding(ids, self.codebook)


class MotionVQVAE(nn.Module):
    """Normalised pose features to token ids and back."""

    def __init__(self, config: VQVAEConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = _Encoder(config)
        self.decoder = _Decoder(config)
        self.quantizer = Codebook(config.codes, config.code_dim)

    def latents(self, x: Tensor) -> Tensor:
        """``[B, T, features]`` normalised to ``[B, T // frames_per_token, code_dim]``.

        T must be at least ``frames_per_token``; a remainder of frames is dropped.
        """
        return self.encoder(x.transpose(1, 2)).transpose(1, 2)

    def encode(self, x: Tensor) -> Tensor:
        """``[B, T, features]`` normalised to ids ``[B, T // frames_per_token]`` int64."""
        latents = self.latents(x)
        return self.quantizer.nearest(latents.reshape(-1, latents.shape[-1])).view(
            latents.shape[:2]
        )

    def decode_latents(self, latents: Tensor) -> Tensor:
        """``[B, N, code_dim]`` to ``[B, N * frames_per_token, features]`` normalised."""
        return self.decoder(latents.transpose(1, 2)).transpose(1, 2)

    def decode(self, ids: Tensor) -> Tensor:
        """Ids ``[B, N]`` to ``[B, N * frames_per_token, features]`` normalised.

        Rows are independent clips of equal length. (The published code joins the rows of a batch
        into one clip; pass ``ids.reshape(1, -1)`` for that.)
        """
        return self.decode_latents(self.quantizer.lookup(ids))
