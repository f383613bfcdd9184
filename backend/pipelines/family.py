"""The card of a model family: what is known of it before anything of it is imported.

A family is a folder here with a ``card.py`` that holds ``CARD``. The folders are scanned, so that a
new family is named in no list. A card imports nothing heavy: command line, panel and registry read
all of them to list models and to refuse what a model cannot do.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..wire.control import ModelInfo

Tell = Callable[[str, str], None]
"""``tell(kind, text)`` of a converter; the kind is "result", "warning" or "note"."""
CONFIG_FILE = "config.json"
ASSETS = Path(__file__).resolve().parent.parent / "assets"
_ROOT = __package__.rpartition(".")[0]


@dataclass(frozen=True)
class Sampling:
    """What a named quality stands for; None is the model's own."""

    steps: int | None = None
    guidance_scale: float | None = None
    sampler: str | None = None


@dataclass(frozen=True)
class Family:
    """What all models of one family have in common. References are ``"module:name"``, the module
    relative to the family's folder where it begins with a dot, else to the package.

    Attributes:
        name: what ``config.json`` calls the pipeline; also its commands' name.
        pipeline: reference to the class.
        model: what its models can do and read; a card's ``models`` and any folder begin with it.
        marker: file by which a folder is known; ``config.json`` names its family itself.
        recognise: a look into the marker file, where its name alone says too little.
        traces: files that only this family has together: they tell what is wrong where the marker
            is gone.
        unmistakable: a file that names the family where the marker, which its authors did not
            make, is not there.
        layout: whether a folder without the marker is laid out as the family's authors do.
        released: whether a file or folder is a release of its authors that is used as it is.
        release: reference to ``function(path, device=...)`` that loads one.
        described: what a folder's marker file tells beyond the entries that all have.
        models: what it offers by name: bundled ones with a ``path``, published with a ``hub_id``.
        companions: reference to ``function(folder)`` that fetches what a download lacks.
        converter: reference to a dataclass of options with ``convert(tell)``, which returns
            what it made.
        trainers: name of each ``kinetype train`` and the reference to its recipe.
        qualities: what names of ``wire.limits.QUALITIES`` stand for; "standard" is the model's own.
    """

    name: str
    pipeline: str
    model: ModelInfo = field(default_factory=lambda: ModelInfo("", ""))
    marker: str = CONFIG_FILE
    recognise: Callable[[Path], bool] | None = None
    traces: tuple[str, ...] = ()
    unmistakable: str = ""
    layout: Callable[[Path], bool] | None = None
    released: Callable[[Path], bool] | None = None
    release: str = ""
    described: Callable[[ModelInfo, Mapping[str, Any]], ModelInfo] | None = None
    models: tuple[ModelInfo, ...] = ()
    companions: str = ""
    converter: str = ""
    trainers: Mapping[str, str] = field(default_factory=dict)
    qualities: Mapping[str, Sampling] = field(default_factory=dict)
    package: str = ""
    """Where the card lies; set by :func:`families`."""

    def load(self, reference: str) -> Any:
        """What a reference names, imported now."""
        module, _, name = reference.partition(":")
        place = module if module.startswith(".") else f".{module}"
        package = self.package if module.startswith(".") else _ROOT
        return functools.reduce(getattr, name.split("."), importlib.import_module(place, package))


@functools.cache
def families() -> dict[str, Family]:
    """Every family by name, in the order of their names."""
    package = sys.modules[__package__]
    found = {}
    for place in package.__path__:
        for card in sorted(Path(place).glob("*/card.py")):
            home = f"{__package__}.{card.parent.name}"
            family: Family = importlib.import_module(f"{home}.card").CARD
            found[family.name] = replace(family, package=home)
    return dict(sorted(found.items()))


def family_of(name: str) -> Family:
    """The family of that name, which must be one of :func:`families`."""
    return families()[name]


def bundled_folder(name_or_path: str | Path) -> str | Path:
    """The folder of a bundled model by its name; anything else as it is."""
    bundled = {info.name: info.path for f in families().values() for info in f.models if info.path}
    return bundled.get(str(name_or_path), name_or_path)
