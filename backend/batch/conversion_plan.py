"""Which motions a conversion reads, and where each of them goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InvalidRequest, KinetypeError
from ..motion.io import formats, load
from ..motion.representations import motion135
from .conversion_settings import ConversionSettings


@dataclass(frozen=True)
class Job:
    """One motion: its file, where its result goes, and their names in messages and records.

    ``sample`` is its number in a file of several.
    """

    source: Path
    destination: Path
    source_name: str
    name: str
    sample: int | None = None


def plan(source: Path, destination: Path, settings: ConversionSettings) -> list[Job]:
    """Every file to convert, in a fixed order; a folder keeps its structure.

    Raises:
        InvalidRequest: nothing to convert, or a suffix that cannot be written.
    """
    suffix = f".{settings.file_format}"
    if not source.exists():
        raise InvalidRequest(f"There is no file or folder {source}.", "Check the path.")
    if not source.is_dir():
        if destination.is_dir() or not destination.suffix:
            return _into_folder([source], source.parent, destination, settings)
        if destination.suffix.lower() != suffix:
            raise InvalidRequest(
                f"{destination} does not end with {suffix}.",
                f"{settings.target} is written here as {suffix}; choose another name or format.",
            )
        if destination.exists() and destination.samefile(source):
            raise InvalidRequest(f"{destination} is the input itself.", "Choose another name.")
        return [Job(source, destination, source.name, destination.name, settings.sample)]
    if destination.exists() and (not destination.is_dir() or destination.samefile(source)):
        raise InvalidRequest(
            f"{destination} cannot take the results of a folder.", "Name another folder."
        )
    paths = list(_inputs(source, destination, settings))
    if not paths:
        raise InvalidRequest(
            f"{source} holds no file to convert.", f"Expected {', '.join(load.SUFFIXES)} files."
        )
    return _into_folder(paths, source, destination, settings)


def _into_folder(
    paths: Sequence[Path], source: Path, destination: Path, settings: ConversionSettings
) -> list[Job]:
    """A job for every motion of every file; files of one name keep their suffixes in theirs.

    Files of several motions become name_000, name_001, ...
    """
    names = [path.relative_to(source).with_suffix("") for path in paths]
    plain = Counter(name.as_posix().casefold() for name in names)
    jobs: list[Job] = []
    taken: set[str] = set()
    for path, name in zip(paths, names, strict=True):
        if plain[name.as_posix().casefold()] > 1:
            name = name.with_name(f"{name.name}_{path.suffix[1:]}")
        count = _motions_in(path) if settings.sample is None else 1
        for number in range(count):
            own = name.with_name(f"{name.name}_{number:03d}") if count > 1 else name
            own = _free(own, taken)
            target = destination / own.with_name(f"{own.name}.{settings.file_format}")
            if target.exists() and target.samefile(path):
                raise InvalidRequest(f"{target} is the input itself.", "Name another folder.")
            sample = number if count > 1 else settings.sample
            jobs.append(
                Job(path, target, path.relative_to(source).as_posix(),
                    target.relative_to(destination).as_posix(), sample)
            )  # fmt: skip
    return jobs


def _free(name: Path, taken: set[str]) -> Path:
    """The name, or the first of name_2, name_3, ... that is not taken; it is taken then."""
    number, free = 1, name
    while free.as_posix().casefold() in taken:
        number += 1
        free = name.with_name(f"{name.name}_{number}")
    taken.add(free.as_posix().casefold())
    return free


def _motions_in(path: Path) -> int:
    row = formats.by_suffix(path)
    try:
        return row.count(path) if row else 1
    except KinetypeError:
        return 1  # converting it says what is wrong


def _inputs(source: Path, destination: Path, settings: ConversionSettings) -> Iterator[Path]:
    suffixes = {
        load.AUTO: load.SUFFIXES,
        load.BVH: (".bvh",),
        load.AMASS: (".npz",),
        motion135.SPEC.name: load.SUFFIXES,
    }.get(settings.source, (".npy",))
    own = destination.resolve()
    statistics = {Path(p).resolve() for p in (settings.mean, settings.std) if p}
    for path in sorted(source.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(source).parts)
        resolved = path.resolve()
        if hidden or resolved.is_relative_to(own) or resolved in statistics:
            continue
        if path.suffix.lower() in suffixes and path.is_file():
            yield path
