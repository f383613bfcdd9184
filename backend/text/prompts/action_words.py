"""Which action a phrase asks for: a small network on the sentence vector of its core.

``words.safetensors`` holds a few equal networks whose answers are averaged (``hidden.weight``
[K, H, D], ``hidden.bias`` [K, H], ``out.weight`` [K, L+1, H], ``out.bias`` [K, L+1]);
``words.json`` holds the labels in their order, the labels that the model of this folder can make,
known words with how common they are, the probability below which a phrase counts as unknown, and
how it was measured. The last output is "none of these".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...errors import ArtifactError
from ...store import model_folder

TENSORS = "words.safetensors"
HEADER = "words.json"
WORDS_FILES = (TENSORS, HEADER)
SCALE = 8.0
"""Sentence vectors have length 1; the networks were trained on them times this."""
NAMES = ("hidden.weight", "hidden.bias", "out.weight", "out.bias")


@dataclass(frozen=True)
class ActionWords:
    """The networks of a model folder, with what they were taught.

    Attributes:
        weights: the four tensors above, float32.
        labels: every label the networks tell apart.
        known: those that the model of the folder was trained to make.
        counts: known words and in how many phrases they are.
        threshold: below this probability of having any label a phrase is unknown.
        measured: rates on phrases that were held out.
    """

    weights: dict[str, Tensor]
    labels: tuple[str, ...]
    known: frozenset[str]
    counts: Mapping[str, int] = field(default_factory=dict)
    threshold: float = 0.5
    measured: Mapping[str, Any] = field(default_factory=dict)

    @property
    def parameters(self) -> int:
        """How many numbers the networks have."""
        return sum(t.numel() for t in self.weights.values())

    @torch.no_grad()
    def probabilities(self, sentences: Tensor) -> Tensor:
        """``[B, L + 1]`` for sentence vectors ``[B, D]`` of length 1; the last is "none"."""
        w = self.weights
        x = sentences.to("cpu", torch.float32) * SCALE
        hidden = torch.einsum("khd,bd->kbh", w["hidden.weight"], x) + w["hidden.bias"][:, None]
        hidden = torch.nn.functional.gelu(hidden)
        out = torch.einsum("klh,kbh->kbl", w["out.weight"], hidden) + w["out.bias"][:, None]
        return out.softmax(dim=-1).mean(dim=0)

    def save(self, folder: str | Path) -> None:
        """Write both files into a model folder, weights as float16."""
        folder = Path(folder)
        model_folder.save_tensors(folder / TENSORS, self.weights, dtype=torch.float16)
        model_folder.write_json(
            folder / HEADER,
            {
                "labels": list(self.labels),
                "known": sorted(self.known),
                "threshold": self.threshold,
                "measured": dict(self.measured),
                "counts": dict(sorted(self.counts.items())),
            },
        )

    @classmethod
    def load(cls, folder: str | Path) -> ActionWords:
        """Read both files.

        Raises:
            ArtifactError: one is missing or damaged, or they do not fit each other.
        """
        folder = Path(folder)
        header = model_folder.read_json(folder / HEADER)
        tensors = model_folder.load_tensors(folder / TENSORS)
        try:
            found = cls(
                {name: tensors[name].float() for name in NAMES},
                tuple(str(label) for label in header["labels"]),
                frozenset(str(label) for label in header["known"]),
                {str(word): int(count) for word, count in header["counts"].items()},
                float(header["threshold"]),
                dict(header.get("measured", {})),
            )
            fits = _fits(found.weights, len(found.labels)) and found.known <= set(found.labels)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ArtifactError(
                f"{folder / HEADER} is incomplete: {error}.", model_folder.COPY_HINT
            ) from error
        if not fits:
            shapes = {name: list(t.shape) for name, t in found.weights.items()}
            raise ArtifactError(
                f"{folder / TENSORS} does not fit {HEADER}: {shapes}, {len(found.labels)} labels.",
                model_folder.COPY_HINT,
            )
        return found


def _fits(weights: Mapping[str, Tensor], labels: int) -> bool:
    first, out = weights["hidden.weight"], weights["out.weight"]
    if first.ndim != 3 or out.ndim != 3:
        return False
    count, hidden, _ = first.shape
    return (
        tuple(weights["hidden.bias"].shape) == (count, hidden)
        and tuple(out.shape) == (count, labels + 1, hidden)
        and tuple(weights["out.bias"].shape) == (count, labels + 1)
    )


def with_known(words: ActionWords, known: Sequence[str]) -> ActionWords:
    """The same networks for a model that can make ``known``; names without a label are left out."""
    return replace(words, known=frozenset(known) & set(words.labels))
