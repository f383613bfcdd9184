"""``kinetype evaluate``: how good are motions, by the field's evaluators."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidRequest
from ..evaluation import evaluators
from . import console

if TYPE_CHECKING:
    from ..evaluation.evaluators.parts.judge import Report
    from ..evaluation.multimodality import Sizes
    from ..evaluation.settings import EvaluationSettings

HELP = "score motions with the field's evaluators; ground truth first"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "--evaluator",
        choices=evaluators.names(),
        default="starter",
        help="default: starter (bundled)",
    )
    parser.add_argument("--weights", help="folder or hub id of the evaluator's published files")
    parser.add_argument(
        "--model", help="generate the starter evaluator's reference captions with this model first"
    )
    parser.add_argument("--pred", type=Path, help="folder of predictions, NAME.npy or NAME.npz")
    parser.add_argument("--gt", type=Path, help="folder of real motions of the same names")
    parser.add_argument("--captions", type=Path, help="folder of NAME.txt, a caption per line")
    parser.add_argument("--split", type=Path, help="text file of names; all of --gt if not given")
    parser.add_argument("--gt-only", action="store_true", help="judge the real motions alone")
    parser.add_argument(
        "--preset",
        default="kinetype",
        help="kinetype: 20 repeats, first captions; leaderboard: as the public one of HumanML3D, "
        "1 repeat, selected captions (default kinetype)",
    )
    parser.add_argument("--repeats", type=int, help="draws that intervals are over")
    parser.add_argument("--seed", type=int, help="of all draws")
    parser.add_argument(
        "--caption",
        choices=("first", "random", "selected"),
        help="which caption of a motion each repeat takes",
    )
    parser.add_argument(
        "--equal-captions",
        action="store_true",
        help="motions with the same caption are all right answers",
    )
    parser.add_argument(
        "--convert",
        action="store_true",
        help="bring motions of other representations into the evaluator's, by the published chain",
    )
    parser.add_argument(
        "--bridge",
        metavar="FORMAT",
        help="also a row of the real motions through this representation and back",
    )
    parser.add_argument(
        "--published",
        action="store_true",
        help="print the leaderboard's rows of this evaluator too, by what may be compared",
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
    parser.add_argument("--out", type=Path, help="folder for evaluation.json")


def run(options: argparse.Namespace) -> int:
    """Evaluate, print the table, write the JSON."""
    if options.multimodality and not options.model:
        raise InvalidRequest(
            "MultiModality needs several motions of one caption, so the model itself.",
            "Give it with --model, or leave out --multimodality.",
        )
    settings = settings_of(options)
    if options.model:
        from ..batch import model_evaluation

        asked = model_evaluation.ModelEvaluation(
            options.model, settings, not options.no_cleanup, multimodality_sizes(options)
        )
        found = model_evaluation.evaluate(asked, console.note)
    else:
        from ..evaluation import report

        found = report.evaluate(settings)
    show(found, options.out)
    if options.published:
        from ..evaluation import published

        print(f"\n{published.beside(found)}")
    return 0


def settings_of(options: argparse.Namespace) -> EvaluationSettings:
    """The settings that the options ask for."""
    from ..evaluation.settings import EvaluationSettings

    return EvaluationSettings(
        evaluator=options.evaluator,
        weights=options.weights,
        gt=options.gt,
        predictions=options.pred,
        captions=options.captions,
        split=options.split,
        gt_only=options.gt_only,
        preset=options.preset,
        repeats=options.repeats,
        seed=options.seed,
        caption=options.caption,
        equal_captions=options.equal_captions,
        convert=options.convert,
        bridge=options.bridge,
        limit=options.limit,
        device=options.device,
    )


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


def show(found: Report, out: Path | None) -> None:
    """Print the tables of a report, say what it leaves out, and write it to ``out``."""
    from ..evaluation import report

    print(found["text"])
    skipped = len(found["skipped"])
    print(f"\n{found['n']} judged, {skipped} skipped, {found['seconds']} s")
    if found["missing_predictions"]:
        print(f"{len(found['missing_predictions'])} of them have no prediction")
    for warning in found["warnings"]:
        console.warning(warning)
    if out:
        console.note(f"-> {report.write(found, out)}")
