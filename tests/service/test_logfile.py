"""The backend's log: any bytes in, lines out, a file that does not grow for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from blender_addon.client import logfile
from blender_addon.client.logfile import LogFile


def test_lines_come_out_of_any_bytes() -> None:
    log = LogFile()
    euro = "€".encode()
    log.write(b"first\r\nsecond " + euro[:2])
    log.write(euro[2:] + b"\nbad \xff byte\n\n10%\r20%\rhalf a li")
    assert log.tail() == ["first", "second €", "bad � byte", "10%", "20%", "half a li"]
    assert log.tail(2) == ["20%", "half a li"]


def test_a_line_without_end_is_bounded() -> None:
    log = LogFile()
    for _ in range(50):
        log.write(b"x" * 1000)
    assert [len(line) for line in log.tail()] == [logfile.MAX_LINE_CHARS]


def test_the_file_rotates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logfile, "MAX_FILE_BYTES", 100)
    path = tmp_path / "new" / "backend.log"
    log = LogFile(path)
    for number in range(40):
        log.add(f"line {number:04d}")
    log.close()
    rotated = path.with_name("backend.log.1")
    assert path.stat().st_size <= 110 and rotated.stat().st_size <= 110
    assert path.read_text().endswith("line 0039\n")
    assert sorted(p.name for p in path.parent.iterdir()) == ["backend.log", "backend.log.1"]


def test_a_file_that_cannot_be_written_is_given_up(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.touch()
    log = LogFile(blocker / "backend.log")
    log.add("one")
    log.add("two")
    lines = log.tail()
    assert "cannot be written" in lines[0] and lines[1:] == ["one", "two"]
