"""Where the networks of a MoMask release lie; nothing is opened, nothing heavy imported."""

from __future__ import annotations

from pathlib import Path

OPTIONS = "opt.txt"
_PLACES = ("", "t2m", "kit", "checkpoints/t2m", "checkpoints/kit")
_NAMES = {"rvq": "vq", "t2m": "mask", "tres": "res"}
"""How the published folders' names begin; other folders have to be opened to know them."""


def is_release(folder: Path) -> bool:
    """Whether this folder, or one below it, is laid out as MoMask's checkpoints."""
    root = root_of(folder)
    return root is not None and {role_by_name(p) for p in networks_in(root)} >= {*_NAMES.values()}


def root_of(folder: Path) -> Path | None:
    """The folder that holds one folder a network."""
    places = (folder / place for place in _PLACES)
    return next((place for place in places if len(networks_in(place)) > 2), None)


def networks_in(root: Path) -> list[Path]:
    """Folders with the options of a training."""
    if not root.is_dir():
        return []
    return [p for p in sorted(root.iterdir()) if (p / OPTIONS).is_file()]


def role_by_name(home: Path) -> str | None:
    """ "vq", "mask" or "res", as far as the folder's name says it."""
    return _NAMES.get(home.name.partition("_")[0])
