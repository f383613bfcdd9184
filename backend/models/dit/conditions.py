"""What a motion is to be: the encoder's token states, and actions, manners and numbers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import DiTConfig
from .layers import Block, hiding_bias, sinusoidal

_LOUD = 4.0
"""A dozen numbers against hundreds of sentence elements: the optimiser's even steps would take
them ten times as long to be heard."""


class TextContext(nn.Module):
    """Token states of the encoder, read once more: keys and values for every block.

    The first entry is the whole condition (sentence, flags, wishes), so that the context is never
    empty; an unconditional row has a learnt vector there and no tokens.
    """

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        narrow = config.context_width
        self.scale = config.text_dim**0.5 / 4.0
        self.tokens = nn.Linear(config.text_dim, narrow)
        self.whole = nn.Linear(config.width, narrow)
        self.null = nn.Parameter(torch.zeros(narrow))
        self.layer = Block(narrow, config.heads, "in_context", mlp_ratio=2.0)

    def forward(self, y: dict[str, Tensor], sentence: Tensor) -> tuple[Tensor, Tensor]:
        """``y`` and the condition [B, width] to states [B, 1 + M, narrow] and their mask."""
        dtype = self.tokens.weight.dtype
        mask = y["token_mask"].bool()
        drop = y.get("drop")
        whole = self.whole(sentence.to(dtype))
        if drop is not None:
            mask = mask & ~drop[:, None]
            whole = torch.where(drop[:, None], self.null.to(whole.dtype), whole)
        states = F.layer_norm(y["tokens"].to(dtype), y["tokens"].shape[-1:])
        states = torch.cat([whole[:, None], self.tokens(states).to(whole.dtype)], 1)
        mask = F.pad(mask, (1, 0), value=True)
        positions = torch.arange(states.shape[1], device=states.device)
        states = states + sinusoidal(positions, states.shape[-1]).to(states.dtype)
        return self.layer(states, hiding_bias(mask)), mask


class Wishes(nn.Module):
    """Actions, manners and numbers that a motion is to have, ``[B, width]``; nothing said is 0."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        width = config.width
        self.labels = nn.Linear(config.labels, width, bias=False) if config.labels else None
        self.styles = nn.Linear(config.styles, width, bias=False) if config.styles else None
        self.numbers: nn.Sequential | None = None
        if config.controls:
            self.numbers = nn.Sequential(
                nn.Linear(2 * config.controls, width), nn.SiLU(), nn.Linear(width, width)
            )
        for names in (self.labels, self.styles):
            if names is not None:
                nn.init.normal_(names.weight, std=1.0)

    def forward(self, y: dict[str, Tensor]) -> Tensor:
        """Sum of what is wished."""
        found = []
        if self.labels is not None:
            found.append(self.labels(y["labels"].to(self.labels.weight.dtype)))
        if self.styles is not None:
            found.append(self.styles(y["styles"].to(self.styles.weight.dtype)))
        if self.numbers is not None:
            known = y["controls_known"]
            values = _LOUD * torch.cat([y["controls"] * known, known], -1)
            heard = self.numbers(values.to(next(self.numbers.parameters()).dtype))
            found.append(_LOUD * heard)
        return torch.stack(found).sum(0)
