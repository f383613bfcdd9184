"""Convolutional encoder and decoder of the motion tokenizer, 1-D (time) and 2-D (time x joints).

The layout follows T2M-GPT and MoMask (Guo et al., "MoMask", CVPR 2024); the child indices are the
key names of the published files.
"""

from __future__ import annotations

from torch import Tensor, nn

_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "silu": nn.SiLU, "gelu": nn.GELU}
_CONVOLUTIONS: dict[int, type[nn.Conv1d] | type[nn.Conv2d]] = {1: nn.Conv1d, 2: nn.Conv2d}


class ResidualBlock(nn.Module):
    """activation, dilated 3-wide convolution, activation, 1-wide convolution, added to its input"""

    def __init__(self, dims: int, width: int, dilation: int, activation: str) -> None:
        super().__init__()
        conv = _CONVOLUTIONS[dims]
        self.activation = _ACTIVATIONS[activation]()
        self.conv1 = conv(width, width, 3, padding=dilation, dilation=dilation)
        self.conv2 = conv(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, width, ...]`` to the same shape."""
        return x + self.conv2(self.activation(self.conv1(self.activation(x))))


class ResidualStack(nn.Module):
    """Blocks with falling dilation (9, 3, 1 for depth 3 and growth 3), in encoder and decoder."""

    def __init__(self, dims: int, width: int, depth: int, growth: int, activation: str) -> None:
        super().__init__()
        self.model = nn.Sequential(
            *(
                ResidualBlock(dims, width, growth**level, activation)
                for level in reversed(range(depth))
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """``[B, width, ...]`` to the same shape."""
        out: Tensor = self.model(x)
        return out


class ConvEncoder(nn.Module):
    """``[B, channels, T(, J)]`` to ``[B, code_dim, T / 4(, J / 4)]`` (floor) for two halvings."""

    def __init__(
        self,
        dims: int,
        channels: int,
        code_dim: int,
        *,
        width: int,
        down: int,
        stride: int,
        depth: int,
        growth: int,
        activation: str,
    ) -> None:
        super().__init__()
        conv = _CONVOLUTIONS[dims]
        halvings = [
            nn.Sequential(
                conv(width, width, 2 * stride, stride=stride, padding=stride // 2),
                ResidualStack(dims, width, depth, growth, activation),
            )
            for _ in range(down)
        ]
        self.model = nn.Sequential(
            conv(channels, width, 3, padding=1),
            nn.ReLU(),
            *halvings,
            conv(width, code_dim, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Run it."""
        out: Tensor = self.model(x)
        return out


class ConvDecoder(nn.Module):
    """The way back: ``[B, code_dim, T4(, 6)]`` to ``[B, channels, 4 T4(, 24)]``."""

    def __init__(
        self,
        dims: int,
        channels: int,
        code_dim: int,
        *,
        width: int,
        down: int,
        depth: int,
        growth: int,
        activation: str,
    ) -> None:
        super().__init__()
        conv = _CONVOLUTIONS[dims]
        doublings = [
            nn.Sequential(
                ResidualStack(dims, width, depth, growth, activation),
                nn.Upsample(scale_factor=2, mode="nearest"),
                conv(width, width, 3, padding=1),
            )
            for _ in range(down)
        ]
        self.model = nn.Sequential(
            conv(code_dim, width, 3, padding=1),
            nn.ReLU(),
            *doublings,
            conv(width, width, 3, padding=1),
            nn.ReLU(),
            conv(width, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Run it."""
        out: Tensor = self.model(x)
        return out
