"""``--evaluator m2t``: sentences that a model made of motions, against the data set's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ...errors import InvalidRequest
from ...store.model_folder import sha256_of
from .. import protocol, text_metrics
from ..intervals import Interval
from ..settings import EvaluationSettings
from ..test_set import captions_of, check_name, split_names
from .parts.judge import Judge, Report, plain_report

_HUMAN = "one caption against the others"
_WEIGHTS = "model.safetensors"
Score = Callable[[Sequence[str], text_metrics.References], float]


class M2TJudge(Judge):
    """BLEU, ROUGE-L and CIDEr; BERTScore too where ``weights`` is a folder with an encoder.

    Rows: a caption of each motion against its others (what people reach), the made sentences, and
    the same sentences with the motions shuffled.
    """

    name = "m2t"

    @classmethod
    def report(cls, settings: EvaluationSettings) -> Report:
        """``predictions/NAME.txt`` (first line) against ``captions/NAME.txt`` (every line)."""
        texts, references, skipped = _read(settings)
        score = _bert(settings)
        rows = {}
        human = [own for own in references if len(own) > 1]
        if human:
            rows[_HUMAN] = ([own[0] for own in human], [own[1:] for own in human])
        rows[protocol.PREDICTION] = (texts, references)
        order = np.random.default_rng(settings.seed or 0).permutation(len(texts))
        rows[protocol.SHUFFLED] = ([texts[i] for i in order], references)
        table = {row: _row(*found, score) for row, found in rows.items()}
        weights = Path(settings.weights or "") / _WEIGHTS
        return plain_report(
            cls.name,
            len(texts),
            protocol.as_text(table),
            protocol.as_json(table),
            missing_predictions=[n for n, why in skipped.items() if why == "no sentence"],
            skipped=skipped,
            sha256={"evaluator": {_WEIGHTS: sha256_of(weights)} if settings.weights else {}},
        )


def _row(
    texts: Sequence[str], references: text_metrics.References, score: Score | None
) -> dict[str, Interval]:
    values = {f"BLEU-{n}": v for n, v in enumerate(text_metrics.bleu(texts, references), 1)}
    values["ROUGE-L"] = text_metrics.rouge_l(texts, references)
    values["CIDEr"] = text_metrics.cider(texts, references)
    if score is not None:
        values["BERTScore"] = score(texts, references)
    return {name: Interval(v, v, v) for name, v in values.items()}


def _bert(settings: EvaluationSettings) -> Score | None:
    if settings.weights is None:
        return None
    return text_metrics.BertScore(settings.weights, device=settings.device)


def _read(settings: EvaluationSettings) -> tuple[list[str], list[list[str]], dict[str, str]]:
    for folder, option in ((settings.predictions, "--pred"), (settings.captions, "--captions")):
        if folder is None or not folder.is_dir():
            raise InvalidRequest(
                f"There is no folder {folder}." if folder else "A folder of texts is missing.",
                f"Give it with {option}: a file NAME.txt for each motion.",
            )
    predictions, captions = settings.predictions, settings.captions
    assert predictions is not None and captions is not None
    if settings.split is None:
        names = sorted(path.stem for path in captions.glob("*.txt"))
    else:
        names = split_names(settings.split, captions)
    texts, references, skipped = [], [], {}
    for name in names[: settings.limit]:
        check_name(name)
        own, reason = captions_of(captions / f"{name}.txt")
        path = predictions / f"{name}.txt"
        lines = path.read_text(encoding="utf-8").split("\n") if path.is_file() else []
        if reason or not lines:
            skipped[name] = reason or "no sentence"
            continue
        texts.append(lines[0].strip())
        references.append([caption.text for caption in own])
    if not texts:
        raise InvalidRequest(
            f"None of {len(names)} texts can be judged.", "Check --pred and --captions."
        )
    return texts, references, skipped
