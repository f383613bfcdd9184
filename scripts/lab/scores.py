"""Metrics of real and generated motions, run by run, and tables with their intervals."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from backend.evaluation.distribution import frechet_distance, prdc
from backend.evaluation.evaluators import StarterEvaluator
from backend.evaluation.intervals import confidence_interval
from backend.evaluation.retrieval import r_precision, tmr_score
from backend.motion.io.atomic import atomic_path
from backend.motion.representations import smplrifke205
from backend.training.data.dataset import Item, MotionDataset, read_arrays, write_arrays
from backend.training.data.text_cache import CaptionEmbeddings

from .plan import Draw, Plan, reference_items
from .sampling import read_samples, sample_file

METRICS = ("FD_TMR", "TMR-Score", "R1", "R2", "R3", "precision", "recall", "density", "coverage")
GT, SHUFFLED, TRAINING = "real, validation", "real, captions shuffled", "real, training recordings"

Rows = dict[str, dict[str, list[float]]]


def unit(x: np.ndarray) -> np.ndarray:
    """Rows of unit length."""
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def embed_motions(evaluator: StarterEvaluator, clips: Sequence[np.ndarray]) -> np.ndarray:
    """smplrifke205 clips to unit embeddings ``[N, D]``.

    Real clips take this way too: through motion_135 at 30 fps and back, as generated ones must.
    """
    return unit(evaluator.embed_motions([smplrifke205.to_motion135(x) for x in clips]))


def embed_captions(
    evaluator: StarterEvaluator, text: CaptionEmbeddings, rows: np.ndarray
) -> np.ndarray:
    """Unit embeddings ``[N, D]`` of captions, from the sentence vectors of the dataset."""
    sentence, sides = torch.from_numpy(text.sentence[rows]), torch.from_numpy(text.sides[rows])
    with torch.inference_mode():
        return unit(evaluator.net.embed_text(sentence, sides)[0].numpy())


def scores(
    motion: np.ndarray, text: np.ndarray, pool: np.ndarray, paired: np.ndarray, plan: Plan
) -> dict[str, float]:
    """All metrics of one run; every argument holds unit embeddings.

    Args:
        motion, text: ``[N, D]``, row i belongs to row i.
        pool: ``[M, D]`` real motions for the Frechet distance.
        paired: ``[N, D]`` real motions of the same labels for PRDC.
    """
    top = r_precision(text, motion, batch=plan.gallery)
    return {
        "FD_TMR": frechet_distance(pool, motion),
        "TMR-Score": float(tmr_score(motion, text).mean()),
        **{f"R{k}": float(top[k - 1]) for k in (1, 2, 3)},
        **prdc(paired, motion, plan.nearest),
    }


class Scorer:
    """Scores rows run by run; motions of a sample file are embedded once and kept beside it."""

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        evaluator: StarterEvaluator,
        dataset: MotionDataset,
        text: CaptionEmbeddings,
        runs: Sequence[Draw],
    ) -> None:
        self.plan, self.folder, self.evaluator, self.runs = plan, folder, evaluator, runs
        self.texts = [embed_captions(evaluator, text, draw.captions) for draw in runs]
        pool = [i for group in reference_items(dataset, plan.seed) for i in group]
        needed = {*pool, *(i for d in runs for i in (*d.items, *d.reference))}
        wanted = sorted(needed, key=lambda i: i.start)
        longest = round(evaluator.max_frames * smplrifke205.SPEC.fps / evaluator.fps)
        found = embed_motions(evaluator, [dataset.item_features(i)[:longest] for i in wanted])
        self._real = dict(zip(wanted, found, strict=True))
        self.pool = self.real(pool)

    def real(self, items: Sequence[Item]) -> np.ndarray:
        """Unit embeddings ``[N, D]`` of recordings."""
        return np.stack([self._real[item] for item in items])

    def real_rows(self) -> Rows:
        """The rows that need no model."""
        rows: Rows = {}
        for draw, text in zip(self.runs, self.texts, strict=True):
            own, partners = self.real(draw.items), self.real(draw.reference)
            for name, motion, captions in (
                (GT, own, text),
                (TRAINING, partners, text),
                (SHUFFLED, own, np.roll(text, len(text) // 2 + 1, axis=0)),
            ):
                found = scores(motion, captions, self.pool, partners, self.plan)
                if name == TRAINING:  # part of what the distances compare with
                    found = {k: v for k, v in found.items() if k in METRICS[1:5]}
                _append(rows, name, found)
        return rows

    def model_rows(self) -> Rows:
        """One row for each network and sampler."""
        rows: Rows = {}
        for model in self.plan.models():
            for draw, text in zip(self.runs, self.texts, strict=True):
                motion = self._embedded(model, draw)
                paired = self.real(draw.reference)
                _append(rows, label(model), scores(motion, text, self.pool, paired, self.plan))
        return rows

    def _embedded(self, model: tuple[str, str, int], draw: Draw) -> np.ndarray:
        path = sample_file(self.folder, model, draw.number)
        kept = path.with_name(f"{path.stem}.embeddings.safetensors")
        weights = self.evaluator.hashes.get("model.safetensors", "")[:16]
        if kept.is_file():
            arrays = read_arrays(kept)
            # embeddings of another evaluator are worth nothing
            if weights and weights in arrays:
                return arrays[weights]
        found = embed_motions(self.evaluator, read_samples(self.folder, model, draw))
        if weights:
            write_arrays(kept, {weights: found})
        return found


def _append(rows: Rows, name: str, values: dict[str, float]) -> None:
    row = rows.setdefault(name, {})
    for metric, value in values.items():
        row.setdefault(metric, []).append(value)


def label(model: tuple[str, str, int]) -> str:
    """Title of a model's row."""
    conditioning, sampler, steps = model
    return f"{conditioning.replace('_', '-')}, {sampler.upper()} {steps}"


def table(rows: Rows) -> str:
    """Markdown: mean ± half the 95% interval over the runs."""
    lines = ["| | " + " | ".join(METRICS) + " |", "|---" * (len(METRICS) + 1) + "|"]
    for name, row in rows.items():
        cells = [str(confidence_interval(row[m])) if m in row else "-" for m in METRICS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def differences(rows: Rows, plan: Plan) -> str:
    """Markdown: differences of two rows, run by run: they share captions, lengths and noise."""
    metrics = METRICS[:5] + METRICS[-1:]
    lines = ["| | " + " | ".join(metrics) + " |", "|---" * (len(metrics) + 1) + "|"]
    models = plan.models()
    first = plan.samplers[len(plan.samplers) // 2]
    same = [m for m in models if m[1:] == first]
    pairs = [(a, b) for k, b in enumerate(same) for a in same[k + 1 :]]
    pairs += [(a, b) for a in models for b in models if a[0] == b[0] and b[1:] == first and a != b]
    for a, b in pairs:
        one, two = rows[label(a)], rows[label(b)]
        cells = []
        for metric in metrics:
            gap = confidence_interval(np.subtract(one[metric], two[metric]))
            sure = gap.low > 0 or gap.high < 0
            cells.append(f"**{gap}**" if sure else str(gap))
        lines.append(f"| {label(a)} minus {label(b)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write(rows: Rows, plan: Plan, folder: Path) -> None:
    """``scores.json`` with every run and ``table.md``."""
    with atomic_path(folder / "scores.json") as temporary:
        Path(temporary).write_text(json.dumps(rows, indent=1), encoding="utf-8")
    text = f"{table(rows)}\n\n{differences(rows, plan)}\n"
    with atomic_path(folder / "table.md") as temporary:
        Path(temporary).write_text(text, encoding="utf-8")
