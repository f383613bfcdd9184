"""The command line's front door: picks the command, prints errors, sets the exit code."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
import traceback
from collections.abc import Sequence

from .. import __version__
from ..errors import (
    Cancelled,
    InvalidRequest,
    KinetypeError,
    ModelAbsent,
    ModelNotFound,
    missing_package,
)
from . import console, ending

COMMANDS = {
    "generate": "generate",
    "models": "models",
    "doctor": "doctor",
    "serve": "serve",
    "train": "train",
    "convert": "convert",
    "inspect": "inspect",
    "evaluate": "evaluate",
    "batch": "batch",
    "convert-checkpoint": "convert_checkpoint",
    "describe": "describe",
    "edit": "edit",
    "continue": "continue_motion",
    "sample": "sample",
    "text-vectors": "text_vectors",
    "visualise": "visualise",
}
"""Name of each command and its module here."""

EXIT_FAILED = 1
EXIT_BAD_REQUEST = 2
EXIT_CANCELLED = 130
EXIT_TERMINATED = 143
"""What a shell reports for programs that Ctrl-C and SIGTERM ended."""

_BAD_REQUESTS = (InvalidRequest, ModelNotFound)


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """The parser of ``kinetype`` with all its commands.

    Args:
        only: the one command whose options are needed; those of all when None. Some come from
            configurations that lie beside networks, whose import takes seconds.
    """
    parser = argparse.ArgumentParser(
        prog="kinetype", description="Text to motion: type what a person does, get keyframes."
    )
    parser.add_argument("--version", action="version", version=f"kinetype {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module_name in COMMANDS.items():
        module = importlib.import_module(f".{module_name}", __package__)
        command = commands.add_parser(name, help=module.HELP, description=module.HELP)
        if only in (None, name):
            module.add_arguments(command)
        command.add_argument(
            "--debug", action="store_true", help="show the traceback when something fails"
        )
        command.set_defaults(run=module.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code.

    0 success, 1 failure, 2 bad request (a value the person can change), 130 cancelled, 143 ended by
    SIGTERM (what was begun is removed in both cases). A failure prints one ``error:`` line and,
    when there is something to do about it, one ``hint:`` line.
    """
    try:
        words = sys.argv[1:] if arguments is None else arguments
        options = build_parser(words[0] if words else "").parse_args(words)
    except KeyboardInterrupt:
        console.note("cancelled")
        return EXIT_CANCELLED
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        # a path that the terminal's encoding lacks must not fail a command that has done its work
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = _run(options)
        if sys.stdout is not None:
            # Here, where a closed pipe is caught; at exit it would be a complaint on stderr.
            sys.stdout.flush()
        return code
    except ending.Terminated:
        console.note("ended by SIGTERM")
        return EXIT_TERMINATED
    except (KeyboardInterrupt, Cancelled):
        console.note("cancelled")
        return EXIT_CANCELLED
    except KinetypeError as error:
        if options.debug:
            traceback.print_exc()
            console.detail(error.detail)
        hint = error.hint
        if isinstance(error, ModelAbsent) and error.detail:
            hint += f" To fetch it: kinetype models --download {error.detail} (or add --download)."
        console.error(error.message, hint)
        return EXIT_BAD_REQUEST if isinstance(error, _BAD_REQUESTS) else EXIT_FAILED
    except BrokenPipeError:
        # The reader of our output left (`kinetype models | head`): not an error. stdout is
        # pointed elsewhere, or the interpreter would complain while flushing it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if options.debug:
            traceback.print_exc()
        _say_unexpected(error, debug=options.debug)
        return EXIT_FAILED


def _run(options: argparse.Namespace) -> int:
    if options.command == "serve":  # it leaves nothing behind, and must end at once
        return int(options.run(options))
    with ending.tidily():
        return int(options.run(options))


def _say_unexpected(error: Exception, *, debug: bool) -> None:
    missing = missing_package(error)
    if missing:
        console.error(
            f"The package {missing!r} is not installed in {sys.executable}.",
            "Run 'kinetype doctor': it says what is missing and how to install it.",
        )
        return
    hint = "This is a bug in Kinetype. Run it again with --debug and report what it prints."
    console.error(f"An unexpected {type(error).__name__}: {error}", "" if debug else hint)
