"""One run at a time in a folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from ..errors import OutputError

NAME = ".kinetype-lock"


@contextlib.contextmanager
def folder_lock(folder: str | Path, what: str = "run") -> Iterator[None]:
    """Hold a folder for the block; the folder is made when it is not there.

    The operating system gives the lock back when the process ends, however it ends, so that a
    killed run never blocks the next one. On file systems without locks (some network shares) the
    block runs unguarded.

    Args:
        what: who writes there, for the message ("run", "training").

    Raises:
        OutputError: another process holds it, or the folder cannot be written.
    """
    path = Path(folder) / NAME
    file = _open_locked(path, what)
    try:
        yield
    finally:
        # removed while it is held; who opened it before finds that it is not the file any more
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(file)


def _open_locked(path: Path, what: str) -> int:
    """The open and locked file."""
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise OutputError(
                f"Cannot write {path.parent}: {error.strerror or error}.",
                "Check that the folder is writable and has space left, or choose another.",
            ) from error
        if not _lock(file):
            os.close(file)
            raise OutputError(
                f"Another {what} writes {path.parent} at this moment.",
                "Wait for it or stop it, or choose another folder.",
            )
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(file), path.stat()):
                return file
        os.close(file)  # the run before removed it as it ended


def _lock(file: int) -> bool:
    """Take the lock of an open file without waiting; True where there is no such thing."""
    try:
        import fcntl
    except ImportError:
        import msvcrt

        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
