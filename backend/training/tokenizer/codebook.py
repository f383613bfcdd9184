"""A codebook that follows its encoder: moving averages, and unused codes moved to new places.

EMA updates after van den Oord et al. 2017 (appendix A.1); the reset of codes that are hardly used
after Dhariwal et al. 2020 (Jukebox), as T2M-GPT trains its motion tokenizer.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...models.motiongpt.vqvae import Codebook

DECAY = 0.99
MIN_COUNT = 1.0
"""A code with fewer tokens a batch (moving average) is put where a random token lies."""
_SPREAD = 0.01
"""Noise on copies, where a batch has fewer tokens than there are codes."""


class CodebookTrainer:
    """Running sums and counts of one :class:`Codebook`."""

    def __init__(self, codebook: Codebook, decay: float = DECAY) -> None:
        self.codebook = codebook
        self.decay = decay
        self.sums = torch.zeros_like(codebook.codebook)
        self.counts = torch.zeros_like(codebook.codebook[:, 0])

    @property
    def started(self) -> bool:
        """Whether the codes have been placed."""
        return bool(self.counts.any())

    @torch.no_grad()
    def start(self, latents: Tensor) -> None:
        """Put the codes on random rows of ``latents`` ``[N, code_dim]``."""
        self.codebook.codebook.copy_(self._random_rows(latents))
        self.sums = self.codebook.codebook.clone()
        self.counts = torch.ones_like(self.counts)

    @torch.no_grad()
    def update(self, latents: Tensor, ids: Tensor) -> float:
        """Move the codes towards the tokens ``[N, code_dim]`` that chose them (``ids`` ``[N]``).

        Returns:
            The perplexity of the batch: how many codes it uses as if all equally often.
        """
        added = torch.zeros_like(self.sums).index_add_(0, ids, latents)
        counted = torch.bincount(ids, minlength=len(self.counts)).to(latents)
        self.sums.lerp_(added, 1.0 - self.decay)
        self.counts.lerp_(counted, 1.0 - self.decay)
        used = (self.counts >= MIN_COUNT)[:, None]
        average = self.sums / self.counts.clamp_min(1e-6)[:, None]
        self.codebook.codebook.copy_(torch.where(used, average, self._random_rows(latents)))
        share = counted / counted.sum()
        return float(torch.exp(-(share * torch.log(share + 1e-7)).sum()))

    def _random_rows(self, latents: Tensor) -> Tensor:
        count = len(self.counts)
        if len(latents) < count:
            copies = latents.repeat(math.ceil(count / len(latents)), 1)
            noise = torch.randn_like(copies) * _SPREAD / math.sqrt(latents.shape[1])
            latents = copies + noise
        order = torch.randperm(len(latents), device=latents.device)[:count]
        return latents[order]

    def state(self) -> dict[str, Tensor]:
        """What a resumed run needs beside the codebook itself."""
        return {"sums": self.sums, "counts": self.counts}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """The inverse of :meth:`state`."""
        self.sums, self.counts = state["sums"].to(self.sums), state["counts"].to(self.counts)
