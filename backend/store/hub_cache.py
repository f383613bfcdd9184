"""Where copies of published models lie, found without importing the hub's library."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


def cached_folder(hub_id: str, markers: Sequence[str]) -> Path | None:
    """The snapshot of a hub model in the Hugging Face cache that is used when no revision is named.

    None where it is not there, or lacks the markers or weights. The cache is read as files:
    importing its library would cost more than the whole listing.
    """
    home = _hub_cache() / f"models--{hub_id.replace('/', '--')}"
    try:
        commit = (home / "refs" / "main").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    folder = home / "snapshots" / commit
    if not commit or not any((folder / marker).is_file() for marker in markers):
        return None
    weights = any(any(folder.rglob(f"*{suffix}")) for suffix in (".safetensors", ".tar", ".pt"))
    return folder if weights else None


def _hub_cache() -> Path:
    """Where ``huggingface_hub`` keeps models, by its documented environment variables."""
    if os.environ.get("HF_HUB_CACHE"):
        return Path(os.environ["HF_HUB_CACHE"]).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or str(Path(cache) / "huggingface")
    return Path(home).expanduser() / "hub"
