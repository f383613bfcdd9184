"""Sinusoidal positions as the released transformers lay them out."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def interleaved_positions(length: int, width: int) -> Tensor:
    """``[length, width]``: sin in even, cos in odd columns, w_i = exp(-2 i ln(1e4) / width)."""
    place = torch.arange(length, dtype=torch.float32)[:, None]
    rate = torch.exp(torch.arange(0, width, 2, dtype=torch.float32) * (-math.log(1e4) / width))
    table = torch.zeros(length, width)
    table[:, 0::2] = torch.sin(place * rate)
    table[:, 1::2] = torch.cos(place * rate)
    return table
