"""Parts of MDM (Tevet et al., ICLR 2023) under the tensor names of its released checkpoints.

Sequences here are time-first, ``[S, B, D]``, as in the released code: together with PyTorch's own
attention this makes the arithmetic, and so the result, the same to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

EXTRA_TARGETS = ("traj", "heading")
"""Targets of prefix completion that are no joints; they follow the joints' names."""


class PositionalEncoding(nn.Module):
    """Sines and cosines added to a sequence: ``pe[p, 2i] = sin(p w_i)``, ``pe[p, 2i+1] = cos``."""

    pe: Tensor

    def __init__(self, width: int, dropout: float, length: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        position = torch.arange(0, length, dtype=torch.float).unsqueeze(1)
        rate = torch.exp(torch.arange(0, width, 2).float() * (-math.log(10000.0) / width))
        pe = torch.zeros(length, width)
        pe[:, 0::2] = torch.sin(position * rate)
        pe[:, 1::2] = torch.cos(position * rate)
        self.register_buffer("pe", pe.unsqueeze(1))

    def forward(self, x: Tensor) -> Tensor:
        """Add positions from 0 to ``x`` ``[S, B, D]``."""
        return self.dropout(x + self.pe[: len(x)])


class TimestepEmbedder(nn.Module):
    """A two-layer map of the positional encoding at the diffusion step."""

    def __init__(self, width: int, positions: PositionalEncoding) -> None:
        super().__init__()
        self.sequence_pos_encoder = positions
        self.time_embed = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, timesteps: Tensor) -> Tensor:
        """``[B]`` integers to ``[1, B, D]``."""
        return self.time_embed(self.sequence_pos_encoder.pe[timesteps]).permute(1, 0, 2)


class InputProcess(nn.Module):
    """Each frame's features to the network's width."""

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.poseEmbedding = nn.Linear(features, width)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, J, C, F]`` to ``[F, B, D]``."""
        batch, joints, channels, frames = x.shape
        flat = x.permute((3, 0, 1, 2)).reshape(frames, batch, joints * channels)
        return self.poseEmbedding(flat)


class OutputProcess(nn.Module):
    """The network's width back to features."""

    def __init__(self, joints: int, channels: int, width: int) -> None:
        super().__init__()
        self.joints, self.channels = joints, channels
        self.poseFinal = nn.Linear(width, joints * channels)

    def forward(self, x: Tensor) -> Tensor:
        """``[F, B, D]`` to ``[B, J, C, F]``, a view that keeps the frames' memory order.

        The layout matters: noise drawn like this tensor is drawn in its memory order.
        """
        frames, batch, _ = x.shape
        out = self.poseFinal(x).reshape(frames, batch, self.joints, self.channels)
        return out.permute(1, 2, 3, 0)


class ActionEmbedding(nn.Module):
    """One vector per action class."""

    def __init__(self, actions: int, width: int) -> None:
        super().__init__()
        self.action_embedding = nn.Parameter(torch.randn(actions, width))

    def forward(self, action: Tensor) -> Tensor:
        """``[B, 1]`` integers to ``[B, D]``."""
        return self.action_embedding[action[:, 0].to(torch.long)]


def _mlp(inputs: int, width: int, layers: int) -> nn.Sequential:
    parts: list[nn.Module] = [nn.Linear(inputs, width)]
    for _ in range(layers):
        parts += [nn.SiLU(), nn.Linear(width, width)]
    return nn.Sequential(*parts)


def _active(names: Sequence[Sequence[str]], heading: Tensor, every: Sequence[str]) -> Tensor:
    """Which of ``every`` target each sample has, ``[B, N]`` bool."""
    rows = [
        [name in chosen or (name == "heading" and bool(with_heading)) for name in every]
        for chosen, with_heading in zip(names, heading.tolist(), strict=True)
    ]
    return torch.tensor(rows, dtype=torch.bool)


class TargetSingle(nn.Module):
    """All targets and their flags through one map."""

    def __init__(self, names: Sequence[str], width: int, layers: int) -> None:
        super().__init__()
        self.names = (*names, *EXTRA_TARGETS)
        self.mlp = _mlp(4 * len(self.names), width, layers)

    def forward(self, target: Tensor, names: Sequence[Sequence[str]], heading: Tensor) -> Tensor:
        """Targets ``[B, N, 3]``, each sample's target names and heading flag to ``[B, D]``."""
        valid = _active(names, heading, self.names).to(target)
        return self.mlp(torch.cat([target, valid[..., None]], -1).reshape(len(target), -1))


class TargetSplit(nn.Module):
    """A narrow map per target, side by side."""

    def __init__(self, names: Sequence[str], width: int, layers: int) -> None:
        super().__init__()
        self.names = (*names, *EXTRA_TARGETS)
        if width % len(self.names):
            raise ValueError(f"width {width} is not a multiple of {len(self.names)} targets")
        narrow = width // len(self.names)
        self.mini_mlps = nn.ModuleList(_mlp(4, narrow, layers) for _ in self.names)

    def forward(self, target: Tensor, names: Sequence[Sequence[str]], heading: Tensor) -> Tensor:
        """As :class:`TargetSingle`."""
        valid = _active(names, heading, self.names).to(target)
        inputs = torch.cat([target, valid[..., None]], -1)
        return torch.cat([mlp(inputs[:, i]) for i, mlp in enumerate(self.mini_mlps)], -1)


class TargetMulti(nn.Module):
    """A map per target, summed with learned weights; absent targets count as zero."""

    def __init__(self, names: Sequence[str], width: int, layers: int) -> None:
        super().__init__()
        self.names = (*names, *EXTRA_TARGETS)
        self.target_loc_emb = nn.ModuleDict({n: _mlp(3, width, layers) for n in self.names})
        self.target_all_loc_emb = WeightedSum(len(self.names))

    def forward(self, target: Tensor, names: Sequence[Sequence[str]], heading: Tensor) -> Tensor:
        """As :class:`TargetSingle`."""
        valid = _active(names, heading, self.names).to(target)
        maps = [self.target_loc_emb[name] for name in self.names]
        each = torch.stack([f(target[:, i]) for i, f in enumerate(maps)], 1)
        return self.target_all_loc_emb(each * valid[..., None])


class WeightedSum(nn.Module):
    """``sum_i w_i x_i / sum_i w_i``."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.randn(count))

    def forward(self, x: Tensor) -> Tensor:
        """``[B, N, D]`` to ``[B, D]``."""
        weights = self.weights / self.weights.sum()
        return (x * weights[None, :, None]).sum(1)


TARGET_ENCODERS: dict[str, Callable[..., nn.Module]] = {
    "single": TargetSingle,
    "split": TargetSplit,
    "multi": TargetMulti,
}
