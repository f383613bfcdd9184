"""What became of each file of a run, one JSON line each, so that a killed run can go on.

Lines are appended with one write each. In a conversion every worker writes its own, before its file
takes its final name: a line without a file means that the process was killed in between, and the
file is made again; a finished file always has its line.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ..errors import OutputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

RecordT = TypeVar("RecordT", bound="DataclassInstance")

NAME = ".kinetype-convert.jsonl"
"""Name of the journal in the output folder."""

CONVERTED, SKIPPED, FAILED = "converted", "skipped", "failed"


@dataclass(frozen=True)
class Record:
    """The outcome of one file.

    Attributes:
        name: output, relative to the output folder.
        source: input, relative to the input folder.
        status: converted, skipped or failed.
        key: digest of the settings and of the input's content.
        frames, fps: of the output.
        error_mm: mean joint distance (MPJPE) over the steps where it is known.
        loses: "step: what is lost" for every lossy step.
        message, hint: of the error, when failed.
        warning: what seems wrong with a file that was converted.
        error: code of the error, when failed.
        checks: measures of :class:`backend.motion.io.body_checks.BodyChecks`, where there are any.
    """

    name: str
    source: str
    status: str
    key: str = ""
    frames: int = 0
    fps: float = 0.0
    error_mm: float | None = None
    loses: tuple[str, ...] = ()
    message: str = ""
    hint: str = ""
    warning: str = ""
    error: str = ""
    checks: dict[str, float] = field(default_factory=dict)


def append(path: Path, record: DataclassInstance) -> None:
    """Add a line with the fields of a record.

    Raises:
        OutputError: it cannot be written.
    """
    line = json.dumps(asdict(record)) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)
    except OSError as error:
        raise OutputError(
            f"Cannot write {path}: {error.strerror}.", "Check the space and rights of the folder."
        ) from error


def read(path: Path, kind: type[RecordT]) -> dict[str, RecordT]:
    """The last record of each name; torn or foreign lines are passed over.

    Args:
        kind: a dataclass with a ``name``; its lists are given back as tuples.

    Raises:
        OutputError: the journal is there and cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise OutputError(f"Cannot read {path}: {error.strerror}.", "Remove it.") from error
    known = {f.name for f in fields(kind)}
    found: dict[str, RecordT] = {}
    for line in text.splitlines():
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(values, dict) and set(values) == known:
            whole = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
            found[str(values["name"])] = kind(**whole)
    return found


def end_torn_line(path: Path) -> None:
    """Let the next line start on a line of its own, where a kill or a full disk cut the last."""
    if path.exists() and path.stat().st_size and not path.read_bytes().endswith(b"\n"):
        with path.open("ab") as file:
            file.write(b"\n")
