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
from typing import TypedDict


class _Job(TypedDict):
    repo: str
    revision: str | None
    files: list[str]
    chunk: int


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
        tell(listing=_listing(job))
        folder = snapshot_download(
            job["repo"], revision=job["revision"], allow_patterns=job["files"]
        )
        tell(folder=folder)
    except BaseException as error:
        tell(error=_cause(error))
        return 1
    return 0


def _listing(job: _Job) -> list[dict[str, object]]:
    """Name, size and checksums of the files, as far as the hub says them."""
    from huggingface_hub import HfApi

    try:
        info = HfApi().model_info(job["repo"], revision=job["revision"], files_metadata=True)
    except Exception:  # the download meets the same error, or finds everything in the cache
        return []
    found = []
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
    return found


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
