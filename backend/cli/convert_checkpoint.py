"""``kinetype convert-checkpoint``: a released checkpoint to a model folder."""

from __future__ import annotations

import argparse

from ..pipelines.family import families
from . import console, derived

HELP = "make a model folder of a released checkpoint, and prove that it is the same model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-command for each family that has a converter."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    for name, family in families().items():
        if family.converter:
            conversion = family.load(family.converter)
            about = conversion.__doc__
            command = kinds.add_parser(name, help=about, description=about)
            derived.add_options(command, conversion)
            command.set_defaults(conversion=conversion)


def run(options: argparse.Namespace) -> int:
    """Convert with the chosen family's converter."""
    print(derived.read(options, options.conversion).convert(_tell))
    return 0


def _tell(kind: str, text: str) -> None:
    if kind == "result":
        print(text, flush=True)
    else:
        {"warning": console.warning, "note": console.note}[kind](text)
