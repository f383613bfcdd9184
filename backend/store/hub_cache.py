"""Where copies of hub models lie, found without importing the hub's library.

The Hugging Face cache is read as files: ``models--OWNER--NAME`` with ``refs``, ``snapshots`` and
``blobs``. Importing its library would cost more than listing every model.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

WEIGHT_SUFFIXES = (".safetensors", ".tar", ".pt", ".ckpt")
_ON = {"1", "ON", "YES", "TRUE"}


def offline() -> bool:
    """Whether the environment forbids the network (``HF_HUB_OFFLINE``)."""
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return any(os.environ.get(name, "").upper() in _ON for name in names)


def repository(hub_id: str) -> Path:
    """The folder of a hub model in the cache, whether it is there or not."""
    return _cache() / f"models--{hub_id.replace('/', '--')}"


def snapshot(hub_id: str, revision: str | None = None) -> Path | None:
    """The files of a revision (branch, tag or commit), as far as they are on this computer."""
    home, name = repository(hub_id), revision or "main"
    try:
        commit = (home / "refs" / name).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        commit = name
    folder = home / "snapshots" / commit
    try:
        return folder if commit and folder.is_dir() else None
    except OSError:  # a name too long for a path
        return None


def revisions(hub_id: str) -> list[str]:
    """Commits of a hub model that are on this computer."""
    folder = repository(hub_id) / "snapshots"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def arrived_bytes(hub_id: str) -> int:
    """Bytes of a hub model that are here, whole files or not."""
    found = 0
    with suppress(OSError):
        for path in (repository(hub_id) / "blobs").iterdir():
            with suppress(OSError):
                found += path.stat().st_size
    return found


def cached_folder(hub_id: str, markers: Sequence[str]) -> Path | None:
    """The snapshot that is used when no revision is named; None without a marker or weights."""
    folder = snapshot(hub_id)
    if folder is None or not any((folder / marker).is_file() for marker in markers):
        return None
    return folder if any(any(folder.rglob(f"*{end}")) for end in WEIGHT_SUFFIXES) else None


def _cache() -> Path:
    """Where ``huggingface_hub`` keeps models, by its documented environment variables."""
    if os.environ.get("HF_HUB_CACHE"):
        return Path(os.environ["HF_HUB_CACHE"]).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or str(Path(cache) / "huggingface")
    return Path(home).expanduser() / "hub"
