"""Trains the small networks that tell which action a phrase asks for (``kinetype train words``)."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from ...text.prompts.action_words import SCALE, ActionWords
from ...text.prompts.cores import core_of
from ...text.prompts.heads import tokens
from .bank import OTHERS, PHRASES, cores, read_bank, sentences

_log = logging.getLogger(__name__)
Item = TypeVar("Item")


@dataclass(frozen=True)
class WordsConfig:
    """How the networks are trained.

    Attributes:
        networks: how many are averaged. hidden: width of each.
        steps, batch, rate, decay, drop: of AdamW on a one-cycle rate, and dropout.
        noise: standard deviation added to each coordinate of a sentence vector.
        others: share of a batch that asks for something without a label.
    """

    networks: int = 3
    hidden: int = 256
    steps: int = 2400
    batch: int = 256
    rate: float = 4e-3
    decay: float = 0.02
    drop: float = 0.2
    noise: float = 0.02
    others: float = 0.5
    seed: int = 0


@dataclass(frozen=True)
class Examples:
    """Cores with what they ask for: ``targets`` [N, L + 1], rows sum to 1, the last is "none"."""

    texts: tuple[str, ...]
    targets: np.ndarray
    labels: tuple[str, ...]

    def without(self, drop: Callable[[str], bool]) -> Examples:
        """The examples whose text ``drop`` does not name."""
        keep = [i for i, text in enumerate(self.texts) if not drop(text)]
        return Examples(tuple(self.texts[i] for i in keep), self.targets[keep], self.labels)


def examples(
    captions: Mapping[str, Iterable[str]] | None = None,
    *,
    phrases: Path = PHRASES,
    others: Path = OTHERS,
) -> Examples:
    """Cores of the phrase bank and of ``captions`` (label to sentences).

    A label that only the captions name becomes one of its own. A core that several labels have
    asks for each of them; what a label has is never "none".
    """
    found: dict[str, list[str]] = {
        name: cores(ps) for name, ps in read_bank(phrases, "labels").items()
    }
    for label, texts in (captions or {}).items():
        own = found.setdefault(label, [])
        own += [c for c in dict.fromkeys(core_of(t).text for t in texts) if c not in set(own)]
    none = [c for texts in read_bank(others, "fields").values() for c in cores(texts)]
    labels = tuple(sorted(found))
    index = {text: i for i, text in enumerate(dict.fromkeys([*_all(found.values()), *none]))}
    targets = np.zeros((len(index), len(labels) + 1), np.float32)
    for column, label in enumerate(labels):
        for text in found[label]:
            targets[index[text], column] = 1.0
    targets[targets.sum(axis=1) == 0, -1] = 1.0
    return Examples(tuple(index), targets / targets.sum(axis=1, keepdims=True), labels)


def _all(groups: Iterable[Iterable[Item]]) -> list[Item]:
    return [item for group in groups for item in group]


def encode(texts: Sequence[str], encoder: Any, chunk: int = 512) -> Tensor:
    """Sentence vectors ``[N, D]`` float32 on the CPU."""
    rows = [
        encoder.encode(list(texts[i : i + chunk])).sentence.cpu()
        for i in range(0, len(texts), chunk)
    ]
    return torch.cat(rows)


def fit(vectors: Tensor, targets: Tensor, config: WordsConfig) -> dict[str, Tensor]:
    """Train the networks on ``vectors`` [N, D] and ``targets`` [N, L + 1]; their weights."""
    chance = _chances(targets, config.others)
    nets = [
        _fit_one(vectors, targets, chance, config, config.seed + k) for k in range(config.networks)
    ]
    hidden = [cast(nn.Linear, n[0]) for n in nets]
    out = [cast(nn.Linear, n[3]) for n in nets]
    return {
        "hidden.weight": torch.stack([layer.weight.detach() for layer in hidden]),
        "hidden.bias": torch.stack([layer.bias.detach() for layer in hidden]),
        "out.weight": torch.stack([layer.weight.detach() for layer in out]),
        "out.bias": torch.stack([layer.bias.detach() for layer in out]),
    }


def _chances(targets: Tensor, others: float) -> Tensor:
    """How often each example is drawn: rare labels more often, "none" for a fixed share."""
    none = targets[:, -1] > 0
    rarity = (targets / targets.sum(dim=0).clamp(min=1).sqrt()).sum(dim=1)
    rarity[none] = 0.0
    chance = rarity / rarity.sum() * (1 - others)
    chance[none] = others / none.sum().clamp(min=1)
    return chance


def _fit_one(
    vectors: Tensor, targets: Tensor, chance: Tensor, c: WordsConfig, seed: int
) -> nn.Sequential:
    rng = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = nn.Sequential(
            nn.Linear(vectors.shape[1], c.hidden),
            nn.GELU(),
            nn.Dropout(c.drop),
            nn.Linear(c.hidden, targets.shape[1]),
        )
        optimizer = torch.optim.AdamW(net.parameters(), c.rate / 10, weight_decay=c.decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, c.rate, total_steps=c.steps)
        for step in range(c.steps):
            rows = torch.multinomial(chance, c.batch, replacement=True, generator=rng)
            x = vectors[rows]
            x = x + c.noise * torch.randn(x.shape, generator=rng)
            x = nn.functional.normalize(x, dim=-1) * SCALE
            loss = -(net(x).log_softmax(dim=-1) * targets[rows]).sum(dim=-1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            if step % 400 == 0:
                _log.info("network %d, step %d: loss %.3f", seed, step, loss.item())
    return net.eval()


def word_counts(texts: Iterable[str], least: int = 1) -> dict[str, int]:
    """Words of phrases in lower case and in how many they are."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update({t.lower() for t in tokens(text) if t[0].isalpha() and len(t) > 1})
    return {word: count for word, count in counts.items() if count >= least}


def train_words(
    captions: Mapping[str, Sequence[str]] | None,
    known: Sequence[str] | None,
    encoder: Any,
    config: WordsConfig = WordsConfig(),
    *,
    leave_out: Callable[[str], bool] | None = None,
) -> ActionWords:
    """Teach the phrase bank and the captions of a data set.

    Args:
        captions: label to sentences of the motion data; None for the bank alone.
        known: labels that the motion model can make; None for every label.
        encoder: of sentences (MiniLM).
        leave_out: texts of cores that are not to be trained on.
    """
    data = examples(captions)
    if leave_out is not None:
        data = data.without(leave_out)
    weights = fit(encode(data.texts, encoder), torch.from_numpy(data.targets), config)
    rng = np.random.default_rng(config.seed)
    bank = [
        *_all(read_bank(PHRASES, "labels").values()),
        *_all(read_bank(OTHERS, "fields").values()),
    ]
    spoken = [*(p.text for p in bank), *(sentences(p, rng) for p in bank)]
    spoken += _all((captions or {}).values())
    usable = data.labels if known is None else [n for n in known if n in data.labels]
    return ActionWords(weights, data.labels, frozenset(usable), word_counts(spoken))
