"""Sentence embeddings of every caption, computed once before training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import FormatError
from ...text.actions import named_actions
from ...text.minilm import MiniLMEncoder
from ...text.sides import named_sides
from .dataset import read_arrays, write_arrays

_BATCH = 128


@dataclass(frozen=True)
class CaptionEmbeddings:
    """Of K distinct sentences, float32: ``sentence`` [K, 384], ``sides`` [K, 2] (``text.sides``)
    and ``actions`` [K, 16] (``text.actions``).

    Pool ``p`` owns ``rows[starts[p]:starts[p + 1]]``.
    """

    sentence: np.ndarray
    sides: np.ndarray
    actions: np.ndarray
    rows: np.ndarray
    starts: np.ndarray

    def pool(self, index: int) -> np.ndarray:
        """Row numbers of one pool."""
        return self.rows[self.starts[index] : self.starts[index + 1]]


def embed_captions(
    pools: Sequence[Sequence[str]], on_batch: Callable[[int, int], None] | None = None
) -> CaptionEmbeddings:
    """Encode the distinct sentences of ``pools`` with MiniLM."""
    order: dict[str, int] = {}
    rows = [order.setdefault(s, len(order)) for pool in pools for s in pool]
    texts = list(order)
    # similar lengths together: padding is most of the cost otherwise
    by_length = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    encoder = MiniLMEncoder.load(local_files_only=True)
    sentence = np.zeros((len(texts), 384), np.float32)
    for start in range(0, len(texts), _BATCH):
        index = by_length[start : start + _BATCH]
        sentence[index] = encoder.encode([texts[i] for i in index]).sentence.numpy()
        if on_batch is not None:
            on_batch(min(start + _BATCH, len(texts)), len(texts))
    starts = np.cumsum([0] + [len(p) for p in pools])
    flags = named_sides(texts).numpy(), named_actions(texts).numpy()
    return CaptionEmbeddings(sentence, *flags, np.array(rows, np.int64), starts.astype(np.int64))


def save(embeddings: CaptionEmbeddings, folder: Path) -> None:
    """Write ``text.safetensors`` into a dataset folder."""
    arrays = {
        "sentence": embeddings.sentence,
        "sides": embeddings.sides,
        "actions": embeddings.actions,
        "pool_rows": embeddings.rows,
        "pool_starts": embeddings.starts,
    }
    write_arrays(folder / "text.safetensors", arrays)


def load(folder: Path) -> CaptionEmbeddings:
    """Read ``text.safetensors`` of a dataset folder."""
    arrays = read_arrays(folder / "text.safetensors")
    names = ("sentence", "sides", "actions", "pool_rows", "pool_starts")
    if missing := [name for name in names if name not in arrays]:
        raise FormatError(
            f"{folder / 'text.safetensors'} lacks {', '.join(missing)}.",
            "Make the dataset with: kinetype train data.",
        )
    return CaptionEmbeddings(*(arrays[name] for name in names))
