"""The one door to models by name: a directory, or a hub id that is cached or downloaded.

Downloads run in a child process (:mod:`.hub_fetch`): it can be ended at any moment, also when the
hub stalls, and this process never imports the hub's library.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TypedDict

from ..errors import (
    ArtifactError,
    KinetypeError,
    MissingDependency,
    ModelAbsent,
    ModelNotFound,
)
from . import hub_cache, watch
from .child_job import ChildJob
from .config_files import COPY_HINT, local_folder, refuse_file

OnBytes = Callable[[int, int], None]
"""``on_bytes(done, total)``, total 0 while unknown; it may raise ``Cancelled``."""
CHUNK_BYTES = 1_000_000
STALL_SECONDS = 120.0
"""Without a byte for so long a download is given up; the hub's own client tries again before."""
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_REVISION = re.compile(r"(?!.*\.\.)[A-Za-z0-9_][\w./+-]*")
"""Branches, tags and commits: the cache keeps files of these names, so none may lead out of it."""


class Listed(TypedDict):
    """A file as the hub lists it; ``sha256``, or ``git``'s sha1 of small ones, may be absent."""

    name: str
    size: int | None
    sha256: str | None
    git: str | None


class _Failure(TypedDict, total=False):
    kind: str
    status: int
    path: str
    text: str


class _Answer(TypedDict, total=False):
    listing: list[Listed]
    folder: str
    error: _Failure


_CHECKED_BYTES = 8_000_000
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
"""Names of blobs: git's sha1 of small files, sha256 of large ones."""
_AGAIN = "What has arrived is kept: the next try goes on from there."
TOKEN_HINT = (
    "set the variable HF_TOKEN to a token of your account, in the environment that the program is"
    " started from"
)
"""How somebody shows who they are; a token is never asked for, stored or shown."""


def resolve(
    name_or_path: str | Path,
    files: Sequence[str],
    *,
    optional: Sequence[str] = (),
    revision: str | None = None,
    local_files_only: bool = False,
    on_bytes: OnBytes | None = None,
    check_all: bool = False,
) -> Path:
    """The local folder of a model, with every file of ``files`` in it.

    Args:
        name_or_path: a directory, or a hub id "owner/name" (fetched into the Hugging Face cache),
            which "owner/name@revision" pins.
        optional: files (or patterns) that are fetched when the model has them.
        revision: branch, tag or commit of a hub model; what stands after an @ when None.
        local_files_only: never use the network; so does the environment's ``HF_HUB_OFFLINE``.
        on_bytes: told at least twice a second while something is downloaded; whoever watches
            (:func:`.watch.watched`) when None.
        check_all: as :func:`download`.

    Raises:
        ModelNotFound: neither such a directory nor such a hub model.
        ModelAbsent: a hub model that is not here, with ``local_files_only``.
        ArtifactError: a file is missing, or leads out of the model's folder.
    """
    folder = local_folder(name_or_path)
    repo, _, pinned = str(name_or_path).partition("@")
    if folder is None:
        refuse_file(name_or_path)
        if not _HUB_ID.fullmatch(repo):
            raise ModelNotFound(
                f"There is no model {str(name_or_path)!r}.",
                "Give a model directory, a hub id (owner/name), or a name of `kinetype models`.",
            )
        wanted, at = [*files, *optional], revision or pinned or None
        if local_files_only or hub_cache.offline():
            folder = cached(repo, at)
        else:
            folder = download(repo, wanted, revision=at, on_bytes=on_bytes, check_all=check_all)
    missing = [name for name in files if not inside(folder, name).is_file()]
    if missing:
        raise ArtifactError(f"The model in {folder} lacks {', '.join(missing)}.", COPY_HINT)
    for name in optional:
        inside(folder, name)
    return folder


def inside(folder: Path, name: str) -> Path:
    """``folder / name``, or :class:`ArtifactError` if that leads out of the model.

    Links are followed to blobs of a Hugging Face cache, from its own snapshots and from any folder
    of links to them; nowhere else.
    """
    relative = PurePosixPath(name)
    plain = bool(name) and not set(name) & set("\\:\0")
    if not plain or relative.is_absolute() or ".." in relative.parts:
        raise ArtifactError(f"{name!r} is not a file name inside a model.", COPY_HINT)
    root = folder.resolve()
    if root.parent.name == "snapshots" and root.parent.parent.name.startswith("models--"):
        root = root.parent.parent
    target = (folder / relative).resolve()
    if not target.is_relative_to(root) and not _is_blob(target):
        raise ArtifactError(
            f"{folder / relative} is a link that leads out of the model's folder.",
            "Put the file itself there.",
        )
    return folder / relative


def _is_blob(path: Path) -> bool:
    """Whether a file is one that a Hugging Face cache keeps by its hash."""
    home = path.parent
    named = home.name == "blobs" and home.parent.name.startswith("models--")
    return named and _HASH.fullmatch(path.name) is not None


def cached(repo: str, revision: str | None = None) -> Path:
    """The snapshot of a hub model on this computer.

    Raises:
        ModelAbsent: it is not there; the hint names revisions that are.
    """
    _check_revision(revision)
    folder = hub_cache.snapshot(repo, revision)
    if folder is None:
        raise _absent(repo, revision)
    return folder


def download(
    repo: str,
    files: Sequence[str],
    *,
    revision: str | None = None,
    on_bytes: OnBytes | None = None,
    check_all: bool = False,
) -> Path:
    """Fetch files of a hub model that are not here yet, or are of another commit by now.

    What arrives is held against the hub's checksums; of a damaged file nothing is kept. Where the
    hub cannot be reached, a copy on this computer is used.

    Args:
        files: names or patterns.
        on_bytes: receives progress; where nobody watches the client's own bars are shown.
        check_all: check the files that were here already, too.

    Raises:
        ModelNotFound: the hub has no such model or revision, or wants an agreement first.
        ArtifactError: the cause as it is: too many requests, a fault of the hub, a full disk, no
            network, damaged bytes.
    """
    _check_revision(revision)
    if on_bytes is None and watch.is_watched():
        on_bytes = functools.partial(watch.moved, watch.DOWNLOADING)
    job = {"repo": repo, "revision": revision, "files": list(files), "chunk": CHUNK_BYTES}
    listing: list[Listed] = []
    known: set[str] = set()
    with _tidied(repo), _Child(job, quiet=on_bytes is not None) as child:
        while True:
            answer = child.answer()
            if answer is None:
                _tell(on_bytes, listing, repo, child)
            elif "listing" in answer:
                listing, before = answer["listing"], hub_cache.snapshot(repo, revision)
                known = {f["name"] for f in listing if before and (before / f["name"]).exists()}
            elif "folder" in answer:
                folder = Path(answer["folder"])
                break
            else:
                raise _failure(repo, revision, answer["error"])
    _tell(on_bytes, listing, repo, None)
    damaged = _damaged(folder, [f for f in listing if check_all or f["name"] not in known])
    if damaged and known.issuperset(damaged):  # of an earlier day: fetched anew
        return download(repo, files, revision=revision, on_bytes=on_bytes)
    if damaged:
        raise ArtifactError(
            f"What arrived of {repo} is damaged: {', '.join(damaged)} is not the file whose "
            "checksum the hub names. It was removed.",
            "Download it again. If that repeats, something between here and the hub (a proxy, a "
            "virus scanner, the disk) changes files.",
        )
    return folder


@contextmanager
def _tidied(repo: str) -> Iterator[None]:
    """Remove what an ended download leaves that nobody goes on with: newer versions of the client
    give each try a name of its own, ``HASH.UNIQUE.incomplete``."""
    blobs = hub_cache.repository(repo) / "blobs"
    before = set(blobs.glob("*.*.incomplete"))
    try:
        yield
    finally:
        for path in set(blobs.glob("*.*.incomplete")) - before:
            with suppress(OSError):
                path.unlink()


# ---------------------------------------------------------------- the child


class _Child(ChildJob):
    """A process that downloads (:mod:`.hub_fetch`)."""

    def __init__(self, job: Mapping[str, object], *, quiet: bool) -> None:
        env = {"HF_HUB_DISABLE_PROGRESS_BARS": "1"} if quiet else {}
        # -P: this folder must not come before the standard library, whose names it repeats
        script = str(Path(__file__).with_name("hub_fetch.py"))
        super().__init__(["-P", script], job, env=env)
        self._moved, self._seen = time.monotonic(), -1

    def answer(self) -> _Answer | None:
        """The next answer, or None where there is none yet."""
        line = self.line()
        if line is None:
            return None
        if line:
            found: _Answer = json.loads(line)
            return found
        text = f"The download ended with code {self.code()}."
        return {"error": {"kind": "ended", "text": text}}

    def saw(self, done: int) -> None:
        """Give up where nothing has moved for :data:`STALL_SECONDS`."""
        if done != self._seen:
            self._moved, self._seen = time.monotonic(), done
        if time.monotonic() - self._moved > STALL_SECONDS:
            raise ArtifactError(
                f"The hub has sent nothing for {STALL_SECONDS:.0f} seconds.",
                f"Try again later. {_AGAIN}",
            )


def _tell(
    on_bytes: OnBytes | None,
    listing: Sequence[Listed],
    repo: str,
    child: _Child | None,
) -> None:
    blobs = hub_cache.repository(repo) / "blobs"
    done = sum(_arrived(blobs, str(f["sha256"] or f["git"] or "-")) for f in listing)
    if child is not None:
        child.saw(done)
    if on_bytes is not None:
        total = sum(f["size"] or 0 for f in listing)
        on_bytes(total if child is None else min(done, total), total)


def _arrived(blobs: Path, name: str) -> int:
    """Bytes of a blob that are here, complete or not."""
    sizes = [0]
    for path in (blobs / name, *blobs.glob(f"{name}*.incomplete")):
        with suppress(OSError):
            sizes.append(path.stat().st_size)
    return max(sizes)


# ---------------------------------------------------------------- what arrived


def _damaged(folder: Path, listing: Sequence[Listed]) -> list[str]:
    """Names of files that are not what the hub says; they and the snapshot are removed."""
    found = []
    for file in listing:
        path = folder / file["name"]
        if path.is_file() and not _as_told(path, file):
            found.append(file["name"])
            path.resolve().unlink()
    if found:
        shutil.rmtree(folder, ignore_errors=True)  # links; the sound files behind them stay
    return found


def _as_told(path: Path, file: Listed) -> bool:
    size = path.stat().st_size
    if file["size"] is not None and size != file["size"]:
        return False
    if file["sha256"]:
        found, expected = hashlib.sha256(), file["sha256"]
    elif file["git"]:
        header = f"blob {size}\0".encode()
        found, expected = hashlib.sha1(header, usedforsecurity=False), file["git"]
    else:
        return True
    with path.open("rb") as stream:
        while data := stream.read(_CHECKED_BYTES):
            found.update(data)
            watch.moved(watch.CHECKING, stream.tell(), size)
    return found.hexdigest() == expected


# ---------------------------------------------------------------- errors


def _check_revision(revision: str | None) -> None:
    if revision is not None and not _REVISION.fullmatch(revision):
        raise ModelNotFound(
            f"{revision[:60]!r} is no revision of a hub model.",
            "Give a branch, a tag or a commit, or leave it out.",
        )


def _absent(repo: str, revision: str | None) -> ModelAbsent:
    at, name = (f" at revision {revision!r}", f"{repo}@{revision}") if revision else ("", repo)
    hint = "Download it first, or give the folder of a copy."
    if hub_cache.offline():
        hint = "Go online once (unset HF_HUB_OFFLINE), or give the folder of a copy."
    found = hub_cache.revisions(repo)
    if found:
        hint += f" This computer has the revision {' and '.join(found)}: use {repo}@{found[-1]}."
    return ModelAbsent(f"The model {repo!r}{at} is not on this computer.", hint, name)


def _failure(repo: str, revision: str | None, error: _Failure) -> KinetypeError:
    """The child's error in the words of its cause."""
    kind, status, text = error["kind"], error.get("status", 0), error["text"]
    at = f" at revision {revision!r}" if revision else ""
    if kind == "gated" or status == 403:
        return ModelNotFound(
            f"The hub model {repo!r} asks for an agreement first.",
            f"Accept it at https://huggingface.co/{repo}, then {TOKEN_HINT}.",
            text,
        )
    if kind in ("no_model", "no_revision") or status in (401, 404):
        return ModelNotFound(
            f"There is no hub model {repo!r}{at}, or it is private.",
            f"Check the spelling; for a private one {TOKEN_HINT}.",
            text,
        )
    if status == 429:
        return ArtifactError(
            f"The hub asks to wait: too many requests from this address (429) for {repo!r}.",
            f"Try again in some minutes, or {TOKEN_HINT}. {_AGAIN}",
            text,
        )
    if status >= 500:
        return ArtifactError(
            f"The hub has a fault of its own ({status}); {repo!r} could not be downloaded.",
            f"Try again later. {_AGAIN}",
            text,
        )
    if kind == "library":
        return MissingDependency(
            "Downloads need the package huggingface_hub.",
            "Install it with: python -m pip install huggingface_hub",
            text,
        )
    if kind == "disk":
        place = hub_cache.repository(repo).parent
        return ArtifactError(
            f"The disk of {place} is full; {repo!r} could not be downloaded.",
            f"Free some space, or set HF_HOME to a folder on another disk. {_AGAIN}",
            text,
        )
    if kind == "rights":
        place = Path(error.get("path") or hub_cache.repository(repo))
        return ArtifactError(
            f"{place} may not be written; {repo!r} could not be downloaded.",
            "Change its rights, or set HF_HOME to a folder of your own.",
            text,
        )
    if kind == "network" and not status:
        return ModelNotFound(
            f"The hub could not be reached: {repo!r}{at} is not on this computer and could not be "
            "downloaded.",
            f"Check the connection (and the proxy, where there is one), then try again. {_AGAIN}",
            text,
        )
    what = f"the hub answered {status}" if status else text.partition("\n")[0]
    return ArtifactError(f"The model {repo!r} could not be downloaded: {what}.", _AGAIN, text)
