"""Training of the classifier of motions on the real clips of a dataset folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...models import motion_classifier
from ...models.motion_classifier import MotionClassifier, collate, predict
from ...models.motion_classifier.inputs import expand
from ...pipelines.dit.judge import JUDGE
from ...store.options import option
from ...wire import limits
from ..data.dataset import MotionDataset
from ..recipe import Recipe, Setting, Sources
from .takes import ActionTake, draw, load_takes

EXAMPLES = 8
"""Batches that are drawn together and then sorted by length, so that little of them is padding."""
_RARE = -0.8
"""Power of a label's clips by which each of them is drawn."""


@dataclass(frozen=True)
class JudgeConfig:
    """One run; ``shaken`` adds noise of up to 1.2 cm to the joints."""

    batch: int = option(40, "clips of a batch", low=2, high=4096)
    lr: float = option(2e-3, "learning rate", above=0, high=1.0)
    weight_decay: float = 0.05
    smoothing: float = 0.05
    shaken: bool = True
    clip: float = 1.0
    steps: int = option(1200, "steps", low=1, high=10**7)
    minutes: float | None = option(None, "wall-clock budget, in place of steps", above=0, high=1e6)
    seed: int = option(0, "of weights and draws", low=limits.MIN_SEED, high=limits.MAX_SEED)


class JudgeRecipe(Recipe):
    """A small convolutional network that says which label a motion shows."""

    about = "train a classifier of motions that looks at what a model made"
    config_class, sources_class = JudgeConfig, Sources
    fixed = ()
    log_steps = 100
    save_seconds = 120.0

    def __init__(
        self,
        config: JudgeConfig,
        takes: Sequence[ActionTake],
        held_out: Sequence[ActionTake] = (),
        *,
        device: str | torch.device = "cpu",
    ) -> None:
        super().__init__(config, device=device)
        self.takes, self.held_out = takes, held_out
        self.net: MotionClassifier = MotionClassifier(sorted({t.label for t in takes}))
        rows = np.concatenate([expand(t.x) for t in takes])
        self.net.mean.copy_(torch.from_numpy(rows.mean(0)))
        self.net.scale.copy_(torch.from_numpy(rows.std(0) + 1e-3))
        self.net.to(self.device)
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(), config.lr, weight_decay=config.weight_decay
        )
        self._rng = np.random.default_rng(config.seed)
        self._ready: list[tuple[list[np.ndarray], list[int]]] = []
        self._loss = torch.nn.CrossEntropyLoss(label_smoothing=config.smoothing)
        counts = Counter(t.label for t in takes)
        weights = np.array([counts[t.label] ** _RARE for t in takes])
        self._weights = weights / weights.sum()
        self.summary = f"{len(takes)} clips of {len(counts)} labels"

    @classmethod
    def open(cls, config: JudgeConfig, sources: Sources, setting: Setting) -> JudgeRecipe:
        """Read the dataset folder; its validation clips are what it is measured on."""
        dataset = MotionDataset.load(sources.data)
        takes, held_out = load_takes(dataset, "train"), load_takes(dataset, "val")
        return cls(config, takes, held_out, device=setting.device)

    def rate(self, step: int, share: float) -> float:
        """Up over three tenths of the budget, then down, each along a cosine."""
        rise = share / 0.3 if share < 0.3 else 1 - (share - 0.3) / 0.7
        return float(self.config.lr * (0.04 + 0.96 * 0.5 * (1 - np.cos(np.pi * rise))))

    def batch(self, step: int) -> tuple[list[np.ndarray], list[int]]:
        """Clips ``[T_i, 73]`` of about one length, and the rows of their labels."""
        if not self._ready:
            c, index = self.config, {name: i for i, name in enumerate(self.net.labels)}
            picks = self._rng.choice(len(self.takes), EXAMPLES * c.batch, p=self._weights)
            takes = [self.takes[i] for i in picks]
            drawn = [(draw(t, self._rng, shaken=c.shaken), index[t.label]) for t in takes]
            drawn.sort(key=lambda pair: len(pair[0]))
            for group in self._rng.permutation(EXAMPLES):
                part = drawn[group * c.batch : (group + 1) * c.batch]
                self._ready.append(([x for x, _ in part], [label for _, label in part]))
        return self._ready.pop()

    def step(self, batch: tuple[list[np.ndarray], list[int]]) -> dict[str, Tensor]:
        """Cross-entropy with smoothed labels."""
        clips, targets = batch
        x, mask = collate(clips)
        _, logits = self.net(x.to(self.device), mask.to(self.device))
        return {"loss": self._loss(logits, torch.tensor(targets, device=self.device))}

    def state(self) -> dict[str, Any]:
        """Where the draws are."""
        return {"rng": self._rng.bit_generator.state}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """The draws go on where they were."""
        if "rng" in state:
            self._rng.bit_generator.state = state["rng"]
        self._ready = []

    def finish(self, folder: Path) -> None:
        """The classifier for use."""
        motion_classifier.save(self.net, folder / JUDGE, half=True)

    def report(self) -> str:
        """How many of the held-out clips it recognises."""
        known = [t for t in self.held_out if t.label in self.net.labels]
        if not known:
            return ""
        found = predict(self.net, [t.x for t in known]).names
        right = sum(a.label == b for a, b in zip(known, found, strict=True))
        return f"{right} of {len(known)} held-out clips recognised"
