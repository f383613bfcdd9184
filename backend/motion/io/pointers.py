"""Files that only stand for others."""

from __future__ import annotations

from pathlib import Path

from ...errors import NoMotion

_LFS = b"version https://git-lfs"


def refuse_pointer(path: Path) -> None:
    """:class:`NoMotion` for a Git LFS pointer, which stands for a file that was not fetched."""
    try:
        with path.open("rb") as file:
            start = file.read(len(_LFS))
    except OSError:
        return  # the reader itself says it better
    if start == _LFS:
        raise NoMotion(
            f"{path} is a Git LFS pointer: the file itself was not downloaded.",
            "Run 'git lfs pull' in its repository, or download the file itself.",
        )
