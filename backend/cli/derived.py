"""Options of a command that come from the fields of a dataclass (``store.options.option``).

:func:`add_options` and :func:`read` are for a dataclass that the command line fills alone.
:func:`add_settings` and :func:`given` are for a configuration that may come from elsewhere, a file
or the run that goes on: there an option that was not given says nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import types
import typing
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from typing import Any, TypeVar

from ..errors import InvalidRequest

Config = TypeVar("Config")
_DEST = "set_{}"
"""Where a setting's value is kept, apart from the command's own."""


def add_options(parser: argparse.ArgumentParser, config: type) -> None:
    """One option a field that has a help; a ``bool`` is a switch, ``Literal`` has choices."""
    hints = typing.get_type_hints(config)
    for item in _offered(config):
        required = item.default is MISSING
        default = None if required else item.default
        _add(parser, item, hints[item.name], item.name, default, required=required)


def read(options: argparse.Namespace, config: type[Config]) -> Config:
    """The dataclass with what was given on the command line."""
    return config(**{item.name: getattr(options, item.name) for item in _offered(config)})


def add_settings(parser: argparse.ArgumentParser, *configs: type) -> None:
    """As :func:`add_options`, with the fields of dataclasses inside, and no default.

    Args:
        configs: forms of one command; an option that several of them have is added once.
    """
    known: set[str] = set()
    for config in configs:
        for _, item, hint in _settings(config):
            if _dest(item) not in known:
                known.add(_dest(item))
                _add(parser, _with_default(item), hint, _dest(item), None)


def given(options: argparse.Namespace, config: type, *forms: type) -> dict[str, Any]:
    """What was given of a configuration, nested like it.

    Args:
        forms: other forms of the command, whose options this one may lack.

    Raises:
        InvalidRequest: a number outside its bounds, or an option of another form.
    """
    found: dict[str, Any] = {}
    own = set()
    for path, item, _ in _settings(config):
        own.add(_dest(item))
        value = getattr(options, _dest(item))
        if value is None:
            continue
        _check(item, value)
        place = found
        for name in path:
            place = place.setdefault(name, {})
        for name in (item.name, *item.metadata["also"]):
            place[name] = value
    for form in forms:
        for _, item, _ in _settings(form):
            if _dest(item) not in own and getattr(options, _dest(item)) is not None:
                raise InvalidRequest(
                    f"{_flags(item)[0]} is no option of this form.", "Leave it out."
                )
    return found


def merged(base: dict[str, object], more: dict[str, object]) -> dict[str, object]:
    """Nested values with others over them."""
    result = dict(base)
    for name, value in more.items():
        before = result.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            value = merged(before, value)
        result[name] = value
    return result


# ---------------------------------------------------------------------- fields


def _offered(config: type) -> list[Field[object]]:
    return [item for item in fields(config) if item.metadata.get("help")]


def _settings(config: type) -> Iterator[tuple[tuple[str, ...], Field[object], object]]:
    """Path to the dataclass that holds it, field and type of everything that is offered."""
    hints = typing.get_type_hints(config)
    for item in fields(config):
        hint = hints[item.name]
        if item.metadata.get("help"):
            yield (), item, hint
        elif dataclasses.is_dataclass(hint) and isinstance(hint, type):
            for path, inner, kind in _settings(hint):
                yield (item.name, *path), inner, kind


def _flags(item: Field[object]) -> tuple[str, ...]:
    return item.metadata.get("flags") or (f"--{item.name.replace('_', '-')}",)


def _dest(item: Field[object]) -> str:
    return _DEST.format(_flags(item)[0].removeprefix("--").replace("-", "_"))


def _with_default(item: Field[object]) -> Field[object]:
    """The field with its default told in the help, unless that speaks of it already."""
    text, default = item.metadata["help"], item.default
    if default is None or isinstance(default, bool) or default is MISSING or "default" in text:
        return item
    again = dataclasses.field(metadata={**item.metadata, "help": f"{text} (default {default})"})
    again.name, again.default = item.name, item.default
    return again


def _check(item: Field[object], value: object) -> None:
    low, high, above = (item.metadata[name] for name in ("low", "high", "above"))
    if not isinstance(value, int | float) or isinstance(value, bool):
        return
    small = (low is not None and value < low) or (above is not None and value <= above)
    if math.isfinite(value) and not small and (high is None or value <= high):
        return
    bounds = [f"above {above:g}"] if above is not None else []
    bounds += [f"from {low:g}"] if low is not None else []
    bounds += [f"up to {high:g}"] if high is not None else []
    raise InvalidRequest(
        f"{_flags(item)[0]} is {value:g}.", f"Choose a number {' and '.join(bounds)}."
    )


def _add(
    parser: argparse.ArgumentParser,
    item: Field[Any],
    hint: Any,
    dest: str,
    default: Any,
    *,
    required: bool = False,
) -> None:
    meta, many = item.metadata, False
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    if typing.get_origin(hint) is list:
        hint, many = typing.get_args(hint)[0], True
    extra: dict[str, Any] = {"help": meta["help"], "metavar": meta.get("metavar")}
    kind = hint if isinstance(hint, type) else str
    if typing.get_origin(hint) is typing.Literal:
        extra["choices"] = typing.get_args(hint)
        kind = type(extra["choices"][0])
    elif meta.get("choices"):
        extra["choices"] = meta["choices"]
    elif extra["metavar"] is None and kind is not bool and dest != item.name:
        extra["metavar"] = _flags(item)[0].removeprefix("--").replace("-", "_").upper()
    if meta.get("positional"):
        extra["metavar"] = extra["metavar"] or item.name
        parser.add_argument(item.name, type=kind, **extra)
        return
    extra |= {"dest": dest, "default": default}
    if kind is bool:
        del extra["metavar"]
        wanted = "store_false" if item.default is True else "store_true"
        parser.add_argument(*_flags(item), action=wanted, **extra)
        return
    if many:
        extra["nargs"] = "+"
    parser.add_argument(*_flags(item), type=kind, required=required, **extra)
