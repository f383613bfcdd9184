"""``kinetype batch evaluate``: several evaluators over several folders, by several workers."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidRequest
from ..evaluation import evaluators
from . import batch_generate, console

if TYPE_CHECKING:
    from ..batch.evaluation import Item

HELP = "score folders of motions with evaluators, each report as 'kinetype evaluate' makes it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--evaluator", nargs="+", choices=evaluators.names(), default=["physical"],
                        metavar="NAME", help=f"of {', '.join(evaluators.names())} "
                        "(default physical)")  # fmt: skip
    parser.add_argument("--pred", type=Path, nargs="+", metavar="DIR",
                        help="folders of predictions, NAME.npy or NAME.npz")  # fmt: skip
    parser.add_argument("--gt", type=Path, help="folder of real motions of the same names")
    parser.add_argument("--gt-only", action="store_true", help="judge the real motions alone")
    parser.add_argument("--weights", help="see kinetype evaluate (one evaluator)")
    parser.add_argument("--captions", type=Path, help="folder of NAME.txt, a caption per line")
    parser.add_argument("--split", type=Path, help="text file of names; all of --gt if not given")
    parser.add_argument("--preset", default="kinetype", help="see kinetype evaluate")
    parser.add_argument("--repeats", type=int, help="draws that intervals are over")
    parser.add_argument("--seed", type=int, help="of all draws")
    parser.add_argument("--convert", action="store_true", help="see kinetype evaluate")
    parser.add_argument("--limit", type=int, help="use so many motions, the first ones")
    parser.add_argument("--out", type=Path, required=True, help="run folder")
    parser.add_argument("--check", action="store_true", help="check everything, judge nothing")
    batch_generate.add_engine(parser)
    parser.add_argument("--device", help="cpu, cuda ...")
    parser.add_argument("--quiet", action="store_true", help="no progress lines")


def run(options: argparse.Namespace) -> int:
    """Check, judge, print the tables; 1 when a report failed."""
    from ..batch import evaluation, stage
    from ..store.folder_lock import folder_lock
    from .outputs import check_writable

    items = _plan(options)
    check_writable(options.out / stage.SUMMARY)
    if options.check:
        print(json.dumps({"reports": [item.name for item in items]}))
        return 0
    out, workers = options.out.absolute(), batch_generate.workers_of(options)
    tell = batch_generate.Teller(options.quiet)
    with folder_lock(out):
        made = evaluation.make(
            items,
            out,
            workers,
            on_progress=tell.progress,
            on_failure=batch_generate.tell_failure,
        )
        summary = stage.summarise(made, workers)
        stage.write_summary(summary, out)
    for name, text in evaluation.rows(made).items():
        print(f"{name}\n{text}\n")
    console.note(
        f"{summary['done']} made, {summary['kept']} kept, {summary['failed']} failed; each is "
        "in NAME/evaluation.json"
    )
    return batch_generate.finish(summary, out / stage.SUMMARY)


def _plan(options: argparse.Namespace) -> list[Item]:
    from ..batch import evaluation
    from ..evaluation.settings import EvaluationSettings

    if options.collect:
        raise InvalidRequest(
            "Evaluation reads whole folders, which all machines must see.", "Leave out --collect."
        )
    if options.weights and len(options.evaluator) > 1:
        raise InvalidRequest("--weights are those of one evaluator.", "Run one at a time.")
    # physical judges each motion alone, so predictions can stand for themselves
    gt = options.gt
    base = EvaluationSettings(
        weights=options.weights,
        gt=gt,
        captions=options.captions,
        split=options.split,
        gt_only=options.gt_only,
        preset=options.preset,
        repeats=options.repeats,
        seed=options.seed,
        convert=options.convert,
        limit=options.limit,
        device=options.device,
    )
    asked = []
    for evaluator in options.evaluator:
        for folder in options.pred or [None]:
            each = replace(base, evaluator=evaluator, predictions=folder)
            if evaluator == "physical" and gt is None and folder is not None:
                each = replace(each, gt=folder, predictions=None, gt_only=True)
            if folder is not None:
                each.folder()
            asked.append(each)
    return evaluation.plan(asked)
