"""What the lab trains, samples and scores, and the draws that all models share."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from backend.errors import InvalidRequest
from backend.motion.io.atomic import atomic_path
from backend.training.data.dataset import Item, MotionDataset
from backend.training.data.text_cache import CaptionEmbeddings

CONDITIONINGS = ("in_context", "adaln", "cross_attention")
NETWORK: dict[str, Any] = {
    "width": 160,
    "depth": 4,
    "heads": 5,
    "patch_frames": 4,
    "stem_width": 64,
    "adaln_rank": 32,
    "side_words": True,
    "max_frames": 196,
}
REFERENCES_EACH = 8
"""Training recordings of the same label that stand for each validation recording."""


@dataclass(frozen=True)
class Plan:
    """One lab: every result in a run directory belongs to exactly one plan.

    ``samplers`` are ``(name, steps)``; ``nearest`` is k of PRDC; ``network`` is the part of
    ``DiTConfig`` that the three models share.
    """

    steps: int = 1350
    frames_per_batch: int = 2560
    lr: float = 1.2e-3
    warmup: int = 100
    runs: int = 10
    samples: int = 64
    gallery: int = 32
    nearest: int = 5
    guidance: float = 2.5
    samplers: tuple[tuple[str, int], ...] = (("ddpm", 50), ("ddim", 50), ("ddim", 25))
    seed: int = 0
    network: dict[str, Any] = field(default_factory=lambda: dict(NETWORK))

    def models(self) -> list[tuple[str, str, int]]:
        """Conditioning, sampler and steps of every row of the table."""
        return [(c, name, steps) for c in CONDITIONINGS for name, steps in self.samplers]

    def claim(self, folder: Path) -> None:
        """Write ``plan.json``, or check that the one there is the same.

        Raises:
            InvalidRequest: the folder holds results of another plan.
        """
        path = folder / "plan.json"
        mine = json.loads(json.dumps(asdict(self)))
        if path.is_file():
            if json.loads(path.read_text(encoding="utf-8")) != mine:
                raise InvalidRequest(
                    f"{folder} holds results of another plan.",
                    "Give the options of that lab again, or another --run folder.",
                )
            return
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            Path(temporary).write_text(json.dumps(mine, indent=1), encoding="utf-8")


@dataclass(frozen=True)
class Draw:
    """One run: validation items, one caption for each, and one training recording of each label.

    ``captions`` are rows of the caption embeddings; ``texts`` the same captions in words;
    ``reference`` items of the training split, paired with ``items``.
    """

    number: int
    items: tuple[Item, ...]
    captions: np.ndarray
    texts: tuple[str, ...]
    reference: tuple[Item, ...]


def reference_items(dataset: MotionDataset, seed: int) -> list[list[Item]]:
    """For each validation item the training recordings with its label, at most a few each.

    Whole recordings as they are (not mirrored, not sped up); where no training recording has the
    style, any style of the same action.
    """
    rng = np.random.default_rng([seed, 1])
    plain = [i for i in dataset.items if i.split == "train" and not i.mirrored and i.speed == 1.0]
    found = []
    for item in validation_items(dataset):
        same = [i for i in plain if (i.content, i.style) == (item.content, item.style)]
        same = same or [i for i in plain if i.content == item.content]
        if not same:
            raise InvalidRequest(f"No training recording shows {item.content!r}.", "")
        chosen = rng.permutation(len(same))[:REFERENCES_EACH]
        found.append([same[k] for k in chosen])
    return found


def validation_items(dataset: MotionDataset) -> list[Item]:
    """The items of the validation split."""
    return [item for item in dataset.items if item.split == "val"]


def draws(plan: Plan, dataset: MotionDataset, text: CaptionEmbeddings) -> list[Draw]:
    """The runs of a plan: ``samples`` items each, without repeats inside a run."""
    items, reference = validation_items(dataset), reference_items(dataset, plan.seed)
    if len(items) < plan.samples:
        raise InvalidRequest(
            f"The dataset has {len(items)} validation items, fewer than {plan.samples}.",
            f"Use --samples {len(items)} or fewer.",
        )
    found = []
    for number in range(plan.runs):
        rng = np.random.default_rng([plan.seed, 2, number])
        chosen = rng.permutation(len(items))[: plan.samples]
        own = [items[k] for k in chosen]
        picks = [int(rng.integers(len(dataset.pools[i.pool]))) for i in own]
        captions = [text.pool(i.pool)[p] for i, p in zip(own, picks, strict=True)]
        texts = [dataset.pools[i.pool][p] for i, p in zip(own, picks, strict=True)]
        partners = [reference[k][int(rng.integers(len(reference[k])))] for k in chosen]
        found.append(Draw(number, tuple(own), np.array(captions), tuple(texts), tuple(partners)))
    return found
