"""The decoding loop of an encoder-decoder language model: sampling or greedy, batched."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...diffusion.loop import StepCallback
from ...models.motiongpt.t5 import EOS, PAD, T5

TOP_K = 50
"""Candidates at each step. A default of the library that published results were made with."""


def top_k_probabilities(logits: Tensor, k: int = TOP_K) -> Tensor:
    """``[B, V]`` logits to probabilities of the ``k`` best tokens, the others zero."""
    k = min(k, logits.shape[-1])
    worst = torch.topk(logits, k).values[..., -1:]
    return torch.softmax(logits.masked_fill(logits < worst, float("-inf")), dim=-1)


def draw(probabilities: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    """One token per row, ``[B]``, by an exponential race (what ``torch.multinomial`` does).

    Args:
        generators: one for all rows, or one per row, so that a row does not depend on the others.
    """
    rows, device = len(probabilities), probabilities.device
    noise = torch.empty_like(probabilities, device=generators[0].device)
    if len(generators) == 1:
        noise.exponential_(1, generator=generators[0])
    else:
        for row, generator in zip(range(rows), generators, strict=True):
            noise[row].exponential_(1, generator=generator)
    return torch.argmax(probabilities / noise.to(device), dim=-1)


@torch.inference_mode()
def generate_tokens(
    model: T5,
    ids: Tensor,
    mask: Tensor,
    *,
    max_length: int,
    generators: Sequence[torch.Generator] | None = None,
    top_k: int = TOP_K,
    cached: bool = True,
    on_step: StepCallback | None = None,
) -> Tensor:
    """Write answers to a batch of prompts until each has ended or is ``max_length`` long.

    Rows that have ended are filled with PAD. With one generator for all they keep drawing until the
    last has ended, as published: the number of draws decides what a later draw gives. Otherwise
    they leave the batch when half of it has ended.

    Args:
        ids, mask: ``[B, S]`` prompts, mask True on real tokens.
        max_length: tokens of an answer, the leading PAD included.
        generators: see :func:`draw`; greedy (the best token at each step) when None.
        cached: False recomputes every earlier token at each step (the plain form, to compare).
        on_step: ``on_step(done, total)`` before every step and at the end; it may raise
            ``Cancelled``.

    Returns:
        ``[B, N]`` int64, ``N <= max_length``, each row beginning with PAD.
    """
    hidden = model.encode(ids, mask)
    cache = model.start(hidden, mask, max_length - 1) if cached else None
    written = torch.full((len(ids), max_length), PAD, dtype=torch.long, device=ids.device)
    rows = torch.arange(len(ids), device=ids.device)
    running = torch.ones_like(rows, dtype=torch.bool)
    together = generators is not None and len(generators) == 1
    total, used = max_length - 1, max_length
    for done in range(total):
        if on_step is not None:
            on_step(done, total)
        if cache is None:
            logits = model.decode(written[rows, : done + 1], hidden[rows], mask[rows])[:, -1]
        else:
            logits = model.step(written[rows, done], cache)
        chosen = _chosen(logits.float(), generators, top_k)
        chosen = torch.where(running, chosen, PAD)
        written[rows, done + 1] = chosen
        running = running & (chosen != EOS)
        left = int(running.sum())
        if left == 0:
            used = done + 2
            break
        if not together and 2 * left <= len(rows):
            kept = running.nonzero()[:, 0]
            rows, running = rows[kept], running[kept]
            if cache is not None:
                cache.keep(kept)
            if generators is not None:
                generators = [generators[i] for i in kept.tolist()]
    if on_step is not None:
        on_step(total, total)
    return written[:, :used]


def _chosen(logits: Tensor, generators: Sequence[torch.Generator] | None, top_k: int) -> Tensor:
    """The next token of each row, ``[B]``."""
    if generators is None:
        return torch.argmax(logits, dim=-1)
    return draw(top_k_probabilities(logits, top_k), generators)
