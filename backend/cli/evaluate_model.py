"""``kinetype evaluate --model``: a model on the bundled evaluator's own captions, offline."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArtifactError, InvalidRequest
from ..wire import limits
from ..wire.messages import Motion, Request
from . import console

if TYPE_CHECKING:
    from ..evaluation.intervals import Interval
    from ..evaluation.multimodality import Sizes
    from ..evaluation.protocol import Protocol


def evaluate(options: argparse.Namespace) -> dict[str, Any]:
    """Generate a motion for the first caption of every reference motion, and score all.

    The model is asked for the length of the real motion, through the same engine that ``generate``
    uses. Rows of physical metrics are added to the report, and MultiModality where it is asked for.
    """
    from dataclasses import asdict

    from ..evaluation import multimodality, physical_rows, protocol, test_set
    from ..evaluation.hml3d_items import Caption
    from ..evaluation.physical import physical_metrics
    from ..motion.representations import motion135
    from . import evaluate as command

    sizes = multimodality_sizes(options)
    evaluator: Any = command.load_evaluator(options)
    reference = evaluator.reference
    if reference is None:
        raise ArtifactError(
            "This evaluator has no reference motions.", "Use --gt, --pred and --captions instead."
        )
    rows = np.arange(len(reference.captions))[: options.limit]
    settings = command.protocol_of(options)
    if options.caption == "random":
        console.note("each motion is generated from its first caption; --caption random is ignored")
        settings = command.protocol_of(argparse.Namespace(**(vars(options) | {"caption": "first"})))
    prompts = [reference.captions[i][0] for i in rows]
    seconds = [float(reference.frames[i] / evaluator.fps) for i in rows]
    model = _Model(options)
    motions = model.one_of_each(prompts, seconds)
    found = [motion.data for motion in motions]

    texts = protocol.Texts.from_counts(
        evaluator.embed_texts([Caption(prompt, ()) for prompt in prompts]), [1] * len(prompts)
    )
    table = protocol.evaluate(
        settings, texts, reference.embeddings[rows], evaluator.embed_motions(found)
    )
    protocol_note = asdict(settings)
    if sizes is not None:
        varied, drawn = _varied(model, evaluator, prompts, seconds, settings, sizes)
        table[protocol.PREDICTION][multimodality.NAME] = varied
        protocol_note["multimodality"] = drawn
    physical = {
        protocol.GT: physical_rows.row([reference.physical[i] for i in rows]),
        protocol.PREDICTION: physical_rows.row(
            [physical_metrics(motion135.joints(x.astype(np.float64)), evaluator.fps) for x in found]
        ),
    }
    return {
        "model": options.model,
        "cleanup": not options.no_cleanup,
        "protocol": protocol_note,
        "n": len(rows),
        "n_in_galleries": len(rows) // settings.batch * settings.batch,
        "missing_predictions": [],
        "skipped": {},
        "table": protocol.as_json(table),
        "physical": protocol.as_json(physical),
        "sha256": {"evaluator": evaluator.hashes, "predictions": test_set.digest(found)},
        "warnings": sorted(model.warnings),
        "text": f"{protocol.as_text(table)}\n\n{protocol.as_text(physical)}",
    }


def multimodality_sizes(options: argparse.Namespace) -> Sizes | None:
    """What ``--multimodality`` asks for, checked; None without it.

    Raises:
        InvalidRequest: sizes without it, or sizes that make no sense.
    """
    from ..evaluation.multimodality import Sizes

    names = ("captions", "samples", "pairs")
    given = {n: v for n in names if (v := getattr(options, f"mm_{n}")) is not None}
    if options.multimodality:
        return Sizes(**given)
    if given:
        raise InvalidRequest(
            f"--mm-{min(given)} says how much MultiModality is measured, but nothing asks for it.",
            "Add --multimodality.",
        )
    return None


def _varied(
    model: _Model,
    evaluator: Any,
    prompts: list[str],
    seconds: list[float],
    settings: Protocol,
    sizes: Sizes,
) -> tuple[Interval, dict[str, Any]]:
    """MultiModality, and what it was measured on: captions, lengths, seeds, sha256 of motions."""
    from dataclasses import asdict

    from tqdm import tqdm

    from ..evaluation import multimodality, protocol, test_set

    draw = multimodality.Draw(sizes, settings.seed)
    chosen = draw.captions(prompts)
    if len(chosen) < sizes.captions:
        console.note(
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
    """The model of ``--model``, through the engine; ``warnings`` collects those of its motions."""

    def __init__(self, options: argparse.Namespace) -> None:
        from ..pipelines.registry import model_info
        from ..service.engine import Engine

        self._options = options
        self._engine = Engine(device=options.device)
        self._info = model_info(options.model)
        self.warnings: set[str] = set()

    def one_of_each(self, prompts: list[str], seconds: list[float]) -> list[Motion]:
        """One motion per prompt, with a bar; sample ``i`` has the seed ``--seed + i``."""
        from tqdm import tqdm

        bar = tqdm(prompts, desc="generating", unit="motion")
        return [
            self.several(prompt, wanted, self._options.seed + index, 1)[0]
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
                model=self._options.model,
                cleanup=not self._options.no_cleanup,
            )
            motions += self._engine.run(request).motions
        self.warnings.update(w for m in motions for w in m.meta.get("warnings", ()))
        return motions
