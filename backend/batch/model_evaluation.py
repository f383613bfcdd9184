"""A model on the bundled evaluator's own captions: generated here, judged, offline."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from ..errors import ArtifactError, InvalidRequest
from ..evaluation import embedding_report, multimodality, physical_rows, protocol, test_set
from ..evaluation.evaluators.parts.judge import Report
from ..evaluation.multimodality import Sizes
from ..evaluation.physical import physical_metrics
from ..evaluation.report import finished
from ..evaluation.settings import EvaluationSettings
from ..motion.representations import motion135
from ..wire import limits
from ..wire.messages import Motion, Request

if TYPE_CHECKING:
    from ..evaluation.evaluators import StarterEvaluator
    from ..evaluation.intervals import Interval
    from ..evaluation.protocol import Protocol

Say = Callable[[str], None]


@dataclass(frozen=True)
class ModelEvaluation:
    """What is generated and how it is judged.

    Attributes:
        model: as a request names it.
        settings: of the starter evaluator; sample ``i`` has the seed of its protocol plus ``i``.
        cleanup: as the requests ask for it.
        sizes: also measure MultiModality, so much of it.
    """

    model: str
    settings: EvaluationSettings
    cleanup: bool = True
    sizes: Sizes | None = None

    def __post_init__(self) -> None:
        own = self.settings
        if own.evaluator != "starter" or own.gt or own.predictions:
            raise InvalidRequest(
                "--model works with the starter evaluator's own captions.",
                "Leave out --gt and --pred, or generate a folder first (kinetype batch).",
            )


def evaluate(asked: ModelEvaluation, say: Say = lambda text: None) -> Report:
    """Generate a motion for the first caption of every reference motion, and score all.

    The model is asked for the length of the real motion, through the same engine that ``generate``
    uses. MultiModality is a column where it is asked for.

    Args:
        say: takes sentences on what is not as asked for.
    """
    from ..evaluation.evaluators.starter import StarterEvaluator

    started = time.monotonic()
    evaluator = StarterEvaluator.loaded(asked.settings.weights, device=asked.settings.device)
    reference = evaluator.reference
    if reference is None:
        raise ArtifactError(
            "This evaluator has no reference motions.", "Use --gt, --pred and --captions instead."
        )
    rows = np.arange(len(reference.captions))[: asked.settings.limit]
    settings = evaluator.protocol(asked.settings)
    if settings.caption != "first":
        say(f"each motion is generated from its first caption, not a {settings.caption} one")
        settings = replace(settings, caption="first")
    prompts = [reference.captions[i][0] for i in rows]
    seconds = [float(reference.frames[i] / evaluator.fps) for i in rows]
    model = _Model(asked, settings.seed)
    found = [motion.data for motion in model.one_of_each(prompts, seconds)]

    texts = protocol.Texts.from_counts(evaluator.embed_texts(prompts), [1] * len(prompts))
    table = protocol.evaluate(
        settings, texts, reference.embeddings[rows], evaluator.embed_motions(found)
    )
    note = asdict(settings)
    if asked.sizes is not None:
        varied, drawn = _varied(model, evaluator, prompts, seconds, settings, asked.sizes, say)
        table[protocol.PREDICTION][multimodality.NAME] = varied
        note["multimodality"] = drawn
    physical = {
        protocol.GT: physical_rows.row([reference.physical[i] for i in rows]),
        protocol.PREDICTION: physical_rows.row(
            [physical_metrics(motion135.joints(x.astype(np.float64)), evaluator.fps) for x in found]
        ),
    }
    report = embedding_report.report_of(
        settings,
        table,
        len(rows),
        physical=physical,
        model=asked.model,
        cleanup=asked.cleanup,
        protocol=note,
        sha256={"evaluator": evaluator.hashes, "predictions": test_set.digest(found)},
        warnings=sorted(model.warnings),
    )
    return finished(report, started)


def _varied(
    model: _Model,
    evaluator: StarterEvaluator,
    prompts: list[str],
    seconds: list[float],
    settings: Protocol,
    sizes: Sizes,
    say: Say,
) -> tuple[Interval, dict[str, object]]:
    """MultiModality, and what it was measured on: captions, lengths, seeds, sha256 of motions."""
    draw = multimodality.Draw(sizes, settings.seed)
    chosen = draw.captions(prompts)
    if len(chosen) < sizes.captions:
        say(
            f"MultiModality of {len(chosen)} captions: there are no {sizes.captions} different ones"
        )
    embeddings, asked = [], []
    for place, row in enumerate(tqdm(chosen, desc="varying", unit="caption")):
        seed = settings.seed + place * sizes.samples
        motions = model.several(prompts[row], seconds[row], seed, sizes.samples)
        found = [motion.data for motion in motions]
        embeddings.append(evaluator.embed_motions(found))
        asked.append(
            {
                "caption": prompts[row],
                "seconds": seconds[row],
                "seed": seed,
                "sha256": test_set.digest(found),
            }
        )
    x = np.stack(embeddings)
    value = draw.value(protocol.unit(x) if settings.unit else x, settings.repeats)
    return value, {**asdict(sizes), "captions": len(chosen), "asked": asked}


class _Model:
    """The model through the engine; ``warnings`` collects those of its motions."""

    def __init__(self, asked: ModelEvaluation, seed: int) -> None:
        from ..pipelines.registry import model_info
        from ..service.engine import Engine

        self._asked, self._seed = asked, seed
        self._engine = Engine(device=asked.settings.device)
        self._info = model_info(asked.model)
        self.warnings: set[str] = set()

    def one_of_each(self, prompts: list[str], seconds: list[float]) -> list[Motion]:
        """One motion per prompt, with a bar; sample ``i`` has the seed of the protocol + ``i``."""
        bar = tqdm(prompts, desc="generating", unit="motion")
        return [
            self.several(prompt, wanted, self._seed + index, 1)[0]
            for index, (prompt, wanted) in enumerate(zip(bar, seconds, strict=True))
        ]

    def several(self, prompt: str, seconds: float, seed: int, samples: int) -> list[Motion]:
        """Motions of one prompt with the seeds ``seed``, ``seed + 1`` ...

        Args:
            seconds: brought into what the model can make.
        """
        info = self._info
        if info is not None and info.max_seconds > 0:
            seconds = min(max(seconds, info.min_seconds), info.max_seconds)
        motions: list[Motion] = []
        while len(motions) < samples:
            request = Request(
                prompt,
                seconds=seconds,
                seed=seed + len(motions),
                samples=min(samples - len(motions), limits.MAX_SAMPLES),
                model=self._asked.model,
                cleanup=self._asked.cleanup,
            )
            motions += self._engine.run(request).motions
        self.warnings.update(w for m in motions for w in m.meta.get("warnings", ()))
        return motions
