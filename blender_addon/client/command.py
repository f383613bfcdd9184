"""The command that starts the backend of this very installation with a given Python."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NamedTuple

from ..backend_access import own_models, package_folder

_SITE_FOLDERS = {"site-packages", "dist-packages"}


def _program(python: Path | str) -> str:
    """The interpreter, findable from the child's working folder as from the caller's."""
    written = str(python)
    if not {os.sep, os.altsep} & set(written):
        return written
    # not resolve(): the link in an environment's bin is what makes it that environment
    return str(Path(written).expanduser().absolute())


class BackendCommand(NamedTuple):
    """Arguments of ``ProcessSession``, in its order: ``ProcessSession(*default_command(...))``."""

    command: list[str]
    env: dict[str, str | None]
    cwd: Path


def default_command(
    python: Path | str | None = None,
    *,
    device: str | None = None,
    threads: int | None = None,
    offline: bool = False,
    home: Path | str | None = None,
    proxy: str = "",
    cwd: Path | str | None = None,
) -> BackendCommand:
    """``python -m backend serve`` with this copy of the backend, wherever it lies.

    An installed distribution is called ``kinetype``.

    In a checkout and in the installed extension the folder that holds ``backend`` goes into
    PYTHONPATH, so that both sides have the same version and ``python`` needs only the
    dependencies. An installed distribution is found by its own Python; its site-packages must
    not leak into another one.

    Args:
        python: interpreter with torch; the running one when None. A relative path is meant from
            the caller's working folder, a bare name is looked for in PATH.
        device, threads, offline: options of ``kinetype serve``.
        home: where the backend keeps what it converts and knows; its own choice when None.
        proxy: address of a proxy for downloads; what the environment says when empty.
        cwd: working folder; the user's home when None. Never the extension's folder: Windows
            could not update an extension that a process works in.
    """
    options = ["--offline"] if offline else []
    if device:
        options += ["--device", device]
    if threads:
        options += ["--threads", str(threads)]
    package = package_folder()
    installed = package.parent.name in _SITE_FOLDERS
    env: dict[str, str | None] = {
        # the host application's own Python settings are not for the child
        "PYTHONHOME": None,
        "PYTHONPATH": None if installed else str(package.parent),
        "PYTHONSAFEPATH": "1",
        "PYTHONUTF8": "1",
    }
    if home is not None:
        env[own_models.HOME_VARIABLE] = str(home)
    if proxy:
        env |= {"HTTPS_PROXY": proxy, "HTTP_PROXY": proxy}
    command = [_program(python or sys.executable), "-m", package.name, "serve", *options]
    return BackendCommand(command, env, Path(cwd) if cwd else Path.home())
