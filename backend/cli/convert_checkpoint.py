"""``kinetype convert-checkpoint``: a released checkpoint to a model folder."""

from __future__ import annotations

import argparse
import importlib

HELP = "make a model folder of a released checkpoint, and prove that it is the same model"

KINDS: dict[str, str] = {
    "mdm": "checkpoint_mdm",
    "motiongpt": "checkpoint_motiongpt",
    "mogents": "checkpoint_mogents",
}
"""Name of each kind of checkpoint and its module here."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-command for each kind of checkpoint."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    for name, module_name in KINDS.items():
        module = importlib.import_module(f".{module_name}", __package__)
        command = kinds.add_parser(name, help=module.HELP, description=module.HELP)
        module.add_arguments(command)
        command.set_defaults(convert=module.run)


def run(options: argparse.Namespace) -> int:
    """Dispatch to the chosen kind."""
    return int(options.convert(options))
