"""Published results beside one's own: in groups that may be compared, and in no order of merit.

Values of the same metric say different things over other captions, another number of motions,
another reference population or embeddings of another scale. Rows are therefore grouped by these,
never sorted, and one's own row stands in the group of its kind or alone.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import protocol
from .evaluators.parts.judge import Report
from .intervals import Interval

PATH = Path(__file__).resolve().parents[1] / "assets" / "protocols" / "published_results.csv"
OWN = "this run"
_METRICS = {
    "R1": "R@1",
    "R3": "R@3",
    "MM": "MM-Dist",
    "FID": protocol.FD,
    "FID_raw": protocol.FD,
    "FID_l2": protocol.FD_UNIT,
    "Div": "Diversity",
}
"""Endings of the file's columns, and what this product calls them."""
_PHYSICAL = {
    "slide_mm_frame": "slide",
    "float_pct": "float",
    "jitter_x1000": "jitter",
    "dynamic_x1000": "dynamic",
}
ALL_CAPTIONS = 7392
"""Motions of tables in which every caption is a pair."""


@dataclass(frozen=True)
class Group:
    """What rows must share to be compared.

    Attributes:
        captions: ``selected``, ``every caption's``, ``rewritten``, or the choice of a run.
        motions: how many were judged.
        reference: the real motions that distances are from, in the publisher's words.
    """

    captions: str
    motions: int
    reference: str = ""

    def __str__(self) -> str:
        about = f", distances from {self.reference}" if self.reference else ""
        return f"{self.captions} captions, {self.motions} motions{about}"


def groups(evaluator: str) -> dict[Group, protocol.Table]:
    """Published rows of an evaluator (physical metrics for ``physical``) by what they share."""
    found: dict[Group, protocol.Table] = {}
    for line in _lines():
        name = " ".join(part for part in (line["method"], line["version"]) if part)
        row, motions = _row(evaluator, line)
        if row and motions:
            reference = line.get(f"{evaluator}_reference", "")
            group = Group(_style(line, motions), motions, reference)
            found.setdefault(group, {})[name] = row
    return found


def beside(report: Report) -> str:
    """The published rows for a report's evaluator, with its own predictions among them."""
    evaluator = str(report["protocol"]["evaluator"])
    choice = report.get("captions", {}).get("choice", "")
    found = groups(evaluator)
    own = {
        name: Interval(*(value[key] for key in ("mean", "low", "high")))
        for name, value in report["table"].get(protocol.PREDICTION, {}).items()
        if name in _METRICS.values() or name in _PHYSICAL.values()
    }
    if evaluator == "physical":
        own = {name: value.times(_SCALE[name]) for name, value in own.items()}
    parts = [
        "Published rows, in no order; values compare within a group only"
        " (same captions, motions and reference)."
    ]
    mine = Group(choice or "no", report["n"])
    placed = False
    for group, table in found.items():
        same = (group.captions, group.motions) == (mine.captions, mine.motions)
        placed |= same
        shown = {OWN: own} | table if same and own else table
        parts.append(f"{group}\n{protocol.as_text(shown)}")
    if own and not placed:
        parts.insert(1, f"{mine}\n{protocol.as_text({OWN: own})}")
    return "\n\n".join(parts)


_SCALE = {"slide": 1000.0, "float": 100.0, "jitter": 1000.0, "dynamic": 1000.0}


def _lines() -> Iterator[dict[str, str]]:
    with PATH.open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream)


def _row(evaluator: str, line: Mapping[str, str]) -> tuple[dict[str, Interval], int]:
    if evaluator == "physical":
        columns, count = _PHYSICAL, line["phys_n"]
    else:
        columns = {f"{evaluator}_{end}": name for end, name in _METRICS.items()}
        count = line.get(f"{evaluator}_n", "")
    row = {}
    for column, name in columns.items():
        if line.get(column):
            value = float(line[column])
            row[name] = Interval(value, value, value)
    if not line.get(f"{evaluator}_FID_space", "raw").startswith("raw") and protocol.FD in row:
        row["FD (scale not said)"] = row.pop(protocol.FD)
    return row, int(count or 0)


def _style(line: Mapping[str, str], motions: int) -> str:
    if motions == ALL_CAPTIONS:
        return "every caption's"
    return "rewritten" if "rewrite" in line["version"] else "selected"
