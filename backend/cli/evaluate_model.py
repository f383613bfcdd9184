"""``kinetype evaluate --model``: a model on the bundled evaluator's own captions, offline."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from ..errors import ArtifactError
from ..wire.messages import Motion, Request
from . import console


def evaluate(options: argparse.Namespace) -> dict[str, Any]:
    """Generate a motion for the first caption of every reference motion, and score all.

    The model is asked for the length of the real motion, through the same engine that ``generate``
    uses. Rows of physical metrics are added to the report.
    """
    from dataclasses import asdict

    from ..evaluation import physical_rows, protocol, test_set
    from ..evaluation.hml3d_items import Caption
    from ..evaluation.physical import physical_metrics
    from ..motion.representations import motion135
    from . import evaluate as command

    evaluator = command.load_evaluator(options)
    reference = evaluator.reference  # type: ignore[attr-defined]
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
    motions = generate(options, prompts, [reference.frames[i] / evaluator.fps for i in rows])
    found = [motion.data for motion in motions]

    texts = protocol.Texts.from_counts(
        evaluator.embed_texts([Caption(prompt, ()) for prompt in prompts]), [1] * len(prompts)
    )
    table = protocol.evaluate(
        settings, texts, reference.embeddings[rows], evaluator.embed_motions(found)
    )
    physical = {
        protocol.GT: physical_rows.row([reference.physical[i] for i in rows]),
        protocol.PREDICTION: physical_rows.row(
            [physical_metrics(motion135.joints(x.astype(np.float64)), evaluator.fps) for x in found]
        ),
    }
    return {
        "model": options.model,
        "cleanup": not options.no_cleanup,
        "protocol": asdict(settings),
        "n": len(rows),
        "n_in_galleries": len(rows) // settings.batch * settings.batch,
        "missing_predictions": [],
        "skipped": {},
        "table": protocol.as_json(table),
        "physical": protocol.as_json(physical),
        "sha256": {"evaluator": evaluator.hashes, "predictions": test_set.digest(found)},
        "warnings": sorted({w for m in motions for w in m.meta.get("warnings", ())}),
        "text": f"{protocol.as_text(table)}\n\n{protocol.as_text(physical)}",
    }


def generate(options: argparse.Namespace, prompts: list[str], seconds: list[float]) -> list[Motion]:
    """One motion per prompt, with a bar; sample ``i`` has the seed ``--seed + i``."""
    from tqdm import tqdm

    from ..pipelines.registry import model_info
    from ..service.engine import Engine

    engine = Engine(device=options.device)
    info = model_info(options.model)
    motions: list[Motion] = []
    for index, (prompt, wanted) in enumerate(
        zip(tqdm(prompts, desc="generating", unit="motion"), seconds, strict=True)
    ):
        length = float(wanted)
        if info is not None and info.max_seconds > 0:
            length = min(max(length, info.min_seconds), info.max_seconds)
        request = Request(
            prompt,
            seconds=length,
            seed=options.seed + index,
            model=options.model,
            cleanup=not options.no_cleanup,
        )
        motions += engine.run(request).motions
    return motions
