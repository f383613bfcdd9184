"""How well a sentence says what references say: BLEU, ROUGE-L, CIDEr and BERTScore.

The formulas of the COCO caption evaluation, on lower-cased words without punctuation. Sources:
Papineni et al. 2002 (BLEU), Lin 2004 (ROUGE), Vedantam et al. 2015 (CIDEr-D), Zhang et al. 2020
(BERTScore).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import ArtifactError, InvalidRequest

ORDERS = 4
_BETA = 1.2  # of ROUGE-L: recall counts this much more
_SIGMA = 6.0  # of CIDEr-D: words that lengths may differ by
_WORDS = re.compile(r"[^\W_]+(?:'[^\W_]+)?")

Words = list[str]
References = Sequence[Sequence[str]]
"""For each text, the sentences that describe the same motion."""


def words_of(text: str) -> Words:
    """Lower-cased words; punctuation is left out."""
    return _WORDS.findall(text.lower())


def _ngrams(words: Words, order: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[i:] for i in range(order)), strict=False))


def _checked(texts: Sequence[str], references: References) -> list[tuple[Words, list[Words]]]:
    if len(texts) != len(references) or not all(references):
        raise InvalidRequest(
            "Every text needs a reference of its own.", "Give as many lists of references as texts."
        )
    return [
        (words_of(text), [words_of(r) for r in own])
        for text, own in zip(texts, references, strict=True)
    ]


def bleu(texts: Sequence[str], references: References) -> list[float]:
    """Corpus BLEU-1 to BLEU-4, in 0..1, against the reference of the closest length."""
    hits, made = np.zeros(ORDERS), np.zeros(ORDERS)
    length = closest = 0
    for words, others in _checked(texts, references):
        length += len(words)
        closest += min((abs(len(o) - len(words)), len(o)) for o in others)[1]
        for order in range(1, ORDERS + 1):
            found = _ngrams(words, order)
            allowed: Counter[tuple[str, ...]] = Counter()
            for other in others:
                allowed |= _ngrams(other, order)
            hits[order - 1] += sum((found & allowed).values())
            made[order - 1] += sum(found.values())
    if not length:
        return [0.0] * ORDERS
    penalty = min(1.0, math.exp(1.0 - closest / length))
    with np.errstate(divide="ignore"):
        logs = np.log(hits / np.maximum(made, 1.0))
    return [float(penalty * np.exp(logs[:n].mean())) for n in range(1, ORDERS + 1)]


def rouge_l(texts: Sequence[str], references: References) -> float:
    """Mean over texts of the F-value of the longest common subsequence, in 0..1."""
    values = []
    for words, others in _checked(texts, references):
        common = [_common(words, other) for other in others]
        precision = max(c / max(len(words), 1) for c in common)
        recall = max(c / max(len(o), 1) for c, o in zip(common, others, strict=True))
        total = recall + _BETA**2 * precision
        values.append((1 + _BETA**2) * precision * recall / total if total else 0.0)
    return float(np.mean(values))


def _common(a: Words, b: Words) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(b) + 1)
    for word in a:
        before = 0
        for j, other in enumerate(b, 1):
            kept = row[j]
            row[j] = before + 1 if word == other else max(row[j], row[j - 1])
            before = kept
    return row[-1]


def cider(texts: Sequence[str], references: References) -> float:
    """CIDEr-D: mean over texts, n-grams of 1 to 4 and references of weighted cosines, times 10.

    An n-gram weighs the less the more motions' references hold it, so the value belongs to its set.
    """
    pairs = _checked(texts, references)
    seen: Counter[tuple[str, ...]] = Counter()
    for _, others in pairs:
        seen.update({g for o in others for n in range(1, ORDERS + 1) for g in _ngrams(o, n)})
    every = math.log(len(pairs))

    def vector(words: Words, order: int) -> dict[tuple[str, ...], float]:
        counts = _ngrams(words, order)
        return {g: c * (every - math.log(max(seen[g], 1))) for g, c in counts.items()}

    scores = []
    for words, others in pairs:
        score = 0.0
        for order in range(1, ORDERS + 1):
            own = vector(words, order)
            length = math.sqrt(sum(v * v for v in own.values()))
            for other in others:
                theirs = vector(other, order)
                size = math.sqrt(sum(v * v for v in theirs.values()))
                shared = sum(
                    min(v, theirs.get(g, 0.0)) * theirs.get(g, 0.0) for g, v in own.items()
                )
                if length and size:
                    gap = len(words) - len(other)
                    score += shared / (length * size) * math.exp(-(gap**2) / (2 * _SIGMA**2))
        scores.append(10.0 * score / ORDERS / len(others))
    return float(np.mean(scores))


class BertScore:
    """Token states of a BERT-like encoder from a local folder; best match of every word.

    F-values in 0..1 (the states' own scale: no weights by rarity, no baseline), the best reference
    of each text counts. Which encoder and layer decides the values, so both belong beside them.
    """

    def __init__(self, folder: str | Path, *, device: str | None = None) -> None:
        """Load a folder in Hugging Face's layout; nothing is fetched.

        Raises:
            ArtifactError: no encoder there.
        """
        from transformers import AutoModel, AutoTokenizer

        from ..text.panics import panics_are_errors

        try:
            with panics_are_errors():
                self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            self._model = AutoModel.from_pretrained(
                folder, local_files_only=True, use_safetensors=True
            )
        except Exception as error:  # transformers raises many kinds for a damaged folder
            raise ArtifactError(
                f"{folder} holds no text encoder for BERTScore.",
                "Give a folder with config.json, model.safetensors and a tokenizer.",
                str(error),
            ) from error
        self._model = self._model.to(device or "cpu").eval()

    def __call__(self, texts: Sequence[str], references: References) -> float:
        """Mean over texts."""
        return float(
            np.mean(
                [
                    max(self._pair(self._states(text), self._states(other)) for other in own)
                    for text, own in zip(texts, references, strict=True)
                ]
            )
        )

    @staticmethod
    def _pair(a: np.ndarray, b: np.ndarray) -> float:
        if not len(a) or not len(b):
            return 0.0
        similarity = a @ b.T
        precision, recall = similarity.max(1).mean(), similarity.max(0).mean()
        total = precision + recall
        return float(2 * precision * recall / total) if total > 0 else 0.0

    def _states(self, text: str) -> np.ndarray:
        """Unit states ``[words, D]`` of the last layer, without the marks at both ends."""
        import torch

        made = self._tokenizer(
            [text], return_tensors="pt", truncation=True, return_special_tokens_mask=True
        )
        inner = ~made.pop("special_tokens_mask")[0].bool()
        with torch.inference_mode():
            states = self._model(**made.to(self._model.device)).last_hidden_state[0]
        x = states[inner].float().cpu().numpy().astype(np.float64)
        return x / np.linalg.norm(x, axis=-1, keepdims=True).clip(1e-12)
