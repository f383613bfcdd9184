"""``kinetype models``: which models there are and whether they are ready."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from . import console

if TYPE_CHECKING:
    from ..wire.control import ModelInfo

HELP = "list the models, and what to do where one is not ready"

_COLUMNS = ("NAME", "READY", "SIZE", "LICENCE", "COMMERCIAL", "REPRESENTATION", "SECONDS")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--download", metavar="MODEL", help="fetch a published model (its name or hub id) and stop"
    )
    what.add_argument(
        "--remove", metavar="MODEL", help="delete what was downloaded or converted, forget a link"
    )
    what.add_argument("--link", metavar="DIR", help="know a model folder by its name")
    parser.add_argument("--revision", help="branch, tag or commit to fetch")


def run(options: argparse.Namespace) -> int:
    """Print the table; listing loads nothing."""
    if options.download:
        return _download(options.download, options.revision)
    if options.remove:
        return _task("remove", model=options.remove)
    if options.link:
        return _task("link", place=options.link)
    from ..pipelines.registry import list_models
    from ..wire.model_words import licence_text, size_text, state_text

    models = list_models()
    if options.json:
        print(json.dumps([asdict(model) for model in models], indent=2))
        return 0
    rows = [_COLUMNS, *(_row(model) for model in models)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for row in rows:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )
    for model in models:
        print(f"\n{model.name}: {model.description}")
        print(f"  can: {', '.join(model.abilities).replace('_', ' ')}")
        print(f"  reads: {', '.join(model.options).replace('_', ' ') or 'no sampling settings'}")
        if model.qualities:
            print(f"  qualities: {', '.join(model.qualities)} beside standard")
        if model.text_encoder:
            print(f"  text encoder: {model.text_encoder}")
        if model.memory_bytes:
            print(f"  memory: about {size_text(model.memory_bytes)}")
        print(f"  licence: {licence_text(model)}")
        print(f"  state: {state_text(model)}")
        if not model.ready:
            fix = f"kinetype models --download {model.name}" if model.hub_id else model.fix
            print(f"  not ready: {model.problem}\n  to do: {fix}")
    return 0


def _download(name: str, revision: str | None) -> int:
    """Fetch all files of a published model, each held against the hub's checksum."""
    from ..pipelines.registry import find_info, model_info
    from . import motion_options

    info = model_info(name)
    repo = info.hub_id if info and info.hub_id else name
    wanted = f"{repo}@{revision}" if revision else name
    motion_options.fetch(wanted)
    folder = find_info(wanted, local_files_only=True).path
    print(f"{name} -> {folder}")
    if revision:
        console.note(f"Use it with --model {wanted}")
    return 0


def _task(verb: str, *, model: str = "", place: str = "") -> int:
    from ..service.library import Librarian
    from ..wire.tasks import ModelTask

    done = Librarian().run(ModelTask("cli", verb, model=model, place=place))
    print(done.text)
    return 0


def _row(model: ModelInfo) -> tuple[str, ...]:
    size = "-"
    if model.size_bytes:
        here = bool(model.path)
        size = f"{model.size_bytes / 1e6:.1f} MB" if here else f"~{model.size_bytes / 1e6:.0f} MB"
    length = "-"
    if model.max_seconds > 0:
        length = f"{model.min_seconds:g} to {model.max_seconds:g}"
    return (
        model.name,
        "yes" if model.ready else "no",
        size,
        model.licence or "-",
        model.commercial_use or "-",
        model.representation or "-",
        length,
    )
