"""From captions to evaluated motions in stages, each a function over a list of files.

``native/NAME.npy``      what the model made, un-normalised, in its own representation
``motion135/NAME.npz``   through inverse kinematics where the model has no rotations
``ms272/NAME.npy``       for the 272 evaluator
``joints66/NAME.npy``    for the evaluator of joint positions

A stage reads the folder of the stage before it and can be run again alone; files appear whole or
not at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import numpy as np

from ..errors import InvalidRequest, KinetypeError
from ..evaluation import evaluators
from ..evaluation.test_set import check_name, split_names
from ..motion.io.atomic import atomic_path, remove_leftovers
from ..motion.io.load import SUFFIXES, read_clip
from ..motion.representations import hml263
from ..store.folder_lock import folder_lock
from . import conversion, drive, journal
from .conversion_settings import ConversionSettings
from .work import DONE, FAILED, Chunk, Outcome
from .workers import Workers

NATIVE = "native"
BYTES_PER_SECOND = 130_000
"""Of a motion in all stages, rather too many."""
HERE = Workers(here=True)
"""In this process."""
SUMMARY = "run_summary.json"
TARGETS = ("motion135", "ms272", "joints66")
"""Stages after generation; the later ones start from the first."""


class TextToMotion(Protocol):
    """What the chain needs of a pipeline."""

    def infer_t2m(
        self, captions: Sequence[str], lengths: Sequence[int], *, seed: int | None = None
    ) -> list[np.ndarray]:
        """One native clip per caption; caption ``i`` has the seed ``seed + i``."""


@dataclass(frozen=True)
class GenerationJob:
    """One motion: its seed is that of the run plus its place in the split, whoever makes it."""

    name: str
    caption: str
    frames: int
    seed: int


def plan(
    captions: Path,
    split: Path | None,
    gt: Path | None,
    *,
    fps: float,
    seconds: float | None,
    seed: int,
    limit: int | None = None,
) -> tuple[list[GenerationJob], dict[str, str]]:
    """What to generate, in the order of the split, and the names left out with the reason.

    Lengths are those of the real motions in ``gt``, at ``fps`` of the model, or ``seconds``.

    Raises:
        InvalidRequest: neither real motions nor seconds, or nothing to generate.
    """
    if gt is None and seconds is None:
        raise InvalidRequest(
            "The lengths of the motions are not known.",
            "Give the real motions with --gt, or one length with --seconds.",
        )
    names = (
        split_names(split, captions) if split else sorted(p.stem for p in captions.glob("*.txt"))
    )
    jobs, skipped = [], {}
    for place, name in enumerate(names[:limit]):
        check_name(name)
        path = captions / f"{name}.txt"
        try:
            lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        except (OSError, UnicodeDecodeError):
            skipped[name] = "a caption file that cannot be read"
            continue
        caption = next((line.split("#")[0].strip() for line in lines if line.strip()), "")
        if not caption:
            skipped[name] = "no caption"
            continue
        length = seconds
        if length is None:
            assert gt is not None
            real = next((p for s in SUFFIXES if (p := gt / f"{name}{s}").is_file()), None)
            if real is None:
                skipped[name] = "no real motion to take the length of"
                continue
            clip = read_clip(real)
            length = len(clip.data) / clip.fps
        jobs.append(GenerationJob(name, caption, max(1, round(length * fps)), seed + place))
    if not jobs:
        raise InvalidRequest(
            f"None of {len(names)} captions can be generated.", "Check --captions and --split."
        )
    return jobs, skipped


@dataclass
class NativeWork:
    """Makes clips of a model and writes ``out/NAME.npy``; made of plain values.

    Attributes:
        out: folder of the clips, absolute.
        model, device: as for ``kinetype generate``.
        pipeline: loaded from the model's name when None.
    """

    out: Path
    model: str = ""
    device: str | None = None
    pipeline: TextToMotion | None = None

    def load(self) -> None:
        """See :class:`backend.batch.work.Work`."""
        if self.pipeline is not None:
            return
        import torch

        from ..pipelines import registry

        torch.set_num_threads(1)
        loaded = registry.load_pipeline(self.model, device=self.device)
        self.pipeline = cast(TextToMotion, loaded)

    def run(self, items: Sequence[GenerationJob]) -> list[Outcome]:
        """See :class:`backend.batch.work.Work`; the items have consecutive seeds."""
        assert self.pipeline is not None
        try:
            clips = self.pipeline.infer_t2m(
                [j.caption for j in items], [j.frames for j in items], seed=items[0].seed
            )
        except KinetypeError as error:
            if len(items) > 1:  # one of them may be to blame
                return [outcome for item in items for outcome in self.run([item])]
            return [_failure(items[0], error)]
        return [self._write(job, clip) for job, clip in zip(items, clips, strict=True)]

    def _write(self, job: GenerationJob, clip: np.ndarray) -> Outcome:
        name = f"{job.name}.npy"
        try:
            with atomic_path(self.out / name) as temporary, temporary.open("wb") as file:
                np.save(file, clip.astype(np.float32))
        except KinetypeError as error:
            return _failure(job, error)
        return Outcome(job.name, DONE, files=(name,))


def _failure(job: GenerationJob, error: KinetypeError) -> Outcome:
    return Outcome(job.name, FAILED, message=error.message, hint=error.hint)


def generate(
    work: NativeWork,
    jobs: Sequence[GenerationJob],
    *,
    batch: int = 32,
    skip_existing: bool = False,
    workers: Workers = HERE,
    on_done: Callable[[int, int], None] | None = None,
) -> dict[str, object]:
    """Write ``NAME.npy`` of every job; a job that fails is named and the rest go on.

    Jobs are made in fixed chunks: the bits of a clip depend on those that it is made with. Of an
    earlier run a chunk is kept only if all its files are there.

    Raises:
        OutputError: another run writes there. ServiceError: no worker could load the model.
    """
    chunks = [Chunk(i, tuple(group)) for i, group in enumerate(_runs(jobs, batch))]
    found: list[Outcome] = []
    with folder_lock(work.out):
        remove_leftovers(work.out, {f"{job.name}.npy" for job in jobs})
        there = {path.stem for path in work.out.glob("*.npy")} if skip_existing else set()
        waiting = [c for c in chunks if not there.issuperset(job.name for job in c.items)]
        kept = len(jobs) - sum(len(c.items) for c in waiting)

        def note(outcomes: Sequence[Outcome]) -> None:
            found.extend(outcomes)
            if on_done is not None:
                on_done(kept + len(found), len(jobs))

        if waiting:
            drive.execute(workers.of(work), waiting, on_outcomes=note, patience=workers.patience)
    failures = [
        {"name": o.name, "message": o.message, "hint": o.hint} for o in found if o.status == FAILED
    ]
    return {
        "files": len(jobs),
        "made": len(found) - len(failures),
        "skipped": kept,
        "failed": len(failures),
        "failures": failures,
    }


def _runs(jobs: Sequence[GenerationJob], batch: int) -> list[list[GenerationJob]]:
    """Groups of consecutive seeds: a pipeline gives caption ``i`` the seed ``seed + i``."""
    groups: list[list[GenerationJob]] = []
    for job in jobs:
        last = groups[-1] if groups else []
        if last and len(last) < batch and job.seed == last[-1].seed + 1:
            last.append(job)
        else:
            groups.append([job])
    return groups


def before(stage: str, bridge: str) -> str:
    """The folder that a stage converts; the native bridge to 272 starts from what a model made."""
    return NATIVE if stage == TARGETS[0] or (stage, bridge) == ("ms272", "native") else TARGETS[0]


def convert(
    source: Path,
    destination: Path,
    target: str,
    *,
    ik: str = "published",
    bridge: str = "ik",
    skeleton: str | None = None,
    skip_existing: bool = False,
    workers: Workers = HERE,
    on_done: Callable[[int, int], None] | None = None,
) -> dict[str, object]:
    """All files of a folder to ``target``; the summary of ``kinetype convert``.

    Args:
        ik, bridge, skeleton: of :class:`backend.batch.conversion_settings.ConversionSettings`.
    """
    settings = ConversionSettings(
        target=target, ik=ik, bridge=bridge, skeleton=skeleton
    ).validated()
    jobs = conversion.plan(source, destination, settings)
    records = conversion.run(
        jobs,
        settings,
        log=destination / journal.NAME,
        skip_existing=skip_existing,
        workers=workers,
        on_done=on_done,
    )
    return conversion.summarise(records, settings)


def folder_for(evaluator: str) -> str:
    """The folder of a run that an evaluator judges, by the representation that it reads."""
    native = evaluators.judge_class(evaluator).native
    if native in TARGETS:
        return str(native)
    return NATIVE if native == hml263.SPEC.name else TARGETS[0]


def write_summary(summary: dict[str, object], out: Path) -> None:
    """``run_summary.json``, whole or not at all."""
    with atomic_path(out / SUMMARY) as temporary:
        temporary.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
