"""The front door: exit codes, what is printed where, and that tracebacks stay away."""

from __future__ import annotations

import argparse
import io
import os
import sys

import pytest

from backend.cli import main as cli
from backend.errors import (
    ArtifactError,
    Cancelled,
    InvalidRequest,
    KinetypeError,
    ModelNotFound,
    OutputError,
)


def run_raising(monkeypatch: pytest.MonkeyPatch, error: BaseException, *flags: str) -> int:
    """The exit code of a command that fails with ``error``."""

    def fail(options: argparse.Namespace) -> int:
        raise error

    monkeypatch.setattr("backend.cli.models.run", fail)
    return cli.main(["models", *flags])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidRequest("m", "h"), 2),
        (ModelNotFound("m", "h"), 2),
        (ArtifactError("m", "h"), 1),
        (OutputError("m", "h"), 1),
        (KinetypeError("m", "h"), 1),
        (Cancelled("m"), 130),
        (KeyboardInterrupt(), 130),
        (RuntimeError("m"), 1),
    ],
)
def test_exit_codes(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
) -> None:
    assert run_raising(monkeypatch, error) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err


def test_error_and_hint_have_a_line_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_raising(monkeypatch, OutputError("The disk is full.", "Free some space.", "log lines"))
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["error: The disk is full.", "hint: Free some space."]


def test_debug_shows_traceback_and_detail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_raising(monkeypatch, OutputError("m", "h", "the last log lines"), "--debug")
    printed = capsys.readouterr().err
    assert "Traceback" in printed
    assert "the last log lines" in printed


@pytest.mark.parametrize("name", ["日本.npz", os.fsdecode(b"half\xff.npz")])
def test_names_that_the_terminal_cannot_show_are_no_error(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="cp1252"))
    monkeypatch.setattr("backend.cli.models.run", lambda options: print(name) or 0)
    assert cli.main(["models"]) == 0
    assert b".npz" in shown.getvalue() and b"\\" in shown.getvalue()


def test_a_bug_asks_for_a_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_raising(monkeypatch, ZeroDivisionError("division by zero"))
    printed = capsys.readouterr().err
    assert "ZeroDivisionError: division by zero" in printed
    assert "--debug" in printed


@pytest.mark.parametrize("arguments", [[], ["no-such-command"], ["generate"], ["generate", "walk"]])
def test_usage_errors_end_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main([command, "--help"])
    assert caught.value.code == 0
    assert command in capsys.readouterr().out


def test_colours_stay_out_of_files(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not sys.stderr.isatty()
    run_raising(monkeypatch, OutputError("m", "h"))
    assert "\x1b" not in capsys.readouterr().err


def test_progress_bars_show_each_stage_once(capsys: pytest.CaptureFixture[str]) -> None:
    from backend.cli.console import ProgressBars
    from backend.wire.messages import Progress

    with ProgressBars() as bars:
        bars.update(Progress("a", "loading model"))
        for step in range(1, 6):
            bars.update(Progress("a", "sampling", step, 5))
    printed = capsys.readouterr().err
    assert "loading model" in printed
    assert "5/5" in printed


def test_quiet_progress_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    from backend.cli.console import ProgressBars
    from backend.wire.messages import Progress

    with ProgressBars(quiet=True) as bars:
        bars.update(Progress("a", "sampling", 1, 5))
        bars.update_stage("writing")
    assert capsys.readouterr().err == ""


def test_ctrl_c_while_the_options_are_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(only: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "build_parser", interrupted)
    assert cli.main(["models"]) == cli.EXIT_CANCELLED
    assert capsys.readouterr().err == "cancelled\n"
