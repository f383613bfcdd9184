"""Physical metrics of whole folders: no text, no network, any representation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..motion.io.load import read_clip
from ..motion.position_error import joint_positions
from . import protocol
from .intervals import Interval
from .physical import MIN_FRAMES, physical_metrics

_REPEATS = 500

LINES: dict[str, tuple[float, str]] = {
    "slide": (1000.0, "mm/frame"),
    "float": (100.0, "% of frames"),
    "jitter": (1000.0, "mm/frame^2"),
    "dynamic": (1000.0, "mm/frame"),
    "penetration": (1000.0, "mm, below the clip's own lowest foot"),
    "foot_sliding_cm_s": (1.0, "every low foot, swinging ones too"),
    "support_sliding_cm_s": (1.0, "the planted foot"),
    "foot_low_share": (1.0, "share of frames and feet"),
    "penetration_cm": (1.0, "below the ground"),
    "ground_gap_cm": (1.0, "lowest joint above the ground"),
    "jerk_m_s3": (1.0, ""),
}
"""Metrics in the order of the printed table, the factor to its unit, and what it says of each."""


def row(found: Sequence[Mapping[str, float]]) -> dict[str, Interval]:
    """Mean over the motions of each metric, with its bootstrap interval."""
    names = list(found[0])
    values = np.array([[motion[name] for name in names] for motion in found])
    rng = np.random.default_rng(0)
    draws = values[rng.integers(0, len(values), (_REPEATS, len(values)))].mean(1)
    low, high = np.percentile(draws, (2.5, 97.5), axis=0)
    mean = values.mean(0)
    bounds = np.stack([mean, low, high], 1).tolist()
    return {name: Interval(*three) for name, three in zip(names, bounds, strict=True)}


def rows(
    motions: Mapping[str, Sequence[np.ndarray]], representation: str, fps: float
) -> protocol.Table:
    """Row name -> metrics of native motions ``[T, dim]`` at ``fps``; short ones are left out."""
    table: protocol.Table = {}
    for name, clips in motions.items():
        points = [joint_positions(x, representation) for x in clips]
        found = [physical_metrics(p, fps) for p in points if len(p) >= MIN_FRAMES]
        if found:
            table[name] = row(found)
    return table


def motion_metrics(path: Path) -> dict[str, float]:
    """Physical metrics of a motion file of any kind, at its own frame rate."""
    clip = read_clip(path, force=True)
    return physical_metrics(joint_positions(clip.data, clip.representation), clip.fps)


def as_text(table: protocol.Table) -> str:
    """A table for people: a metric per line, in the units of published tables, a row per column.

    Metrics that are not in :data:`LINES` stand below them, as they are.
    """
    names = list(dict.fromkeys(name for found in table.values() for name in found))
    known = [name for name in LINES if name in names]
    turned: protocol.Table = {}
    for name in [*known, *(n for n in names if n not in LINES)]:
        factor, words = LINES.get(name, (1.0, ""))
        turned[f"{name}  {words}".rstrip()] = {
            column: found[name].times(factor) for column, found in table.items() if name in found
        }
    return protocol.as_text(turned)
