"""Losses that bring texts and motions together (TMR, Petrovich et al., ICCV 2023, section 3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def info_nce(
    text: Tensor, motion: Tensor, temperature: float = 0.1, hidden: Tensor | None = None
) -> Tensor:
    """Symmetric InfoNCE of matched rows ``[B, D]`` by cosine similarity.

    Args:
        hidden: ``[B, B]`` True for pairs that are no true negatives; the diagonal is kept.
    """
    logits = F.normalize(text, dim=-1) @ F.normalize(motion, dim=-1).T / temperature
    own = torch.arange(len(logits), device=logits.device)
    if hidden is not None:
        hidden = hidden & ~torch.eye(len(logits), dtype=torch.bool, device=logits.device)
        logits = logits.masked_fill(hidden, float("-inf"))
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def alike(sentence: Tensor, threshold: float = 0.8) -> Tensor:
    """``[B, B]`` True where two sentence vectors say nearly the same.

    ``threshold`` is on ``(cos + 1) / 2``, as TMR states it.
    """
    sentence = F.normalize(sentence, dim=-1)
    return sentence @ sentence.T > 2 * threshold - 1


def gaussian_kl(mu: Tensor, logvar: Tensor, to_mu: Tensor, to_logvar: Tensor) -> Tensor:
    """KL divergence of diagonal Gaussians, mean over all entries."""
    ratio = (logvar - to_logvar).exp()
    gap = (mu - to_mu) ** 2 / to_logvar.exp()
    return 0.5 * (ratio + gap - 1 - (logvar - to_logvar)).mean()
