"""``kinetype models``: which models there are and whether they are ready."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import console

if TYPE_CHECKING:
    from ..wire.control import ModelInfo

HELP = "list the models, and what to do where one is not ready"

_COLUMNS = ("NAME", "READY", "SIZE", "LICENCE", "REPRESENTATION", "SECONDS")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    parser.add_argument(
        "--download", metavar="MODEL", help="fetch a published model (its name or hub id) and stop"
    )
    parser.add_argument("--revision", help="branch, tag or commit to fetch")


def run(options: argparse.Namespace) -> int:
    """Print the table; listing loads nothing."""
    if options.download:
        return _download(options.download, options.revision)
    from ..pipelines.registry import list_models

    models = [describe(info) for info in list_models()]
    if options.json:
        print(json.dumps(models, indent=2))
        return 0
    rows = [_COLUMNS, *(_row(model) for model in models)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for row in rows:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )
    for model in models:
        if model["description"]:
            print(f"\n{model['name']}: {model['description']}")
        if model["text_encoder"]:
            print(f"  text encoder: {model['text_encoder']}")
        if not model["ready"]:
            print(f"  not ready: {model['problem']}\n  to do: {model['fix']}")
    return 0


def _download(name: str, revision: str | None) -> int:
    """Fetch all files of a published model, with the hub client's own progress bars."""
    from ..pipelines.registry import model_info
    from ..store import model_folder

    info = model_info(name)
    repo = info.hub_id if info and info.hub_id else name
    folder = model_folder.resolve(repo, (), optional=("*",), revision=revision)
    _download_text_encoder(folder)
    print(f"{name} -> {folder}")
    if revision:
        console.note(f"Use it with --model {repo}@{revision}")
    return 0


def _download_text_encoder(folder: Path) -> None:
    """Fetch the text encoder of a model that came without, so that it works offline from now on."""
    from ..pipelines.kinds import kind_in

    kind = kind_in(folder)
    if kind == "mdm":
        from ..pipelines.mdm import folder as mdm_artifact

        mdm_artifact.find_text_encoder(folder)
    elif kind == "mogents":
        from ..pipelines.mogents import folder as mogents_files

        mogents_files.load_encoder(folder)


def describe(info: ModelInfo) -> dict[str, Any]:
    """The fields of a :class:`ModelInfo` and ``size_bytes`` of its files (0 where it has none)."""
    return {**asdict(info), "size_bytes": _size(info.path)}


def _size(path: str) -> int:
    folder = Path(path)
    if not path or not folder.is_dir():
        return 0
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _row(model: dict[str, Any]) -> tuple[str, ...]:
    from ..pipelines.published import DOWNLOAD_BYTES

    expected = DOWNLOAD_BYTES.get(model["name"])
    size = "-" if expected is None else f"~{expected / 1e6:.0f} MB"
    if model["size_bytes"]:
        size = f"{model['size_bytes'] / 1e6:.1f} MB"
    length = "-"
    if model["max_seconds"] > 0:
        length = f"{model['min_seconds']:g} to {model['max_seconds']:g}"
    return (
        model["name"],
        "yes" if model["ready"] else "no",
        size,
        model["licence"] or "-",
        model["representation"] or "-",
        length,
    )
