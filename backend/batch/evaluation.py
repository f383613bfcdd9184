"""``kinetype batch evaluate``: several evaluators over several folders, each report as alone.

A pair of an evaluator and a folder is the unit of work; of the evaluator ``physical``, which judges
each motion alone, a file is, so that one folder too is spread over all workers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from .. import __version__
from ..errors import FormatError, InvalidRequest, KinetypeError
from ..evaluation import evaluators, physical_rows, report, test_set
from ..evaluation.evaluators.parts.judge import Judge, Report
from ..evaluation.evaluators.physical import PhysicalJudge
from ..evaluation.settings import EvaluationSettings
from ..motion.io.load import read_clip
from . import drive
from .stage import Made, Stage
from .work import DONE, FAILED, Outcome
from .workers import Workers

JOURNAL = ".kinetype-evaluate.jsonl"
MEASURES = ".kinetype-measure.jsonl"


@dataclass(frozen=True)
class Item:
    """One report; ``name`` is its folder in the run folder."""

    name: str
    key: str
    settings: EvaluationSettings


@dataclass
class EvaluateWork:
    """Makes reports and writes ``out/NAME/evaluation.json``; made of plain values."""

    out: Path

    def load(self) -> None:
        """Evaluators differ from item to item."""

    def run(self, items: Sequence[Item]) -> list[Outcome]:
        """See :class:`backend.batch.work.Work`."""
        return [_report(self.out, item, lambda i: report.evaluate(i.settings)) for item in items]


def _report(out: Path, item: Item, judge: Callable[[Item], Report]) -> Outcome:
    try:
        found = judge(item)
        report.write(found, out / item.name)
    except KinetypeError as error:
        return Outcome(item.name, FAILED, item.key, message=error.message, hint=error.hint)
    told = {k: found[k] for k in ("text", "n", "seconds", "warnings")}
    skipped = len(found["skipped"])
    files = (f"{item.name}/{report.RESULT}",)
    return Outcome(item.name, DONE, item.key, files, record={**told, "skipped": skipped})


@dataclass(frozen=True)
class Measured:
    """One motion file to measure; its name is its path."""

    name: str
    key: str


@dataclass
class MeasureWork:
    """Physical metrics of files."""

    def load(self) -> None:
        """Nothing takes long."""

    def run(self, items: Sequence[Measured]) -> list[Outcome]:
        """See :class:`backend.batch.work.Work`."""
        return [self._one(item) for item in items]

    def _one(self, item: Measured) -> Outcome:
        try:
            found = physical_rows.motion_metrics(Path(item.name))
        except KinetypeError as error:
            return Outcome(item.name, FAILED, item.key, message=error.message, hint=error.hint)
        return Outcome(item.name, DONE, item.key, record=dict(found))


# --------------------------------------------------------------------------- plan


def plan(asked: Sequence[EvaluationSettings]) -> list[Item]:
    """An item for each, checked as far as it can be without judging.

    Raises:
        InvalidRequest: folders, captions or evaluators that are not there, too few motions, or two
            reports of one name.
        FormatError: motions of another representation than the evaluator reads.
    """
    items: list[Item] = []
    for settings in asked:
        whole = _absolute(settings)
        check(whole)
        folder = whole.predictions or whole.gt
        assert folder is not None
        name = f"{whole.evaluator}_{folder.name}"
        if name in {item.name for item in items}:
            raise InvalidRequest(
                f"Two reports would be named {name}.", "Judge those folders in two runs."
            )
        items.append(Item(name, _key(whole), whole))
    return items


def check(settings: EvaluationSettings, *, load: bool = False, made: int | None = None) -> None:
    """What makes an evaluation fail after the motions are made; see :func:`plan`.

    Predictions need not be there yet.

    Args:
        load: load the evaluator, too, and let it go: its files may be missing or broken.
        made: how many motions will be there to judge; as many as real ones when None.
    """
    judge = evaluators.judge_class(settings.evaluator)
    gt = replace(settings, gt_only=True)
    names = gt.names()
    if judge is PhysicalJudge or judge.native is None:
        return
    asked = judge.protocol(settings)  # type: ignore[attr-defined]
    if settings.captions is None or not settings.captions.is_dir():
        raise InvalidRequest(
            "Text metrics need captions.", "Give --captions, or use --evaluator physical."
        )
    there = [path for name in names if (path := test_set.motion_file(gt.folder(), name))]
    asked.gallery(len(there) if made is None else min(made, len(there)))
    _check_representation(judge, there[0], settings)
    if load:
        judge.loaded(settings.weights, device=settings.device)  # type: ignore[attr-defined]


def _check_representation(judge: type[Judge], path: Path, settings: EvaluationSettings) -> None:
    assert judge.native is not None
    found = read_clip(path, prefer=judge.native, force=True).representation
    if found != judge.native and not settings.convert:
        raise FormatError(
            f"{path} holds {found}; {settings.evaluator} reads {judge.native}.",
            f"Convert the folder first: kinetype convert IN OUT --from {found} --to {judge.native}"
            "; or add --convert.",
        )


def _absolute(settings: EvaluationSettings) -> EvaluationSettings:
    """For workers, whose current folder may be another."""
    names = ("gt", "predictions", "captions", "split")
    paths = {n: p.absolute() for n in names if (p := getattr(settings, n)) is not None}
    weights = settings.weights
    if weights is not None and Path(weights).exists():
        weights = Path(weights).absolute()
    return replace(settings, weights=weights, **paths)


def _key(settings: EvaluationSettings) -> str:
    digest = hashlib.blake2b(digest_size=16)
    values = {**asdict(settings), "version": __version__}
    digest.update(json.dumps(values, sort_keys=True, default=str).encode())
    for place in (settings.gt, settings.predictions, settings.captions, settings.split):
        inside = sorted(place.iterdir()) if place is not None and place.is_dir() else [place]
        for path in inside:
            if path is not None and path.is_file():
                stat = path.stat()
                digest.update(f"{path} {stat.st_size} {stat.st_mtime_ns}".encode())
    return digest.hexdigest()


# --------------------------------------------------------------------------- run


def make(
    items: Sequence[Item],
    out: Path,
    workers: Workers,
    *,
    on_progress: Callable[[drive.Progress], None] = lambda _: None,
    on_failure: Callable[[Outcome], None] = lambda _: None,
) -> Made:
    """Make what an earlier run has not made of the same files; who calls holds the lock of ``out``.

    Raises:
        OutputError: the journal cannot be written. ServiceError: no worker could start.
    """
    apart = [item for item in items if item.settings.evaluator != PhysicalJudge.name]
    stage = Stage(out, JOURNAL, workers, 1, on_progress, on_failure)
    made = stage.make(apart, EvaluateWork(out))
    found = {outcome.name: outcome for outcome in made.outcomes}
    measuring = Stage(out, MEASURES, workers, 16, on_progress, lambda _: None)
    for item in items:
        if item.name in found:
            continue
        measured = _measure(item.settings, measuring)

        def judged(i: Item, m: dict[Path, Outcome] = measured) -> Report:
            return report.finished(_judged(i.settings, m), 0.0)

        outcome = _report(out, item, judged)
        found[item.name] = outcome
        if outcome.status == FAILED:
            on_failure(outcome)
    return replace(made, outcomes=[found[item.name] for item in items])


def _judged(settings: EvaluationSettings, measured: dict[Path, Outcome]) -> Report:
    def metrics(path: Path) -> dict[str, float]:
        outcome = measured[path]
        if outcome.status == FAILED or outcome.record is None:
            raise FormatError(outcome.message, outcome.hint)
        return {name: float(str(value)) for name, value in outcome.record.items()}

    return PhysicalJudge.of(settings, metrics)


def _measure(settings: EvaluationSettings, stage: Stage) -> dict[Path, Outcome]:
    paths = [
        path
        for folder in (settings.folder(), settings.judged)
        if folder is not None
        for name in settings.names()
        if (path := test_set.motion_file(folder, name)) is not None
    ]
    items = [Measured(str(p), f"{p.stat().st_size} {p.stat().st_mtime_ns} {__version__}")
             for p in dict.fromkeys(paths)]  # fmt: skip
    return {Path(o.name): o for o in stage.make(items, MeasureWork()).outcomes}


def rows(made: Made) -> dict[str, str]:
    """The printed table of each report that was made, by its name."""
    return {o.name: str(o.record["text"]) for o in made.outcomes if o.record and "text" in o.record}
