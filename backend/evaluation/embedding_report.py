"""The report of an evaluator that embeds motions and texts: physical metrics first, then text."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InvalidRequest
from ..motion import convert
from . import physical_rows, protocol, test_set
from .evaluators.parts.judge import Report, plain_report
from .settings import EvaluationSettings

if TYPE_CHECKING:
    from .evaluators.parts.base import Evaluator
    from .test_set import TestSet

_NORMALISED = (
    "The predictions look like normalised network output. Un-normalise them with the model's Mean"
    " and Std first."
)


def evaluate(kind: type[Evaluator], settings: EvaluationSettings) -> Report:
    """Judge folders of motions; the evaluator is loaded once the folders are seen to be there.

    Raises:
        InvalidRequest: folders or captions are missing, or too few motions.
    """
    names, gt = settings.names(), settings.folder()
    asked = kind.protocol(settings)
    if settings.captions is None:
        raise InvalidRequest(
            "Text metrics need captions.", "Give --captions, or use --evaluator physical."
        )
    evaluator = kind.loaded(settings.weights, device=settings.device)
    found = test_set.read(
        names,
        gt,
        settings.judged,
        settings.captions,
        representation=evaluator.representation,
        fps=evaluator.fps,
        check=evaluator.checked,
        selected_only=asked.caption == "selected",
        bring=convert.IkOptions.preset("published") if settings.convert else None,
    )
    captions = [c for texts in found.captions for c in texts]
    texts = protocol.Texts.from_counts(
        evaluator.embed_texts(captions), [len(t) for t in found.captions]
    )
    bridged = _bridged(evaluator, settings.bridge, found.real)
    table = protocol.evaluate(
        asked,
        texts,
        evaluator.embed_motions(found.real),
        evaluator.embed_motions(found.predicted) if found.predicted else None,
        bridged={name: evaluator.embed_motions(x) for name, x in bridged.items()},
        groups=_groups(found) if asked.equal_captions else None,
    )
    rows = {protocol.GT: found.real}
    rows |= {protocol.BRIDGED.format(name): x for name, x in bridged.items()}
    rows |= {protocol.PREDICTION: found.predicted} if found.predicted else {}
    warnings = []
    if found.predicted and evaluator.looks_normalised(found.predicted):
        warnings.append(_NORMALISED)
    return report_of(
        asked,
        table,
        len(found.names),
        physical=physical_rows.rows(rows, evaluator.representation, evaluator.fps),
        missing_predictions=found.missing,
        skipped=found.skipped,
        captions=_caption_record(asked, captions),
        converted=settings.convert,
        sha256={
            "evaluator": evaluator.hashes,
            "ground_truth": test_set.digest(found.real),
            "predictions": test_set.digest(found.predicted) if found.predicted else None,
        },
        warnings=warnings,
    )


def report_of(
    asked: protocol.Protocol,
    table: protocol.Table,
    count: int,
    *,
    physical: protocol.Table,
    **more: object,
) -> Report:
    """The report of ``count`` motions; physical metrics stand first."""
    batch = asked.gallery(count)
    text = protocol.as_text(table)
    return plain_report(
        asked.evaluator,
        count,
        f"{physical_rows.as_text(physical)}\n\n{text}" if physical else text,
        protocol.as_json(table),
        physical=protocol.as_json(physical),
        n_in_galleries=count // batch * batch,
        **({"protocol": asdict(asked)} | more),
    )


def _groups(found: TestSet) -> np.ndarray:
    """The same number for motions whose first caption is the same."""
    return np.unique([texts[0].text for texts in found.captions], return_inverse=True)[1]


def _bridged(
    evaluator: Evaluator, bridge: str | None, motions: Sequence[np.ndarray]
) -> dict[str, list[np.ndarray]]:
    """The real motions through another representation and back, by its name."""
    if bridge is None:
        return {}
    own, options = evaluator.representation, convert.IkOptions.preset("published")
    if bridge not in convert.SPECS or bridge == own:
        raise InvalidRequest(
            f"{bridge!r} is no bridge for {own}.",
            f"Use one of: {', '.join(sorted(set(convert.SPECS) - {own}))}.",
        )
    through = []
    for motion in motions:
        there = convert.convert(motion, own, bridge, fps=evaluator.fps, options=options)
        back = convert.convert(there.data, bridge, own, fps=there.fps, options=options)
        through.append(back.data)
    return {bridge: through}


def _caption_record(asked: protocol.Protocol, captions: Sequence[test_set.Caption]) -> Report:
    """What was read, so that tables over other captions are not taken for comparable."""
    words = [len(c.text.split()) for c in captions]
    text = "\n".join(c.text for c in captions)
    return {
        "choice": asked.caption,
        "count": len(captions),
        "mean_words": round(float(np.mean(words)), 2),
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }
