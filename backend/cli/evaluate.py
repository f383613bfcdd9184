"""``kinetype evaluate``: how good are motions, by the field's evaluators."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import InvalidRequest
from ..motion.io.atomic import atomic_path
from . import console

if TYPE_CHECKING:
    from ..evaluation.evaluators import Evaluator
    from ..evaluation.protocol import Protocol, Table
    from ..evaluation.test_set import TestSet

HELP = "score motions with the field's evaluators; ground truth first"

EVALUATORS = ("starter", "hml263", "ms272", "motionclip135", "tmr", "physical")
RESULT = "evaluation.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "--evaluator",
        choices=EVALUATORS,
        default="starter",
        help="default: starter (bundled)",
    )
    parser.add_argument("--weights", type=Path, help="folder of the evaluator's published files")
    parser.add_argument(
        "--model", help="generate the starter evaluator's reference captions with this model first"
    )
    parser.add_argument("--pred", type=Path, help="folder of predictions, NAME.npy or NAME.npz")
    parser.add_argument("--gt", type=Path, help="folder of real motions of the same names")
    parser.add_argument("--captions", type=Path, help="folder of NAME.txt, a caption per line")
    parser.add_argument("--split", type=Path, help="text file of names; all of --gt if not given")
    parser.add_argument("--gt-only", action="store_true", help="judge the real motions alone")
    parser.add_argument(
        "--repeats", type=int, default=20, help="draws that intervals are over (default 20)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of all draws (default 0)")
    parser.add_argument(
        "--caption",
        choices=("first", "random"),
        default="first",
        help="which caption of a motion each repeat takes (default first)",
    )
    parser.add_argument("--limit", type=int, help="use so many motions, the first ones")
    parser.add_argument("--no-cleanup", action="store_true", help="with --model: as sampled")
    parser.add_argument(
        "--multimodality",
        action="store_true",
        help="with --model: also how much motions of one caption differ (makes many more motions)",
    )
    for name, what in (
        ("captions", "captions it is measured on (100)"),
        ("samples", "motions of each caption (30)"),
        ("pairs", "pairs of them in each repeat (10)"),
    ):
        parser.add_argument(f"--mm-{name}", type=int, metavar="N", help=f"MultiModality: {what}")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 ...")
    parser.add_argument("--out", type=Path, help=f"folder for {RESULT}")


def run(options: argparse.Namespace) -> int:
    """Evaluate, print the table, write the JSON."""
    started = time.monotonic()
    if options.limit is not None and options.limit < 1:
        raise InvalidRequest(f"--limit {options.limit} leaves nothing.", "Give 1 or more.")
    if options.multimodality and not options.model:
        raise InvalidRequest(
            "MultiModality needs several motions of one caption, so the model itself.",
            "Give it with --model, or leave out --multimodality.",
        )
    if options.model:
        if options.evaluator != "starter" or options.gt or options.pred:
            raise InvalidRequest(
                "--model works with the starter evaluator's own captions.",
                "Leave out --gt and --pred, or generate a folder first (kinetype batch).",
            )
        from . import evaluate_model

        report = evaluate_model.evaluate(options)
    elif options.evaluator == "physical":
        report = _physical(options)
    else:
        report = _with_embeddings(options)
    report["seconds"] = round(time.monotonic() - started, 1)
    report["versions"] = versions()
    _show(report)
    if options.out:
        write(report, options.out / RESULT)
    return 0


def versions() -> dict[str, str]:
    """Of what decides the numbers."""
    import platform

    import numpy
    import scipy
    import torch

    return {
        "kinetype": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
    }


def write(report: dict[str, Any], path: Path) -> None:
    """The JSON whole or not at all; no keys for printing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shown = {key: value for key, value in report.items() if key != "text"}
    with atomic_path(path) as temporary:
        Path(temporary).write_text(json.dumps(shown, indent=1) + "\n", encoding="utf-8")
    console.note(f"-> {path}")


def protocol_of(options: argparse.Namespace) -> Protocol:
    """The published settings of each evaluator, with the asked repeats, seed and captions."""
    from ..evaluation.protocol import Protocol

    unit = options.evaluator in ("starter", "tmr")
    return Protocol(
        options.evaluator,
        repeats=options.repeats,
        seed=options.seed,
        caption=options.caption,
        unit=unit,
        tmr_score=unit,
        unit_l1=options.evaluator == "motionclip135",
    )


def load_evaluator(options: argparse.Namespace) -> Evaluator:
    """The chosen evaluator from ``--weights``."""
    from ..evaluation import evaluators

    classes: dict[str, Any] = {
        "starter": evaluators.StarterEvaluator,
        "hml263": evaluators.HumanML263Evaluator,
        "ms272": evaluators.MotionStreamer272Evaluator,
        "motionclip135": evaluators.MotionCLIP135Evaluator,
        "tmr": evaluators.TMREvaluator,
    }
    if options.weights is None and options.evaluator != "starter":
        raise InvalidRequest(
            f"The evaluator {options.evaluator!r} needs its published files.",
            "Give their folder with --weights; docs/evaluation.md says where they come from.",
        )
    made: Evaluator = classes[options.evaluator].from_pretrained(
        options.weights, device=options.device
    )
    return made


def _names(options: argparse.Namespace) -> list[str]:
    from ..evaluation.test_set import split_names

    if options.gt is None or not options.gt.is_dir():
        raise InvalidRequest(
            "There is no folder of real motions." if options.gt is None
            else f"There is no folder {options.gt}.",
            "Give it with --gt (or use --model to evaluate a model on the bundled captions).",
        )  # fmt: skip
    if options.pred is None and not options.gt_only:
        raise InvalidRequest(
            "There is no folder of predictions.", "Give it with --pred, or use --gt-only."
        )
    if options.pred is not None and not options.pred.is_dir():
        raise InvalidRequest(f"There is no folder {options.pred}.", "Check --pred.")
    return split_names(options.split, options.gt)[: options.limit]


def _with_embeddings(options: argparse.Namespace) -> dict[str, Any]:
    from ..evaluation import protocol, test_set

    names = _names(options)
    if options.captions is None:
        raise InvalidRequest(
            "Text metrics need captions.", "Give --captions, or use --evaluator physical."
        )
    settings = protocol_of(options)
    evaluator = load_evaluator(options)
    found = test_set.read(
        names,
        options.gt,
        None if options.gt_only else options.pred,
        options.captions,
        representation=evaluator.representation,
        fps=evaluator.fps,
        check=evaluator.checked,
    )
    captions = [c for texts in found.captions for c in texts]
    texts = protocol.Texts.from_counts(
        evaluator.embed_texts(captions), [len(t) for t in found.captions]
    )
    real = evaluator.embed_motions(found.real)
    generated = evaluator.embed_motions(found.predicted) if found.predicted else None
    table = protocol.evaluate(settings, texts, real, generated)
    warnings = []
    if found.predicted and evaluator.looks_normalised(found.predicted):
        warnings.append(
            "The predictions look like normalised network output. Un-normalise them with the"
            " model's Mean and Std first."
        )
    return report_of(settings, table, found, evaluator.hashes, warnings)


def report_of(
    settings: Protocol,
    table: Table,
    found: TestSet,
    hashes: dict[str, str],
    warnings: list[str],
) -> dict[str, Any]:
    """Everything that makes the numbers checkable."""
    from ..evaluation import protocol, test_set

    return {
        "protocol": asdict(settings),
        "n": len(found.names),
        "n_in_galleries": len(found.names) // settings.batch * settings.batch,
        "missing_predictions": found.missing,
        "skipped": found.skipped,
        "table": protocol.as_json(table),
        "sha256": {
            "evaluator": hashes,
            "ground_truth": test_set.digest(found.real),
            "predictions": test_set.digest(found.predicted) if found.predicted else None,
        },
        "warnings": warnings,
        "text": protocol.as_text(table),
    }


def _physical(options: argparse.Namespace) -> dict[str, Any]:
    from ..evaluation import physical_rows

    names = _names(options)
    return physical_rows.evaluate(names, options.gt, None if options.gt_only else options.pred)


def _show(report: dict[str, Any]) -> None:
    print(report["text"])
    skipped = len(report["skipped"])
    print(f"\n{report['n']} motions, {skipped} skipped, {report['seconds']} s")
    if report["missing_predictions"]:
        print(f"{len(report['missing_predictions'])} of them have no prediction")
    for warning in report["warnings"]:
        console.warning(warning)
