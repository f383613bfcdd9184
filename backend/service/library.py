"""The librarian: downloads, links, removes and converts models, each only when it is asked to.

Works beside the engine on a thread of its own, so that a download never holds up a generation.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from ..errors import (
    ArtifactError,
    InvalidRequest,
    KinetypeError,
    ModelAbsent,
    ModelNotFound,
    OutputError,
    error_class,
)
from ..pipelines import registry
from ..pipelines.family import Family, families, family_of
from ..pipelines.kinds import kind_in
from ..store import hub, hub_cache, own_models, watch
from ..store.child_job import ChildJob
from ..wire.control import ModelInfo
from ..wire.messages import Progress
from ..wire.model_words import size_text
from ..wire.tasks import ModelTask, TaskDone

OnProgress = Callable[[Progress], None]
TOLD_SECONDS = 0.1
"""At most so often somebody hears how far it is."""
_SPARE_BYTES = 200_000_000

_log = logging.getLogger(__name__)


class Librarian:
    """Does one :class:`ModelTask` after the other; see :mod:`backend.wire.tasks`."""

    def run(self, task: ModelTask, on_progress: OnProgress | None = None) -> TaskDone:
        """Do it.

        Args:
            on_progress: called at least twice a second while something takes time; it may raise
                ``Cancelled``, which then leaves this function. What has arrived stays.

        Raises:
            KinetypeError: what is wrong, in the words of its cause.
        """
        task = task.validated()
        work = {
            "download": _download,
            "remove": _remove,
            "link": _link,
            "convert": _convert,
        }[task.verb]
        with watch.watched(told(task.id, on_progress or (lambda _: None))):
            return work(task)


def told(job: str, report: OnProgress) -> watch.Tell:
    """A watcher that reports the bytes of a job, not too often."""
    last = 0.0

    def tell(stage: str, done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        whole = stage == watch.DOWNLOADING and total > 0 and done >= total
        if now - last >= TOLD_SECONDS or whole:
            last = now
            report(Progress(job, stage, done, total))

    return tell


# ---------------------------------------------------------------- download


def _download(task: ModelTask) -> TaskDone:
    """Fetch all files of a published model, each held against the hub's checksum."""
    name, _, revision = task.model.partition("@")
    info = registry.model_info(name) or _of_hub_id(name)
    repo = info.hub_id if info and info.hub_id else name
    if info is not None and not info.hub_id:
        raise InvalidRequest(
            f"{name!r} needs no download: it {registry.state_words(info)}.", "Use it as it is."
        )
    if hub_cache.offline():
        raise ModelAbsent(
            f"{repo} cannot be downloaded: the environment forbids the network (HF_HUB_OFFLINE).",
            "Unset that variable, then try again.",
            task.model,
        )
    if info is not None:
        _check_space(info)
    own_models.begin(repo)
    watch.moved(watch.DOWNLOADING, 0, 0)  # a cancel of what has waited
    folder = hub.resolve(repo, (), optional=("*",), revision=revision or None, check_all=True)
    _fetch_text_encoder(folder)
    own_models.finish(repo)
    title = info.title if info is not None else repo
    return TaskDone(task.id, f"{title} is on this computer now, checked: {folder}", task.model)


def _of_hub_id(name: str) -> ModelInfo | None:
    return next((info for info in registry.list_models() if info.hub_id == name), None)


def _check_space(info: ModelInfo) -> None:
    place = hub_cache.repository(info.hub_id)
    while not place.exists() and place != place.parent:
        place = place.parent
    need = info.size_bytes + info.encoder_bytes - info.arrived_bytes + _SPARE_BYTES
    free = shutil.disk_usage(place).free
    if free < need:
        raise OutputError(
            f"{info.title} takes {size_text(need)}, and {place} has {size_text(free)} left.",
            "Free some space, or set HF_HOME to a folder on another disk.",
        )


def _fetch_text_encoder(folder: Path) -> None:
    """The text encoder of a model that came without, so that it works offline from now on."""
    try:
        family = family_of(kind_in(folder))
    except ArtifactError:  # no model of ours: a text encoder, for example
        return
    if family.companions:
        family.load(family.companions)(folder)


# ---------------------------------------------------------------- remove, link


def _remove(task: ModelTask) -> TaskDone:
    info = registry.model_info(task.model)
    if info is not None and info.state == "linked":
        own_models.unlink(task.model)
        text = f"{info.title} is not in the list any more; its folder stays: {info.path}"
    elif info is not None and info.state == "converted":
        own_models.remove_converted(task.model)
        text = f"{info.title} was deleted."
    elif info is not None and not info.hub_id:
        raise InvalidRequest(
            f"{info.title} {registry.state_words(info)}.", "It cannot be removed alone."
        )
    else:
        own_models.remove_download(info.hub_id if info else task.model.partition("@")[0])
        text = f"The download of {info.title if info else task.model} was deleted."
    return TaskDone(task.id, text)


def _link(task: ModelTask) -> TaskDone:
    folder = Path(task.place).expanduser().absolute()
    info = registry.find_info(folder)  # raises where it holds no model
    name = _free_name(task.model or folder.name)
    own_models.link(name, folder)
    return TaskDone(task.id, f"{info.title} is in the list now.", name)


def _free_name(wanted: str) -> str:
    taken, number, found = {info.name for info in registry.list_models()}, 1, wanted
    while found in taken:
        number += 1
        found = f"{wanted}-{number}"
    return found


# ---------------------------------------------------------------- convert


def _convert(task: ModelTask) -> TaskDone:
    """Convert a release in a child process and compare both; nothing is kept of a failure."""
    source = Path(task.place).expanduser().absolute()
    family = families().get(task.family) if task.family else _family_of(source)
    if family is None or not family.converter:
        known = ", ".join(f.name for f in families().values() if f.converter)
        raise ModelNotFound(
            f"{source} is no released checkpoint that is known by its files.",
            f"Choose whose it is: {known}. Or choose the checkpoint's folder.",
        )
    if source.is_file() and family.name != "mdm":
        source = source.parent
    out = own_models.new_place(_free_name(source.parent.name if source.is_file() else source.name))
    job = {
        "family": family.name,
        "source": str(source),
        "out": str(out),
        "text_encoder": task.text_encoder,
    }
    try:
        said = _in_child(job)
    finally:
        for rest in out.parent.glob(f".{out.name[:80]}.*"):  # of a child that was ended
            shutil.rmtree(rest, ignore_errors=True)
    text = " ".join(["Converted and compared with the released checkpoint.", *said])
    return TaskDone(task.id, text, out.name)


def _family_of(source: Path) -> Family | None:
    """Whose release this is, by its files."""
    folder = source.parent if source.is_file() else source
    for family in families().values():
        if not family.converter:
            continue
        if family.released is not None and family.released(source):
            return family
        if family.unmistakable and (folder / family.unmistakable).is_file():
            return family
    try:
        return family_of(kind_in(folder))
    except (KinetypeError, OSError):
        return None


def _in_child(job: Mapping[str, str]) -> list[str]:
    """What the converter said; its stages are told."""
    package = Path(__file__).resolve().parents[1]
    command = ["-m", f"{package.name}.service.converting"]
    said: list[str] = []
    stage, done, total = "converting", 0, 0
    with ChildJob(command, job, env={"PYTHONPATH": str(package.parent)}) as child:
        while True:
            line = child.line()
            if line:
                answer = json.loads(line)
                if "error" in answer:
                    error = answer["error"]
                    kind = error_class(error["code"])
                    raise kind(error["message"], error["hint"], error["detail"])
                if "said" in answer:
                    said.append(answer["said"])
                elif "done" in answer:
                    return said
                else:
                    stage, done, total = answer["stage"], answer["step"], answer["total"]
            elif line == b"":
                raise ArtifactError(
                    f"The conversion ended with code {child.code()}.",
                    "It may have needed more memory than there is; nothing was kept.",
                )
            watch.moved(stage, done, total)
