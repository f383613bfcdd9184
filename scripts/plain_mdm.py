"""MDM written the plain way, as its released code works: the baseline of the benchmark.

It shares no code with ``backend``: sequence-first ``nn.TransformerEncoder``, one network call for
each half of the guidance on a copied condition, and coefficients looked up in NumPy tables at every
step. Weights are read from a state dict with the released names.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


class PlainMDM(nn.Module):
    """The text-conditioned encoder variant; ``[B, J, 1, F]`` in and out."""

    def __init__(
        self,
        state: dict[str, Tensor],
        *,
        layers: int,
        heads: int = 4,
        ff_size: int = 1024,
        positions: int = 5000,
    ) -> None:
        super().__init__()
        self.pe: Tensor
        width, self.joints = state["input_process.poseEmbedding.weight"].shape
        layer = nn.TransformerEncoderLayer(width, heads, ff_size, 0.1, activation="gelu")
        self.seqTransEncoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.pose_embedding = nn.Linear(self.joints, width)
        self.pose_final = nn.Linear(width, self.joints)
        self.time_embed = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.embed_text = nn.Linear(512, width)
        pe = torch.zeros(positions, width)
        position = torch.arange(0, positions, dtype=torch.float).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, width, 2).float() * (-math.log(10000.0) / width))
        pe[:, 0::2] = torch.sin(position * div_term)
        pe[:, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe.unsqueeze(0).transpose(0, 1), persistent=False)
        names = {
            "input_process.poseEmbedding.": "pose_embedding.",
            "output_process.poseFinal.": "pose_final.",
            "embed_timestep.time_embed.": "time_embed.",
        }
        renamed = {}
        for key, value in state.items():
            for released, here in names.items():
                key = key.replace(released, here)
            if not key.endswith(".pe"):
                renamed[key] = value
        self.load_state_dict(renamed)
        self.eval()

    def forward(self, x: Tensor, timesteps: Tensor, y: dict[str, Any]) -> Tensor:
        """One pass; ``y`` holds ``text_embed`` ``[1, B, 512]`` and perhaps ``uncond``."""
        batch, joints, channels, frames = x.shape
        time = self.time_embed(self.pe[timesteps]).permute(1, 0, 2)
        text = y["text_embed"]
        if y.get("uncond", False):
            text = torch.zeros_like(text)
        condition = self.embed_text(text) + time
        poses = x.permute((3, 0, 1, 2)).reshape(frames, batch, joints * channels)
        sequence = torch.cat((condition, self.pose_embedding(poses)), dim=0)
        sequence = sequence + self.pe[: sequence.shape[0], :]
        out = self.pose_final(self.seqTransEncoder(sequence)[1:])
        return out.reshape(frames, batch, joints, channels).permute(1, 2, 3, 0)


def cosine_tables(steps: int) -> dict[str, np.ndarray]:
    """Posterior tables of the cosine schedule, float64."""

    def signal(u: float) -> float:
        return math.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2

    base = np.array([min(1 - signal((i + 1) / steps) / signal(i / steps), 0.999)
                     for i in range(steps)])  # fmt: skip
    kept, last, betas = np.cumprod(1.0 - base), 1.0, []
    for value in kept:
        betas.append(1 - value / last)
        last = value
    beta = np.array(betas)
    abar = np.cumprod(1.0 - beta)
    before = np.append(1.0, abar[:-1])
    variance = beta * (1.0 - before) / (1.0 - abar)
    return {
        "log_variance": np.log(np.append(variance[1], variance[1:])),
        "coef1": beta * np.sqrt(before) / (1.0 - abar),
        "coef2": (1.0 - before) * np.sqrt(1.0 - beta) / (1.0 - abar),
    }


def _lookup(table: np.ndarray, t: Tensor, shape: torch.Size) -> Tensor:
    values = torch.from_numpy(table).to(t.device)[t].float()
    while values.dim() < len(shape):
        values = values[..., None]
    return values.expand(shape)


@torch.no_grad()
def plain_sample(
    net: nn.Module,
    shape: tuple[int, ...],
    y: dict[str, Any],
    *,
    steps: int,
    guidance: float,
) -> Tensor:
    """Ancestral sampling with PyTorch's global generator."""
    tables = cosine_tables(steps)
    device = next(net.parameters()).device
    scale = torch.ones(shape[0], device=device) * guidance
    x = torch.randn(*shape, device=device)
    for i in list(range(steps))[::-1]:
        t = torch.tensor([i] * shape[0], device=device)
        without = copy.deepcopy(y)
        without["uncond"] = True
        cond = net(x, t, y)
        uncond = net(x, t, without)
        x0 = uncond + (scale.view(-1, 1, 1, 1) * (cond - uncond))
        noise = torch.randn_like(x)
        mean = _lookup(tables["coef1"], t, x.shape) * x0 + _lookup(tables["coef2"], t, x.shape) * x
        nonzero = (t != 0).float().view(-1, *([1] * (len(x.shape) - 1)))
        x = mean + nonzero * torch.exp(0.5 * _lookup(tables["log_variance"], t, x.shape)) * noise
    return x
