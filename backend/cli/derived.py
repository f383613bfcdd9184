"""Options of a command that come from the fields of a dataclass (``store.options.option``)."""

from __future__ import annotations

import argparse
import types
import typing
from dataclasses import MISSING, Field, fields
from typing import Any, TypeVar

Config = TypeVar("Config")


def add_options(parser: argparse.ArgumentParser, config: type) -> None:
    """One option a field that has a help; a ``bool`` is a switch, ``Literal`` has choices."""
    hints = typing.get_type_hints(config)
    for item in _offered(config):
        _add(parser, item, hints[item.name])


def read(options: argparse.Namespace, config: type[Config]) -> Config:
    """The dataclass with what was given on the command line."""
    return config(**{item.name: getattr(options, item.name) for item in _offered(config)})


def _offered(config: type) -> list[Field[Any]]:
    return [item for item in fields(config) if item.metadata.get("help")]


def _add(parser: argparse.ArgumentParser, item: Field[Any], hint: Any) -> None:
    meta, required = item.metadata, item.default is MISSING
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    given: dict[str, Any] = {"help": meta["help"], "metavar": meta.get("metavar")}
    if typing.get_origin(hint) is typing.Literal:
        given["choices"] = typing.get_args(hint)
    elif meta.get("choices"):
        given["choices"] = meta["choices"]
    if meta.get("positional"):
        given["metavar"] = given["metavar"] or item.name
        parser.add_argument(item.name, type=hint if isinstance(hint, type) else str, **given)
        return
    names = meta.get("flags") or (f"--{item.name.replace('_', '-')}",)
    given |= {"dest": item.name, "default": None if required else item.default}
    if hint is bool:
        del given["metavar"]
        wanted = "store_false" if item.default is True else "store_true"
        parser.add_argument(*names, action=wanted, **given)
        return
    kind = hint if isinstance(hint, type) else str
    parser.add_argument(*names, type=kind, required=required, **given)
