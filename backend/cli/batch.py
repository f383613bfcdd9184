"""``kinetype batch``: long runs over many captions, which can be stopped and go on."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InvalidRequest
from . import batch_evaluate, batch_generate, batch_render, console, convert

if TYPE_CHECKING:
    from ..batch.chain import GenerationJob
    from ..evaluation.settings import EvaluationSettings

HELP = "generate, convert and evaluate a whole test set"
STAGES = ("generate", "motion135", "ms272", "joints66", "evaluate")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of each kind of batch."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="WHAT")
    generate = kinds.add_parser(
        "generate", help=batch_generate.HELP, description=batch_generate.HELP
    )
    batch_generate.add_arguments(generate)
    render = kinds.add_parser("render", help=batch_render.HELP, description=batch_render.HELP)
    batch_render.add_arguments(render)
    converting = kinds.add_parser("convert", help=convert.HELP, description=convert.HELP)
    convert.add_arguments(converting, workers=False)
    batch_generate.add_engine(converting)
    judging = kinds.add_parser(
        "evaluate", help=batch_evaluate.HELP, description=batch_evaluate.HELP
    )
    batch_evaluate.add_arguments(judging)
    what = "generate -> motion_135 -> 272 -> evaluate"
    chain = kinds.add_parser("chain", help=what, description=what)
    chain.add_argument("--model", default="starter", help="name, folder or hub id")
    chain.add_argument("--captions", type=Path, required=True, help="folder of NAME.txt")
    chain.add_argument("--split", type=Path, help="text file of names; all captions if not given")
    chain.add_argument("--gt", type=Path, help="real motions: their lengths, and for evaluation")
    chain.add_argument("--seconds", type=float, help="length of all motions, without --gt")
    chain.add_argument("--out", type=Path, required=True, help="run folder")
    chain.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES[:3], metavar="STAGE",
                       help=f"of {', '.join(STAGES)} (default: the first three)")  # fmt: skip
    chain.add_argument("--evaluator", default="physical", help="see kinetype evaluate")
    chain.add_argument("--weights", help="see kinetype evaluate")
    chain.add_argument("--repeats", type=int, default=20, help="see kinetype evaluate")
    chain.add_argument("--seed", type=int, default=0, help="motion i uses seed + i (default 0)")
    chain.add_argument("--batch", type=int, default=32, help="motions generated at once")
    convert.add_ik(chain, default="published")
    batch_generate.add_engine(chain)
    chain.add_argument("--limit", type=int, help="use so many captions, the first ones")
    chain.add_argument("--skip-existing", action="store_true", help="go on with an earlier run")
    chain.add_argument("--device", help="cpu, cuda, cuda:1 ...")
    chain.add_argument("--quiet", action="store_true", help="no progress bars")
    for kind in kinds.choices.values():
        # also after the kind; the command has it too, so no default may overwrite that
        kind.add_argument("--debug", action="store_true", default=argparse.SUPPRESS,
                          help="show the traceback when something fails")  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """What was asked for; 1 when a motion failed, with the summary written either way."""
    if options.kind == "generate":
        return batch_generate.run(options)
    if options.kind == "render":
        return batch_render.run(options)
    if options.kind == "evaluate":
        return batch_evaluate.run(options)
    if options.kind == "convert":
        return _convert(options)
    return _chain(options)


def _convert(options: argparse.Namespace) -> int:
    """``kinetype convert`` by the workers of ``batch``."""
    if options.collect:
        raise InvalidRequest(
            "A conversion reads and writes folders, which all machines must see.",
            "Leave out --collect.",
        )
    options.input, options.output = options.input.absolute(), options.output.absolute()
    return convert.run(options, batch_generate.workers_of(options, here=True))


def _chain(options: argparse.Namespace) -> int:
    """Run the stages in order."""
    from ..batch import chain
    from .main import EXIT_FAILED

    if options.batch < 1 or (options.limit is not None and options.limit < 1):
        raise InvalidRequest("--batch and --limit must be 1 or more.", "Leave them out.")
    options.out = options.out.absolute()
    planned = _preflight(options)
    options.out.mkdir(parents=True, exist_ok=True)
    summary: dict[str, Any] = {
        "model": options.model,
        "seed": options.seed,
        "stages": {},
        "skipped": {},
    }
    failed = 0
    for stage in [s for s in STAGES if s in options.stages]:
        started = time.monotonic()
        found = _stage(options, stage, summary, planned)
        found["seconds"] = round(time.monotonic() - started, 1)
        summary["stages"][stage] = found
        failed += int(found.get("failed", 0))
        # after every stage: a run that is stopped in the next one has said what it did
        chain.write_summary(summary, options.out)
        counts = {key: value for key, value in found.items() if isinstance(value, (int, float))}
        console.note(f"{stage}: " + ", ".join(f"{k} {v}" for k, v in counts.items()))
        for failure in found.get("failures", [])[:3]:
            console.error(f"{failure.get('name') or failure.get('file')}: {failure['message']}",
                          failure["hint"])  # fmt: skip
    print(options.out / chain.SUMMARY)
    return EXIT_FAILED if failed else 0


Planned = tuple[list["GenerationJob"], dict[str, str]]
"""What is generated, and the names that are left out with the reason."""


def _preflight(options: argparse.Namespace) -> Planned | None:
    """What to generate; all that would be found out after hours of it is said now."""
    from ..batch import chain, evaluation, preflight
    from .outputs import check_writable

    check_writable(options.out / chain.SUMMARY)
    planned = None
    if "generate" in options.stages:
        fps, planned = _planned(options)
        seconds = sum(job.frames for job in planned[0]) / fps
        preflight.check_space(options.out, round(seconds * chain.BYTES_PER_SECOND))
    if "evaluate" in options.stages:
        evaluation.check(_evaluation(options), load=True, made=len(planned[0]) if planned else None)
    return planned


def _stage(
    options: argparse.Namespace, stage: str, summary: dict[str, Any], planned: Planned | None
) -> dict[str, Any]:
    from ..batch import chain
    from ..wire.messages import Progress

    if stage == "evaluate":
        return _evaluate(options)
    with console.ProgressBars(quiet=options.quiet) as bars:

        def on_done(done: int, total: int) -> None:
            bars.update(Progress("", stage, done, total))

        if stage == "generate":
            assert planned is not None
            summary["skipped"] = planned[1]
            return _generate(options, planned[0], on_done)
        before = chain.before(stage, options.bridge)
        workers = batch_generate.workers_of(options, here=True)
        return chain.convert(
            options.out / before,
            options.out / stage,
            stage,
            ik=options.ik,
            bridge=options.bridge,
            skeleton=options.skeleton,
            skip_existing=options.skip_existing,
            # files that travel back lie here only
            workers=replace(workers, engine="local", collect=False) if options.collect else workers,
            on_done=on_done,
        )


def _planned(options: argparse.Namespace) -> tuple[float, Planned]:
    """Frames per second of the model, and what it is to make."""
    from ..batch import chain
    from ..pipelines import registry

    info = registry.find_info(options.model, local_files_only=True)
    if info.fps <= 0:
        raise InvalidRequest(
            f"The model {options.model!r} does not say its frame rate.",
            "Register it with a ModelInfo that does.",
        )
    if options.seconds is not None:
        info.check_seconds(options.seconds)
    return info.fps, chain.plan(
        options.captions,
        options.split,
        options.gt,
        fps=info.fps,
        seconds=options.seconds,
        seed=options.seed,
        limit=options.limit,
    )


def _generate(
    options: argparse.Namespace, jobs: list[GenerationJob], on_done: Callable[[int, int], None]
) -> dict[str, Any]:
    from ..batch import chain

    return chain.generate(
        chain.NativeWork(options.out / chain.NATIVE, options.model, options.device),
        jobs,
        batch=options.batch,
        skip_existing=options.skip_existing,
        workers=batch_generate.workers_of(options),
        on_done=on_done,
    )


def _evaluate(options: argparse.Namespace) -> dict[str, object]:
    from ..evaluation import report
    from .evaluate import show

    show(report.evaluate(_evaluation(options)), options.out)
    return {"report": report.RESULT}


def _evaluation(options: argparse.Namespace) -> EvaluationSettings:
    from ..batch import chain
    from ..evaluation.settings import EvaluationSettings

    return EvaluationSettings(
        evaluator=options.evaluator,
        weights=options.weights,
        gt=options.gt,
        predictions=options.out / chain.folder_for(options.evaluator),
        captions=options.captions,
        split=options.split,
        repeats=options.repeats,
        seed=options.seed,
        limit=options.limit,
        device=options.device,
    )
