"""What a network is told about each training example, and what is kept from it.

At inference only some of it is known: a prompt names an action but no tempo, or says something
that no classifier can place. So each part is left out of some examples, and labels are blurred.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..data.batches import Batch


@dataclass(frozen=True)
class ConditionConfig:
    """Shares of the examples in which parts are left out or blurred.

    ``text`` leaves only labels and numbers, ``labels`` only text and numbers. ``mixed`` gives part
    of the label's weight to another one. ``controls`` hides all numbers; else each is shown with a
    chance that is itself drawn, from never to always.
    """

    text: float = 0.1
    labels: float = 0.3
    mixed: float = 0.1
    styles: float = 0.3
    controls: float = 0.35
    sentence_noise: float = 0.01


def condition_of(
    batch: Batch, config: ConditionConfig, generator: torch.Generator
) -> dict[str, Tensor]:
    """``y`` of ``models.dit`` for a batch of a conditioned sampler, on the generator's device."""
    device = generator.device
    rows = len(batch.x)

    def chance(share: float) -> Tensor:
        return torch.rand(rows, device=device, generator=generator) < share

    y = {name: torch.from_numpy(value).to(device) for name, value in batch.wishes.items()}
    y["lengths"] = torch.from_numpy(batch.lengths).to(device)
    sentence = torch.from_numpy(batch.sentence).to(device)
    noise = torch.randn(sentence.shape, device=device, generator=generator)
    wordless, nameless = chance(config.text), chance(config.labels)
    wordless &= ~nameless
    y["sentence"] = (sentence + config.sentence_noise * noise).masked_fill(wordless[:, None], 0.0)
    y["token_mask"] = y["token_mask"] & ~wordless[:, None]
    y["sides"] = torch.from_numpy(batch.sides).to(device)
    y["actions"] = torch.from_numpy(batch.actions).to(device)
    y["labels"] = _blurred(y["labels"], chance(config.mixed), generator)
    y["labels"] = y["labels"].masked_fill(nameless[:, None], 0.0)
    y["styles"] = y["styles"].masked_fill(chance(config.styles)[:, None], 0.0)
    shown = torch.rand(rows, 1, device=device, generator=generator)
    shown = shown.masked_fill(chance(config.controls)[:, None], 0.0)
    seen = torch.rand(y["controls_known"].shape, device=device, generator=generator) < shown
    y["controls_known"] = y["controls_known"] * seen
    y["controls"] = y["controls"] * y["controls_known"]
    return y


def _blurred(labels: Tensor, mixed: Tensor, generator: torch.Generator) -> Tensor:
    """Weights 0.6 to 1 of the true label; where ``mixed``, what is missing goes to another one."""
    rows, count = labels.shape
    kept = 0.6 + 0.4 * torch.rand(rows, 1, device=labels.device, generator=generator)
    other = torch.randint(count, (rows,), device=labels.device, generator=generator)
    blurred = labels * kept
    rest = (1 - kept[:, 0]) * mixed
    blurred[torch.arange(rows, device=labels.device), other] += rest
    return blurred
