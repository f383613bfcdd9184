"""Every command and option says what it is for."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import pytest

from backend.cli.main import build_parser


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser and those of its commands, all the way down."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from parsers(inner)


ALL = list(parsers(build_parser()))


def test_there_are_commands_below_commands() -> None:
    names = {parser.prog for parser in ALL}
    assert {"kinetype generate", "kinetype train dit", "kinetype batch chain"} <= names


@pytest.mark.parametrize("parser", ALL, ids=lambda parser: parser.prog)
def test_every_option_is_explained(parser: argparse.ArgumentParser) -> None:
    assert parser.description
    silent = [
        action.dest
        for action in parser._actions
        if not isinstance(action, argparse._SubParsersAction) and not action.help
    ]
    assert not silent
    assert parser.format_help()  # a stray % in a help text breaks it
