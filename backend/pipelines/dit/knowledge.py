"""What a model was trained on, so that a prompt far from all of it gets a visible warning.

``knowledge.safetensors`` holds sentence embeddings of known captions (``embeddings`` [K, D] int8,
scaled to length 1 when read) and the label of each (``rows`` [K]); ``knowledge.json`` holds the
labels, the stems of the captions' words, the score below which a prompt counts as unknown, and how
that threshold was found. The score is the best cosine to a known caption, less a share of
:data:`STRANGE_WORDS_COST` for words that no caption holds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from ...errors import ArtifactError
from ...store import model_folder
from .prompt_words import known_stems, unknown_share

TENSORS = "knowledge.safetensors"
HEADER = "knowledge.json"
KNOWLEDGE_FILES = (TENSORS, HEADER)
CALIBRATION_PROMPTS = Path(__file__).with_name("knowledge_prompts.json")
CAPTIONS_PER_LABEL = 48
SHOWN_LABELS = 5
STRANGE_WORDS_COST = 0.4
"""By how much the score of a prompt falls when none of its words is in a caption."""


class SentenceEncoder(Protocol):
    """What this module needs of a text encoder."""

    def encode(self, texts: Sequence[str]) -> Any:
        """An object whose ``sentence`` is ``[B, D]``, rows of length 1."""


@dataclass(frozen=True)
class Knowledge:
    """Embeddings of known captions.

    Attributes:
        embeddings: ``[K, D]`` float32, rows of length 1.
        rows: ``[K]`` index into ``labels``.
        labels: what people read ("walk", "bow"); several rows share one.
        threshold: a prompt whose score (:meth:`score`) is below it is unknown.
        calibration: error rates of the threshold on prompts with known answers.
        stems: of the words in the captions; words do not count when empty (older models).
    """

    embeddings: np.ndarray
    rows: np.ndarray
    labels: tuple[str, ...]
    threshold: float = 0.5
    calibration: dict[str, Any] = field(default_factory=dict)
    stems: frozenset[str] = frozenset()

    def scores(self, sentences: np.ndarray) -> np.ndarray:
        """Best cosine of each of ``[B, D]`` sentences to any known caption, ``[B]``."""
        return (np.asarray(sentences, np.float32) @ self.embeddings.T).max(axis=1)

    def strangeness(self, prompts: Sequence[str]) -> np.ndarray:
        """What the words of each prompt that no caption holds take off its score, ``[B]``."""
        if not self.stems:
            return np.zeros(len(prompts))
        return STRANGE_WORDS_COST * np.array([unknown_share(p, self.stems) for p in prompts])

    def score(self, prompt: str, sentence: np.ndarray) -> float:
        """Best cosine of the sentence ``[D]`` less what strange words of the prompt cost."""
        return float(self.scores(np.asarray(sentence)[None])[0] - self.strangeness([prompt])[0])

    def nearest(self, sentence: np.ndarray, count: int = SHOWN_LABELS) -> list[tuple[str, float]]:
        """The labels nearest to a sentence ``[D]`` with their best cosines, nearest first."""
        cosines = self.embeddings @ np.asarray(sentence, np.float32)
        best = np.full(len(self.labels), -np.inf, np.float32)
        np.maximum.at(best, self.rows, cosines)
        order = np.argsort(-best, kind="stable")[:count]
        return [(self.labels[i], float(best[i])) for i in order]

    def warning(self, prompt: str, sentence: np.ndarray, model: str = "") -> str | None:
        """A sentence for the person who typed ``prompt``, or None when the model knows it."""
        near = self.nearest(sentence)
        if self.score(prompt, sentence) >= self.threshold:
            return None
        who = f"The model {model!r}" if model else "The model"
        shown = prompt if len(prompt) <= 80 else prompt[:77] + "…"
        things = ", ".join(label for label, _ in near)
        return f"{who} may not know “{shown}”; nearest things it knows: {things}."

    def calibrated(
        self,
        near: np.ndarray,
        far: np.ndarray,
        near_prompts: Sequence[str] = (),
        far_prompts: Sequence[str] = (),
    ) -> Knowledge:
        """With the threshold that errs least on known (``near``) and unknown (``far``) sentences.

        Both are ``[N, D]``; their texts are needed where words count. ``calibration`` gets the
        share of near prompts that are warned about, of far prompts that are not, and the same when
        each half is judged by the threshold of the other half.
        """
        near_scores, far_scores = self.scores(near), self.scores(far)
        if self.stems:
            near_scores = near_scores - self.strangeness(near_prompts)
            far_scores = far_scores - self.strangeness(far_prompts)
        threshold = _best_threshold(near_scores, far_scores)
        halves = [
            _error_rates(
                near_scores[1 - k :: 2],
                far_scores[1 - k :: 2],
                _best_threshold(near_scores[k::2], far_scores[k::2]),
            )
            for k in (0, 1)
        ]
        false_alarms, misses = _error_rates(near_scores, far_scores, threshold)
        calibration = {
            "known_prompts": len(near_scores),
            "unknown_prompts": len(far_scores),
            "false_alarms": round(false_alarms, 4),
            "misses": round(misses, 4),
            "held_out_false_alarms": round(float(np.mean([h[0] for h in halves])), 4),
            "held_out_misses": round(float(np.mean([h[1] for h in halves])), 4),
        }
        return replace(self, threshold=threshold, calibration=calibration)

    def save(self, folder: str | Path) -> None:
        """Write both files into a model folder."""
        folder = Path(folder)
        tensors = {
            "embeddings": torch.from_numpy(_to_int8(self.embeddings)),
            "rows": torch.from_numpy(self.rows.astype(np.int32)),
        }
        model_folder.save_tensors(folder / TENSORS, tensors)
        header = {
            "labels": list(self.labels),
            "threshold": self.threshold,
            "calibration": self.calibration,
            "stems": sorted(self.stems),
        }
        model_folder.write_json(folder / HEADER, header)

    @classmethod
    def load(cls, folder: str | Path) -> Knowledge:
        """Read both files.

        Raises:
            ArtifactError: one is missing or damaged, or they do not fit each other.
        """
        folder = Path(folder)
        header = model_folder.read_json(folder / HEADER)
        tensors = model_folder.load_tensors(folder / TENSORS)
        try:
            embeddings, rows = _unit(tensors["embeddings"].numpy()), tensors["rows"].numpy()
            labels = tuple(str(label) for label in header["labels"])
            found = cls(
                embeddings,
                rows,
                labels,
                float(header["threshold"]),
                dict(header["calibration"]),
                frozenset(str(s) for s in header.get("stems", ())),
            )
            fits = embeddings.ndim == 2 and rows.shape == (len(embeddings),) and len(rows) > 0
            fits = fits and rows.min() >= 0 and rows.max() < len(labels)
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(
                f"{folder / HEADER} is incomplete: {error}.", "Copy or download the model again."
            ) from error
        if not fits:
            raise ArtifactError(
                f"{folder / TENSORS} does not fit {HEADER}: embeddings {list(embeddings.shape)}, "
                f"rows {list(rows.shape)}, {len(labels)} labels.",
                model_folder.COPY_HINT,
            )
        return found


def build_knowledge(
    captions: Mapping[str, Sequence[str]],
    encoder: SentenceEncoder,
    *,
    per_label: int = CAPTIONS_PER_LABEL,
    prompts: Path = CALIBRATION_PROMPTS,
) -> Knowledge:
    """Embed captions, keep a spread-out few per label, and calibrate the threshold.

    Args:
        captions: label that people read ("wave with both hands") to captions of that action, in
            all styles.
        prompts: JSON with lists ``near`` (known actions in other words) and ``far``.
    """
    kept, rows = [], []
    for index, texts in enumerate(captions.values()):
        embeddings = encoder.encode(list(dict.fromkeys(texts))).sentence.cpu().numpy()
        chosen = spread(embeddings, per_label)
        kept.append(embeddings[chosen])
        rows += [index] * len(chosen)
    # calibrated with what will be read back from the file
    embeddings = _unit(_to_int8(np.concatenate(kept)))
    stems = known_stems(dict.fromkeys(text for texts in captions.values() for text in texts))
    knowledge = Knowledge(embeddings, np.array(rows, np.int32), tuple(captions), stems=stems)
    with prompts.open(encoding="utf-8") as stream:
        lists = json.load(stream)
    near, far = (encoder.encode(lists[k]).sentence.cpu().numpy() for k in ("near", "far"))
    return knowledge.calibrated(near, far, lists["near"], lists["far"])


def spread(embeddings: np.ndarray, count: int) -> list[int]:
    """Indices of up to ``count`` rows of ``[N, D]`` that are far from each other.

    Farthest-point selection by cosine, beginning with the row nearest to the mean.
    """
    if len(embeddings) <= count:
        return list(range(len(embeddings)))
    chosen = [int((embeddings @ embeddings.mean(axis=0)).argmax())]
    closest = embeddings @ embeddings[chosen[0]]
    while len(chosen) < count:
        chosen.append(int(closest.argmin()))
        closest = np.maximum(closest, embeddings @ embeddings[chosen[-1]])
    return chosen


def _to_int8(embeddings: np.ndarray) -> np.ndarray:
    """Rows scaled to the int8 range; their direction is off by less than half a degree."""
    scale = 127.0 / np.abs(embeddings).max(axis=-1, keepdims=True).clip(min=1e-12)
    return np.ascontiguousarray(np.rint(embeddings * scale).astype(np.int8))


def _unit(rows: np.ndarray) -> np.ndarray:
    rows = rows.astype(np.float32)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True).clip(min=1e-12)


def _error_rates(near: np.ndarray, far: np.ndarray, threshold: float) -> tuple[float, float]:
    """Share of near scores below the threshold, and of far scores not below it."""
    return float((near < threshold).mean()), float((far >= threshold).mean())


def _best_threshold(near: np.ndarray, far: np.ndarray) -> float:
    """The middle between two neighbouring scores that gives the smallest sum of error rates."""
    values = np.unique(np.concatenate([near, far]))
    middles = (values[:-1] + values[1:]) / 2 if len(values) > 1 else values
    errors = [sum(_error_rates(near, far, float(t))) for t in middles]
    best = np.flatnonzero(np.isclose(errors, np.min(errors)))
    return float(middles[best[len(best) // 2]])
