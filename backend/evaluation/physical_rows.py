"""Physical metrics of whole folders: no text, no network, any representation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InvalidRequest, KinetypeError
from ..motion.io.load import SUFFIXES, read_clip
from ..motion.position_error import joint_positions
from . import protocol
from .intervals import Interval
from .physical import physical_metrics

_REPEATS = 500


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


def motion_metrics(path: Path) -> dict[str, float]:
    """Physical metrics of a motion file of any kind, at its own frame rate."""
    clip = read_clip(path)
    return physical_metrics(joint_positions(clip.data, clip.representation), clip.fps)


def evaluate(names: Sequence[str], gt: Path, predictions: Path | None) -> dict[str, Any]:
    """Rows of real motions and of predictions; each motion is judged alone."""
    table: protocol.Table = {}
    skipped: dict[str, str] = {}
    missing: list[str] = []
    for label, folder in ((protocol.GT, gt), (protocol.PREDICTION, predictions)):
        if folder is None:
            continue
        found = []
        for name in names:
            path = next((p for s in SUFFIXES if (p := folder / f"{name}{s}").is_file()), None)
            if path is None:
                skipped[f"{label}: {name}"] = "no file"
                if label == protocol.PREDICTION:
                    missing.append(name)
                continue
            try:
                found.append(motion_metrics(path))
            except KinetypeError as error:
                skipped[f"{label}: {name}"] = error.message
        if not found:
            raise InvalidRequest(
                f"{folder} holds none of the {len(names)} motions.", "Check the names."
            )
        table[label] = row(found)
    return {
        "protocol": {"evaluator": "physical"},
        "n": len(names),
        "missing_predictions": missing,
        "skipped": skipped,
        "table": protocol.as_json(table),
        "warnings": [],
        "text": protocol.as_text(table),
    }
