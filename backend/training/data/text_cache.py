"""Sentence embeddings of every caption, computed once before training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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

    Pool ``p`` owns ``rows[starts[p]:starts[p + 1]]``. Sentence ``k`` has the encoder's states
    ``tokens[token_starts[k]:token_starts[k + 1]]`` ([n, 384] float16), where they were kept.
    """

    sentence: np.ndarray
    sides: np.ndarray
    actions: np.ndarray
    rows: np.ndarray
    starts: np.ndarray
    tokens: np.ndarray | None = None
    token_starts: np.ndarray | None = None

    def token_states(self, rows: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Token states ``[B, M, 384]`` float32 of sentences, zero-padded, and mask ``[B, M]``."""
        if self.tokens is None or self.token_starts is None:
            raise FormatError(
                "The dataset has no token states of its captions.",
                "Make it again with: kinetype train data.",
            )
        begins, ends = self.token_starts[list(rows)], self.token_starts[[r + 1 for r in rows]]
        sizes = ends - begins
        states = np.zeros((len(sizes), int(sizes.max()), self.tokens.shape[1]), np.float32)
        for row, (begin, end) in enumerate(zip(begins, ends, strict=True)):
            states[row, : end - begin] = self.tokens[begin:end]
        return states, np.arange(states.shape[1]) < sizes[:, None]

    def pool(self, index: int) -> np.ndarray:
        """Row numbers of one pool."""
        return self.rows[self.starts[index] : self.starts[index + 1]]


Known = tuple[np.ndarray, np.ndarray]
"""Sentence vector ``[384]`` and token states ``[n, 384]`` of a sentence."""


def sentences_of(
    pools: Sequence[Sequence[str]], embeddings: CaptionEmbeddings
) -> dict[str, Known]:
    """What a dataset's cache holds of the sentences of its pools, token states included."""
    if embeddings.tokens is None or embeddings.token_starts is None:
        return {}
    texts = dict.fromkeys(s for pool in pools for s in pool)
    spans = zip(embeddings.token_starts[:-1], embeddings.token_starts[1:], strict=True)
    return {
        text: (vector, embeddings.tokens[start:end])
        for text, vector, (start, end) in zip(texts, embeddings.sentence, spans, strict=True)
    }


def embed_captions(
    pools: Sequence[Sequence[str]],
    on_batch: Callable[[int, int], None] | None = None,
    known: Mapping[str, Known] | None = None,
) -> CaptionEmbeddings:
    """Encode the distinct sentences of ``pools`` with MiniLM, except those that are ``known``."""
    order: dict[str, int] = {}
    rows = [order.setdefault(s, len(order)) for pool in pools for s in pool]
    texts = list(order)
    known = known or {}
    sentence = np.zeros((len(texts), 384), np.float32)
    states: list[np.ndarray] = [np.zeros((0, 384), np.float16)] * len(texts)
    for i, text in enumerate(texts):
        if text in known:
            sentence[i], states[i] = known[text]
    # similar lengths together: padding is most of the cost otherwise
    by_length = sorted(
        (i for i, text in enumerate(texts) if text not in known), key=lambda i: len(texts[i])
    )
    encoder = MiniLMEncoder.load(local_files_only=True)
    for start in range(0, len(by_length), _BATCH):
        index = by_length[start : start + _BATCH]
        found = encoder.encode([texts[i] for i in index])
        sentence[index] = found.sentence.numpy()
        for i, tokens, mask in zip(index, found.tokens, found.mask, strict=True):
            states[i] = tokens[mask].numpy().astype(np.float16)
        if on_batch is not None:
            on_batch(min(start + _BATCH, len(by_length)), len(by_length))
    starts = np.cumsum([0] + [len(p) for p in pools])
    flags = named_sides(texts).numpy(), named_actions(texts).numpy()
    sizes = np.cumsum([0] + [len(s) for s in states]).astype(np.int64)
    return CaptionEmbeddings(
        sentence,
        *flags,
        np.array(rows, np.int64),
        starts.astype(np.int64),
        np.concatenate(states),
        sizes,
    )


def save(embeddings: CaptionEmbeddings, folder: Path) -> None:
    """Write ``text.safetensors`` into a dataset folder."""
    arrays = {
        "sentence": embeddings.sentence,
        "sides": embeddings.sides,
        "actions": embeddings.actions,
        "pool_rows": embeddings.rows,
        "pool_starts": embeddings.starts,
    }
    if embeddings.tokens is not None and embeddings.token_starts is not None:
        arrays |= {"tokens": embeddings.tokens, "token_starts": embeddings.token_starts}
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
    fields = {name.removeprefix("pool_"): arrays[name] for name in names}
    more = {name: arrays[name] for name in ("tokens", "token_starts") if name in arrays}
    return CaptionEmbeddings(**fields, **more)
