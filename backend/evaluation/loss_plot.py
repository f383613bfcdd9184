"""The loss curve of a training run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import FormatError
from ..motion.io.atomic import atomic_path
from .plotting import figure

_DPI = 100


def draw(
    log: str | Path, path: str | Path, title: str = "", *, earlier: Sequence[str | Path] = ()
) -> None:
    """Draw ``log.jsonl`` of a run as a PNG: every loss over epochs, on a logarithmic scale.

    Args:
        earlier: logs of the runs whose weights this one started from, the first one first.

    Raises:
        FormatError: a log is missing, or holds no epochs.
        MissingDependency: matplotlib is not installed.
        OutputError: the picture cannot be written.
    """
    rows = joined([*earlier, log])
    epochs = [row["epoch"] for row in rows]
    names = [n for n in ("loss", "position", "velocity") if n in rows[0]]
    chart = figure(7, 4, _DPI)
    axes = chart.add_subplot()
    for name in names:
        axes.semilogy(epochs, [row[name] for row in rows], marker=".", label=name)
    for row in rows[1:]:
        if row["run_epoch"] == 1:
            axes.axvline(row["epoch"] - 0.5, color="0.5", linestyle=":")
    axes.set_xlabel("epoch")
    axes.set_ylabel("mean loss of the epoch")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    axes.set_title(title or f"{len(rows)} epochs, {rows[-1].get('minutes', 0):.0f} minutes")
    chart.tight_layout()
    with atomic_path(path) as temporary:
        chart.savefig(temporary)


def joined(logs: Sequence[str | Path]) -> list[dict[str, float]]:
    """The epochs of runs that went on from each other: ``epoch`` and ``minutes`` count through.

    ``run_epoch`` is the epoch in its own run.
    """
    rows: list[dict[str, float]] = []
    for log in logs:
        last = rows[-1] if rows else {"epoch": 0.0}
        for row in _read(Path(log)):
            minutes = row.get("minutes", 0.0) + last.get("minutes", 0.0)
            epoch = row["epoch"] + last["epoch"]
            rows.append({**row, "epoch": epoch, "minutes": minutes, "run_epoch": row["epoch"]})
    return rows


def _read(log: Path) -> list[dict[str, float]]:
    try:
        rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise FormatError(f"{log} cannot be read ({error}).", "Give a run's log.jsonl.") from error
    if not rows or not all(isinstance(r, dict) and "epoch" in r and "loss" in r for r in rows):
        raise FormatError(f"{log} holds no epochs.", "Train first.")
    if not np.isfinite([row["loss"] for row in rows]).all():
        raise FormatError(f"{log} holds losses that are not finite.", "The training diverged.")
    return rows
