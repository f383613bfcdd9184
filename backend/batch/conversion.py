"""Convert a list of files: plan, one pure function per file, summary."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InternalError, KinetypeError, NoMotion, OutputError
from ..motion import cleanup, convert
from ..motion.io import body_checks, bvh_motionstreamer, formats, load
from ..motion.io.atomic import atomic_path, remove_leftovers
from ..motion.representations import joints, motion135
from ..motion.representations.statistics import denormalise
from ..wire.messages import Motion
from . import drive, journal, normalisation
from .conversion_plan import Job, plan
from .conversion_settings import ConversionSettings, skeleton_of
from .journal import CONVERTED, FAILED, SKIPPED, Record
from .work import DONE, Outcome, cut
from .workers import Workers

__all__ = ["Job", "convert_job", "plan", "run", "summarise"]

HERE = Workers(here=True)
"""In this process, one after the other."""


# --------------------------------------------------------------------------- one file


def read_clip(path: Path, settings: ConversionSettings, sample: int | None = None) -> convert.Clip:
    """Read one file, un-normalised where statistics are given.

    Args:
        sample: which of several motions; the settings' when None.

    Raises:
        KinetypeError: of reading, or of the statistics.
    """
    clip = load.read_clip(
        path,
        settings.source,
        fps=settings.source_fps,
        up=settings.up,
        force=settings.force,
        sample=settings.sample if sample is None else sample,
    )
    if not (settings.mean and settings.std):
        return clip
    spec = convert.SPECS[clip.representation]
    flat = denormalise(
        clip.data.reshape(len(clip.data), -1),
        *normalisation.statistics(settings.mean, settings.std, spec.dim),
    )
    return replace(clip, data=flat.reshape(clip.data.shape))


def convert_clip(clip: convert.Clip, settings: ConversionSettings, what: str = "") -> convert.Clip:
    """Convert what :func:`read_clip` gave, whose warnings and checks the result goes on with.

    Args:
        what: name of the file, for messages.

    Raises:
        KinetypeError: of :func:`backend.motion.convert.convert`, and of joints that no pose fits.
    """
    at_the_end = settings.target in cleanup.GROUNDED
    if settings.ground and not at_the_end:
        clip = replace(clip, data=cleanup.grounded(clip.data, clip.representation, clip.fps))
    made = convert.convert(
        clip.data,
        clip.representation,
        settings.target,
        fps=clip.fps,
        target_fps=settings.target_fps,
        options=settings.ik_options(),
    )
    if settings.ground and at_the_end:
        made = replace(made, data=cleanup.grounded(made.data, made.representation, made.fps))
    said, checks = clip.warnings, dict(clip.checks)
    fit = next((s.error_mm for s in made.steps if s.name == "joints -> motion135"), None)
    if fit is not None and clip.representation == joints.SPEC.name:
        checks["ik_error_mm"] = round(fit, 4)
        said = (*said, *body_checks.check_fit(fit, what, force=settings.force))
    return replace(made, warnings=said, checks=checks)


def write_clip(
    path: Path, clip: convert.Clip, settings: ConversionSettings, meta: dict[str, object]
) -> None:
    """Write a clip as its suffix says, whole or not at all; :class:`OutputError` otherwise."""
    data = np.ascontiguousarray(clip.data, dtype=np.float32)
    if path.suffix.lower() == ".npy":
        with atomic_path(path) as temporary:
            np.save(temporary, data)
    elif path.suffix.lower() == ".bvh" and settings.bvh_style == "motionstreamer":
        root, rotations = motion135.unpack(data)
        bvh_motionstreamer.write(path, rotations, root, fps=clip.fps)
    else:
        formats.write(path, Motion(data, clip.fps, meta), unit=settings.bvh_unit)


def convert_job(job: Job, settings: ConversionSettings, log: Path | None = None) -> Record:
    """Convert one file. Whatever goes wrong is in the record; nothing is raised.

    Args:
        log: journal that the record is added to before the output appears.
    """
    try:
        read = read_clip(job.source, settings, job.sample)
        odd = normalisation.looks_normalised(read.data, read.representation)
        clip = convert_clip(read, settings, str(job.source))
        errors = [step.error_mm for step in clip.steps if step.error_mm is not None]
        record = Record(
            job.name,
            job.source_name,
            CONVERTED,
            _key(job, settings) if log else "",
            len(clip.data),
            float(clip.fps),
            round(sum(errors), 4) if errors else None,
            tuple(f"{step.name}: {step.loses}" for step in clip.lossy_steps),
            warning=" ".join([*clip.warnings, *([normalisation.WARNING] if odd else [])]),
            checks=dict(clip.checks),
        )
        meta: dict[str, Any] = {"source": job.source_name, "lossy_steps": list(record.loses)}
        if errors:
            meta["mpjpe_mm"] = record.error_mm
        with atomic_path(job.destination) as temporary:
            write_clip(temporary, clip, settings, meta)
            if log:
                # killed between record and rename, an older output would pass for this one
                job.destination.unlink(missing_ok=True)
                journal.append(log, record)
        return record
    except OutputError as error:
        # the error names a temporary file; that of numpy says how many bytes were written
        cause = error.__cause__
        while cause is not None and not isinstance(cause, OSError):
            cause = cause.__cause__
        why = (cause and (cause.strerror or str(cause))) or error.message
        failure: KinetypeError = OutputError(f"{job.name} cannot be written: {why}.", error.hint)
    except KinetypeError as error:
        failure = error
    except Exception as error:
        # one damaged file must not end a run over thousands
        failure = InternalError(
            f"{job.source}: unexpected {type(error).__name__}: {error}",
            "Check that this file is whole; if it is, please report this.",
        )
    return Record(
        job.name,
        job.source_name,
        FAILED,
        message=failure.message,
        hint=failure.hint,
        error=failure.code,
    )


def _key(job: Job, settings: ConversionSettings) -> str:
    """Digest of what the output depends on."""
    digest = hashlib.blake2b(_settings_digest(settings), digest_size=16)
    digest.update(str(job.sample).encode())
    try:
        digest.update(job.source.read_bytes())
    except OSError:
        return ""  # it cannot be converted either, and that error is the better one
    return digest.hexdigest()


@functools.lru_cache(maxsize=4)
def _settings_digest(settings: ConversionSettings) -> bytes:
    values = asdict(settings)
    for name in ("mean", "std"):
        path = values.pop(name)
        values[name] = hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else None
    bones = skeleton_of(values.pop("skeleton"))
    values["skeleton"] = None if bones is None else hashlib.sha256(bones.tobytes()).hexdigest()
    return json.dumps(values, sort_keys=True).encode()


# --------------------------------------------------------------------------- many files


def run(
    jobs: Sequence[Job],
    settings: ConversionSettings,
    *,
    log: Path | None = None,
    skip_existing: bool = False,
    workers: Workers = HERE,
    on_done: Callable[[int, int], None] | None = None,
) -> list[Record]:
    """Convert files, in this process or in several; records in the order of ``jobs``.

    With ``skip_existing`` an output that is there stays, unless the journal knows that it was made
    from another input or with other settings. Outputs appear whole or not at all, so a run that was
    killed and started again this way leaves the same files as one that was not.

    Args:
        log: journal; without it nothing is known about the outputs of earlier runs.
        workers: who does it.
        on_done: called with the number of finished files and of all files.

    Raises:
        InvalidRequest: no worker.
        OutputError: the journal cannot be written.
        ServiceError: a worker process died.
    """
    if settings.mean and settings.std:
        normalisation.check_statistics(settings.mean, settings.std)
    known = journal.read(log, Record) if log else {}
    if log:
        journal.end_torn_line(log)
    for folder in {job.destination.parent for job in jobs}:
        own = {job.destination.name for job in jobs if job.destination.parent == folder}
        if folder.is_dir():
            remove_leftovers(folder, own)
    records: dict[str, Record] = {}
    if skip_existing:
        for job in jobs:
            if kept := _kept(job, settings, known.get(job.name)):
                records[job.name] = kept
    waiting = [job for job in jobs if job.name not in records]

    def note(outcomes: Sequence[Outcome]) -> None:
        for job, outcome in zip((by_name[o.name] for o in outcomes), outcomes, strict=True):
            records[job.name] = _record_of(job, outcome)
        if on_done:
            on_done(len(records), len(jobs))

    by_name = {job.name: job for job in jobs}
    if waiting:
        drive.execute(
            workers.of(ConvertWork(settings, log)),
            list(cut(waiting, 1)),
            on_outcomes=note,
            patience=workers.patience,
        )
    return [records[job.name] for job in jobs]


@dataclass
class ConvertWork:
    """Converts files; made of plain values."""

    settings: ConversionSettings
    log: Path | None

    def load(self) -> None:
        """Nothing takes long."""

    def run(self, items: Sequence[Job]) -> list[Outcome]:
        """See :class:`backend.batch.work.Work`."""
        found = [convert_job(job, self.settings, self.log) for job in items]
        return [
            Outcome(r.name, FAILED if r.status == FAILED else DONE, record=asdict(r)) for r in found
        ]


def _record_of(job: Job, outcome: Outcome) -> Record:
    if outcome.record is not None:
        return Record(**outcome.record)  # type: ignore[arg-type]
    # it ended its worker
    return Record(job.name, job.source_name, FAILED, message=outcome.message, hint=outcome.hint)


def _kept(job: Job, settings: ConversionSettings, record: Record | None) -> Record | None:
    """The record of an output that need not be made again, or None."""
    if not job.destination.exists():
        return None
    if record is None:
        return Record(job.name, job.source_name, SKIPPED)
    if record.status == CONVERTED and record.key == _key(job, settings):
        return replace(record, status=SKIPPED)
    return None


def summarise(records: Sequence[Record], settings: ConversionSettings) -> dict[str, object]:
    """Counts, failures per file, frames and mean error, as plain JSON values.

    ``converted`` and ``skipped`` depend on how often a run was restarted; nothing else does.
    ``no_motion`` counts the failed files that are whole and something else than a motion.
    """
    count = {s: sum(r.status == s for r in records) for s in (CONVERTED, SKIPPED, FAILED)}
    errors = [r.error_mm for r in records if r.error_mm is not None]
    return {
        "source": settings.source,
        "target": settings.target,
        "files": len(records),
        **count,
        "no_motion": sum(r.error == NoMotion.code for r in records),
        "frames": sum(r.frames for r in records),
        "mean_mpjpe_mm": round(float(np.mean(errors)), 4) if errors else None,
        "max_mpjpe_mm": max(errors) if errors else None,
        "lossy_steps": sorted({text for r in records for text in r.loses}),
        "checks": [{"file": r.source, **r.checks} for r in records if r.checks],
        "warnings": [{"file": r.source, "message": r.warning} for r in records if r.warning],
        "failures": [
            {"file": r.source, "message": r.message, "hint": r.hint}
            for r in records
            if r.status == FAILED
        ],
    }
