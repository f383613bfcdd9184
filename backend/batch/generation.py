"""``kinetype batch generate``: many requests to one npz a sample, by any engine and any number.

Every request goes through the engine of :mod:`backend.service`, alone and on one thread, so a
sample has the same bits as from ``kinetype generate`` on one thread, whoever makes it.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..errors import FormatError, InvalidRequest, KinetypeError
from ..motion.io.atomic import remove_leftovers
from ..pipelines import registry
from ..store.folder_lock import folder_lock
from ..wire.messages import Request
from . import drive
from .job_file import Job, sample_names
from .stage import Made, Stage, summarise, write_summary
from .work import DONE, FAILED, Outcome
from .workers import Workers

if TYPE_CHECKING:
    from ..service.engine import Engine as Service

JOURNAL = ".kinetype-generate.jsonl"
ONE = Workers()


@dataclass(frozen=True)
class Item:
    """A job of the plan with the digest of all that its motions depend on."""

    job: Job
    key: str

    @property
    def name(self) -> str:
        """Stem of the files."""
        return self.job.name


@dataclass
class GenerateWork:
    """Makes the motions of jobs and writes ``out/NAME.npz``.

    Attributes:
        out: run folder, absolute.
        device: as for ``kinetype generate``.
        offline: never use the network.
        models: what to load before the first chunk.
    """

    out: Path
    device: str | None = None
    offline: bool = False
    models: tuple[str, ...] = ()
    _engine: Service | None = field(default=None, repr=False)

    def load(self) -> None:
        """See :class:`backend.batch.work.Work`."""
        from ..service.engine import Engine as Service

        self._engine = Service(device=self.device, threads=1)
        for model in self.models[:1]:
            self._engine.load(model)

    def run(self, items: Sequence[Item]) -> list[Outcome]:
        """See :class:`backend.batch.work.Work`."""
        return [self._one(item) for item in items]

    def _one(self, item: Item) -> Outcome:
        from ..motion.io import npz

        assert self._engine is not None
        started = time.perf_counter()
        names = tuple(f"{name}.npz" for name in sample_names(item.job))
        try:
            result = self._engine.run(request_of(item.job))
            # a request that keeps the best of its samples has one motion and one file
            written = names if len(result.motions) == len(names) else (f"{item.name}.npz",)
            for name, motion in zip(written, result.motions, strict=True):
                npz.write_motion(self.out / name, motion)
        except KinetypeError as error:
            return Outcome(
                item.name, FAILED, item.key, message=error.message, hint=error.hint,
                seconds=round(time.perf_counter() - started, 4),
            )  # fmt: skip
        return Outcome(
            item.name, DONE, item.key, written, round(time.perf_counter() - started, 4),
            tuple(result.warnings),
        )  # fmt: skip


def request_of(job: Job) -> Request:
    """The request of a job, checked; :class:`InvalidRequest` says what to change."""
    return Request.from_dict(dict(job.request)).validated()


def plan(jobs: Sequence[Job]) -> tuple[list[Item], list[str]]:
    """Items in the order of the jobs, and the models that they name; nothing is loaded.

    Raises:
        InvalidRequest: a job asks for what cannot be; the message names it.
        ModelNotFound, ArtifactError: a model that is not there.
    """
    identities: dict[str, str] = {}
    items = []
    for job in jobs:
        try:
            request = request_of(job)
            if request.model not in identities:
                registry.check(request.model)
                identities[request.model] = model_identity(request.model)
            info = registry.model_info(request.model)
            if info is not None and request.edit is None:
                info.check_seconds(request.seconds)
        except (InvalidRequest, FormatError) as error:
            raise InvalidRequest(f"Job {job.name!r}: {error.message}", error.hint) from error
        values = {**request.to_dict(), "model": identities[request.model], "version": __version__}
        del values["id"]
        text = json.dumps(values, sort_keys=True)
        items.append(Item(job, hashlib.blake2b(text.encode(), digest_size=16).hexdigest()))
    return items, list(identities)


def model_identity(name: str) -> str:
    """A text that changes when the files behind a model's name change.

    Of a model folder the digest of its small files, which record the checksums of the large ones,
    and the sizes and times of the rest; of a hub model its id.
    """
    info = registry.model_info(name)
    place = Path(name if info is None or not info.path else info.path).expanduser()
    if not place.is_dir():
        return name
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(place.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(place).as_posix().encode())
            if path.suffix == ".json" and path.stat().st_size < 1_000_000:
                digest.update(path.read_bytes())
            else:
                stat = path.stat()
                digest.update(f"{stat.st_size} {stat.st_mtime_ns}".encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class Settings:
    """How a run is done; nothing here changes a motion.

    Attributes:
        workers: who does it.
        chunk: jobs that a worker takes at a time.
        device, offline: as for ``kinetype generate``.
    """

    workers: Workers = ONE
    chunk: int = 4
    device: str | None = None
    offline: bool = False


def run(
    jobs: Sequence[Job],
    out: Path,
    settings: Settings,
    *,
    on_progress: Callable[[drive.Progress], None] = lambda _: None,
    on_failure: Callable[[Outcome], None] = lambda _: None,
) -> dict[str, object]:
    """Make what an earlier run into ``out`` has not made with the same settings; the summary.

    A job's files are kept if the journal says that the same request, model and version made them
    and they are there; jobs of other runs into the same folder stay and stay in the journal.

    Raises:
        InvalidRequest, ModelNotFound, ArtifactError: see :func:`plan`; before anything is written.
        OutputError: the folder cannot be written, or another run holds it.
        ServiceError: no worker could start.
    """
    planned = plan(jobs)
    out = out.absolute()
    with folder_lock(out):
        made = make(planned, out, settings, on_progress=on_progress, on_failure=on_failure)
        summary = summarise(made, settings.workers)
        write_summary(summary, out)
    return summary


def make(
    planned: tuple[list[Item], list[str]],
    out: Path,
    settings: Settings,
    *,
    on_progress: Callable[[drive.Progress], None] = lambda _: None,
    on_failure: Callable[[Outcome], None] = lambda _: None,
) -> Made:
    """The stage of :func:`run` that makes motions, for who holds the lock of ``out``."""
    items, models = planned
    remove_leftovers(out, {f"{n}.npz" for item in items for n in sample_names(item.job)})
    stage = Stage(out, JOURNAL, settings.workers, settings.chunk, on_progress, on_failure)
    return stage.make(items, GenerateWork(out, settings.device, settings.offline, tuple(models)))
