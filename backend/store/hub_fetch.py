"""The child process of :mod:`.hub`: downloads files of one hub model and answers in JSON lines.

Started by its path; the one file that imports ``huggingface_hub``. It reads one job from stdin and
ends when stdin does, so that no download outlives its program.
"""

from __future__ import annotations

import errno
import fnmatch
import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict
from urllib.parse import urlsplit


class _Job(TypedDict):
    repo: str
    revision: str | None
    files: list[str]
    chunk: int


LARGEST_BYTES = 50 * 1000**3
"""The hub serves larger files in another way only."""


class _File(TypedDict):
    name: str
    size: int | None
    sha256: str | None
    git: str | None


def main() -> int:
    """One job: repository, revision, patterns of files, bytes of a chunk."""
    job: _Job = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints is no answer

    def tell(**answer: object) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    try:
        from huggingface_hub import constants, snapshot_download

        constants.DOWNLOAD_CHUNK_SIZE = job["chunk"]
        commit, listing = _listing(job)
        tell(listing=listing)
        for file in listing:
            if file["sha256"] and file["size"]:
                _fetch_large(job["repo"], commit, file)
        folder = snapshot_download(
            job["repo"], revision=job["revision"], allow_patterns=job["files"], token=_token()
        )
        tell(folder=folder)
    except BaseException as error:
        tell(error=_cause(error))
        return 1
    return 0


def _token() -> str | bool:
    """Who asks: of the environment only, never what an earlier login left on the disk."""
    return os.environ.get("HF_TOKEN") or os.environ.get("HUGGING_FACE_HUB_TOKEN") or False


def _fetch_large(repo: str, commit: str, file: _File) -> None:
    """Fetch a file into the place where the hub's client will find it, going on with what is here.

    The client itself begins a file anew at each try. Its own lock keeps a second program out.
    """
    from huggingface_hub import constants, file_download, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.utils import WeakFileLock, build_hf_headers

    home = Path(constants.HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}"
    whole = home / "blobs" / str(file["sha256"])
    lock = home.parent / ".locks" / home.name / f"{whole.name}.lock"
    whole.parent.mkdir(parents=True, exist_ok=True)
    lock.parent.mkdir(parents=True, exist_ok=True)
    size, part = int(file["size"] or 0), whole.with_name(f"{whole.name}.incomplete")
    if size > LARGEST_BYTES:  # the client has another way for these
        return
    url = hf_hub_url(repo, file["name"], revision=commit)
    with WeakFileLock(lock):
        if whole.exists():
            return
        found = get_hf_file_metadata(url, token=_token())
        same_host = urlsplit(found.location).netloc == urlsplit(url).netloc
        headers = build_hf_headers(token=_token() if same_host else False)
        with part.open("ab") as stream:
            if stream.tell() > size:
                stream.truncate(0)
            file_download.http_get(
                found.location,
                stream,
                resume_size=stream.tell(),
                headers={**headers, "Accept-Encoding": "identity"},
                expected_size=size,
            )
        part.replace(whole)


def _listing(job: _Job) -> tuple[str, list[_File]]:
    """The commit; name, size and checksums of its files, as far as the hub says them."""
    from huggingface_hub import HfApi

    try:
        info = HfApi(token=_token()).model_info(
            job["repo"], revision=job["revision"], files_metadata=True
        )
    except Exception:  # the download meets the same error, or finds everything in the cache
        return "", []
    found: list[_File] = []
    for file in info.siblings or []:
        if any(fnmatch.fnmatch(file.rfilename, pattern) for pattern in job["files"]):
            lfs: object = file.lfs  # a dictionary in older versions
            sha256 = lfs.get("sha256") if isinstance(lfs, dict) else getattr(lfs, "sha256", None)
            found.append(
                {
                    "name": file.rfilename,
                    "size": file.size,
                    "sha256": sha256,
                    "git": None if sha256 else file.blob_id,
                }
            )
    return str(info.sha), found


def _cause(error: BaseException) -> dict[str, object]:
    """What went wrong, told by the first error of the chain that knows."""
    kinds = {
        "GatedRepoError": "gated",
        "RepositoryNotFoundError": "no_model",
        "RevisionNotFoundError": "no_revision",
        "HFValidationError": "no_model",
    }
    text = f"{type(error).__name__}: {error}"
    for one in _chain(error):
        if type(one).__name__ in kinds:
            return {"kind": kinds[type(one).__name__], "text": text}
    for one in _chain(error):
        status = getattr(getattr(one, "response", None), "status_code", None)
        if isinstance(status, int):
            return {"kind": "status", "status": status, "text": text}
        if isinstance(one, ImportError):
            return {"kind": "library", "text": text}
        if isinstance(one, OSError) and one.errno in (errno.ENOSPC, errno.EDQUOT):
            return {"kind": "disk", "text": text}
        if isinstance(one, OSError) and one.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return {"kind": "rights", "path": str(one.filename or ""), "text": text}
    return {"kind": "network", "text": text}


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
