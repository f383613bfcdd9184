"""``kinetype batch render``: motions onto characters, to videos, pictures and .blend files.

Each worker runs Blender for one motion at a time, in a process of its own: a crash of Blender costs
one picture or sequence, never a worker's model or the rest of the run.
"""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from .. import __version__
from ..errors import FormatError, KinetypeError
from ..motion.io.atomic import remove_leftovers
from . import blender_process, drive
from .job_file import Job, sample_names
from .render_settings import PICTURES, Frames, RenderSettings
from .stage import Made, Stage
from .work import DONE, FAILED, Outcome
from .workers import Workers

JOURNAL = ".kinetype-render.jsonl"
LOGS = "logs"
PARTIAL = ".partial-*"
"""Folders of pictures that the add-on renders into before they are whole."""


@dataclass(frozen=True)
class RenderItem:
    """One motion and its pictures.

    Attributes:
        name: stem of its files, and of the motion's.
        key: digest of all that they depend on.
        motion: the motion's file.
        part: render only the pictures of these frames, beside those of other runs.
        carries: the file's content, where workers do not see it; read when the item travels.
    """

    name: str
    key: str
    motion: Path
    settings: RenderSettings
    part: Frames | None = None
    carries: bool = False
    content: bytes = field(default=b"", repr=False)

    def __getstate__(self) -> dict[str, object]:
        state = dict(self.__dict__)
        if self.carries:
            state["content"] = self.motion.read_bytes()
        return state

    @property
    def stem(self) -> str:
        """Name of its video and log: parts of a sequence do not share them."""
        if self.part is None:
            return self.name
        return f"{self.name}_{self.part[0]:04d}-{self.part[1]:04d}"

    def outputs(self) -> dict[str, str]:
        """Option of the headless program -> name in the run folder."""
        names = {"mp4": f"{self.stem}.mp4", "png": self.name, "blend": f"{self.name}.blend"}
        wanted = [kind for kind in self.settings.outputs if not (self.part and kind == "blend")]
        return {kind: names[kind] for kind in wanted}


@dataclass
class RenderWork:
    """Renders items into ``out``; made of plain values.

    Attributes:
        out: run folder, absolute.
        blender: as for :func:`backend.batch.blender_process.find`, looked for by every worker.
        quiet: no line per frame on stderr; it is in the log of the job either way.
        characters: content of the characters' files by path, where workers do not see them.
    """

    out: Path
    blender: str | None = None
    quiet: bool = False
    characters: dict[str, bytes] = field(default_factory=dict, repr=False)

    def load(self) -> None:
        """See :class:`backend.batch.work.Work`."""
        blender_process.find(self.blender)

    def run(self, items: Sequence[RenderItem]) -> list[Outcome]:
        """See :class:`backend.batch.work.Work`; a Blender that a signal ends is tried again."""
        return [self._one(item) for item in items]

    def _one(self, item: RenderItem) -> Outcome:
        started = perf_counter()
        log = f"{LOGS}/{item.stem}.log"
        warnings: list[str] = []
        try:
            told = self._render(item, log, warnings)
        except blender_process.BlenderDied:
            raise
        except KinetypeError as error:
            return Outcome(
                item.name, FAILED, item.key, _present(self.out, (log,)),
                round(perf_counter() - started, 2), message=error.message, hint=error.hint,
            )  # fmt: skip
        files = _files(item, told)
        return Outcome(
            item.name, DONE, item.key, (*files, log), round(perf_counter() - started, 2),
            tuple(warnings), record=told,
        )  # fmt: skip

    def _render(self, item: RenderItem, log: str, warnings: list[str]) -> dict[str, object]:
        """The program's last event, less its kind."""
        self.out.joinpath(LOGS).mkdir(parents=True, exist_ok=True)
        with (self.out / log).open("w+", encoding="utf-8", errors="replace") as file:
            arguments = self._arguments(item)
            file.write(f"kinetype {__version__}: {' '.join(arguments)}\n")
            file.flush()

            def tell(event: blender_process.Event) -> None:
                if event["event"] == "warning":
                    line = f"warning: {event['message']}"
                    warnings.append(event["message"])
                elif event["event"] == "progress":
                    line = f"{event['stage']} {event['step']}/{event['total']}"
                else:
                    return
                file.write(line + "\n")
                file.flush()
                if not self.quiet:
                    sys.stderr.write(f"  {item.stem}: {line}\n")
                    sys.stderr.flush()

            try:
                last = blender_process.run(
                    arguments, file, tell, what=item.stem, named=self.blender
                )
            finally:
                if item.part is None:  # a Blender that had to be killed could not
                    tidy(self.out, item)
        return {k: v for k, v in last.items() if k in ("frames", "first", "of", "fps", "seconds")}

    def _arguments(self, item: RenderItem) -> list[str]:
        """Options of ``blender_addon/headless.py``."""
        settings, motion = item.settings, item.motion
        character = settings.character
        if item.content:
            motion = self._brought(f".{item.name}.npz", item.content)
        if character is not None and character in self.characters:
            digest = hashlib.blake2b(character.encode(), digest_size=8).hexdigest()
            character = str(self._brought(f".{digest}.blend", self.characters[character]))
        options: dict[str, object] = {
            "--motion": motion, "--character": character, "--armature": settings.armature,
            "--camera": settings.camera, "--fps": settings.fps, "--width": settings.width,
            "--height": settings.height, "--engine": settings.engine,
            "--render-samples": settings.render_samples,
        }  # fmt: skip
        for kind, name in item.outputs().items():
            options["--frames" if kind == "png" else f"--{kind}"] = self.out / name
        made = [w for k, v in options.items() if v is not None for w in (f"{k}={v}",)]
        frames = item.part or settings.frames
        if item.part is not None:  # the chunks of a farm are those of its longest job
            made.append("--clip")
        return [*made, "--range", *map(str, frames)] if frames else made

    def _brought(self, name: str, content: bytes) -> Path:
        path = self.out / name
        if not path.exists() or path.stat().st_size != len(content):
            path.write_bytes(content)
        return path


def _files(item: RenderItem, told: dict[str, object]) -> tuple[str, ...]:
    files: list[str] = []
    first, count = int(str(told["first"])), int(str(told["frames"]))
    if item.part is not None and count == 0:
        return ()
    for kind, name in item.outputs().items():
        if kind == "png":
            files += [f"{name}/frame_{n:04d}.png" for n in range(first, first + count)]
        else:
            files.append(name)
    return tuple(files)


def _present(out: Path, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in names if (out / name).is_file())


# --------------------------------------------------------------------------- plan and run


def plan(
    jobs: Sequence[Job],
    out: Path,
    motions: dict[str, tuple[str, ...]],
    *,
    part: Frames | None = None,
    carries: bool = False,
) -> list[RenderItem]:
    """An item for each sample whose motion is there, in the order of the jobs.

    Args:
        motions: names of the motion files in ``out`` by the name of their job.
        part, carries: see :class:`RenderItem`.
    """
    items = []
    for job in jobs:
        settings = RenderSettings.of(job.render)
        for name in motions.get(job.name, ()):
            path = out / name
            key = _key(path, settings, part)
            items.append(RenderItem(path.stem, key, path, settings, part, carries))
    return items


def motions_there(jobs: Sequence[Job], out: Path) -> dict[str, tuple[str, ...]]:
    """The motion files that an earlier ``batch generate`` into ``out`` made, by job.

    Raises:
        FormatError: some are not there.
    """
    found, missing = {}, []
    for job in jobs:
        # a job that keeps the best of its samples has one file
        names = [f"{name}.npz" for name in sample_names(job)]
        if not all((out / n).is_file() for n in names) and (out / f"{job.name}.npz").is_file():
            names = [f"{job.name}.npz"]
        missing += [name for name in names if not (out / name).is_file()]
        found[job.name] = tuple(names)
    if missing:
        raise FormatError(
            f"{len(missing)} motions are not in {out}, {missing[0]} among them.",
            "Make them with 'kinetype batch generate' and the same jobs and --out.",
        )
    return found


def _key(motion: Path, settings: RenderSettings, part: Frames | None) -> str:
    digest = hashlib.blake2b(digest_size=16)
    digest.update(motion.read_bytes())
    values = {**settings.to_dict(), "part": part, "version": __version__}
    if settings.character is not None:
        values["character"] = character_identity(settings.character)
    digest.update(json.dumps(values, sort_keys=True).encode())
    return digest.hexdigest()


@functools.lru_cache(maxsize=256)
def character_identity(path: str) -> str:
    """Digest of a character's file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def make(
    items: Sequence[RenderItem],
    work: RenderWork,
    workers: Workers,
    *,
    journal: str = JOURNAL,
    on_progress: Callable[[drive.Progress], None] = lambda _: None,
    on_failure: Callable[[Outcome], None] = lambda _: None,
) -> Made:
    """Render what an earlier run has not; whoever calls holds the lock of the folder.

    Raises:
        OutputError: the journal cannot be written. ServiceError: no worker could start.
    """
    for item in items:
        if item.part is None:  # another process may render its neighbour
            tidy(work.out, item)
    stage = Stage(work.out, journal, workers, 1, on_progress, on_failure)
    made = stage.make(items, work)
    done = {o.name: o for o in made.outcomes if o.status == DONE}
    for item in items:
        if item.name in done and item.part is None and "png" in item.settings.outputs:
            remove_other_frames(work.out / item.name, done[item.name].files)
    return made


def tidy(out: Path, item: RenderItem) -> None:
    """Remove what a killed run left of an item."""
    remove_leftovers(out, {f"{item.name}.mp4", f"{item.name}.blend"})
    for folder in (out / item.name).glob(PARTIAL):
        shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # a folder without pictures says nothing
        (out / item.name).rmdir()


def remove_other_frames(folder: Path, files: Sequence[str]) -> None:
    """Remove what a longer motion of the same name left: a sequence would end with its pictures."""
    own = {Path(name).name for name in files}
    for path in folder.glob("frame_*.png"):
        if path.stem.removeprefix("frame_").isdecimal() and path.name not in own:
            path.unlink()


def has_pictures(settings: RenderSettings) -> bool:
    """Whether anything is rendered."""
    return any(kind in PICTURES for kind in settings.outputs)
