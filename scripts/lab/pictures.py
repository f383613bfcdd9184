"""Loss curves and contact sheets of the lab."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from backend.motion.io.atomic import atomic_path
from backend.motion.representations import smplrifke205
from backend.training.data.dataset import MotionDataset
from scripts.starter.contact_sheet import sketched

from .plan import CONDITIONINGS, Draw, Plan
from .sampling import read_samples
from .scores import label
from .train import run_folder

WORDS = ("walk", "bow", "kick", "wave", "run", "punch")
"""Contents to show, when the first run has them, in this order."""


def loss_curves(folder: Path, path: Path) -> None:
    """Whole loss and x0 loss of the three trainings over their steps, as running means."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    chart = Figure(figsize=(8, 3.4), dpi=100)
    FigureCanvasAgg(chart)
    for place, (part, title) in enumerate((("loss", "whole loss"), ("feature", "x0 part"))):
        axes = chart.add_subplot(1, 2, place + 1)
        for conditioning in CONDITIONINGS:
            log = run_folder(folder, conditioning) / "log.jsonl"
            rows = {}
            # a training of less than 50 steps logs nothing
            lines = log.read_text(encoding="utf-8").splitlines() if log.is_file() else []
            for line in lines:
                row = json.loads(line)
                rows[row["step"]] = row[part]  # a resumed run logs some steps twice
            axes.plot(list(rows), list(rows.values()), label=conditioning.replace("_", "-"))
        axes.set(xlabel="step", title=title, yscale="log")
        axes.grid(alpha=0.3, which="both")
        axes.legend()
    chart.tight_layout()
    with atomic_path(path) as temporary:
        chart.savefig(temporary, format="png")


def shown(draw: Draw, count: int) -> list[int]:
    """Samples of a run to draw: one for each of the first ``count`` :data:`WORDS` that it has."""
    found = []
    for word in WORDS:
        hits = [k for k, i in enumerate(draw.items) if i.content.startswith(word)]
        # of middling length: the pictures of a long clip lie far apart
        found += sorted(hits, key=lambda k: draw.items[k].length)[len(hits) // 2 :][:1]
    return (found or list(range(len(draw.items))))[:count]


def sheets(plan: Plan, folder: Path, draw: Draw, dataset: MotionDataset, out: Path) -> None:
    """``lab_conditionings.png`` and ``lab_samplers.png``: samples of one run, no clean-up."""
    sampler = plan.samplers[len(plan.samplers) // 2]
    rows = []
    for k in shown(draw, 3):
        rows.append(
            (
                f"real: {draw.texts[k]}",
                smplrifke205.to_motion135(dataset.item_features(draw.items[k])),
            )
        )
        for conditioning in CONDITIONINGS:
            model = (conditioning, *sampler)
            rows.append(
                (label(model), smplrifke205.to_motion135(read_samples(folder, model, draw)[k]))
            )
    _draw(rows, out / "lab_conditionings.png")
    rows = []
    for k in shown(draw, 2):
        rows.append(
            (
                f"real: {draw.texts[k]}",
                smplrifke205.to_motion135(dataset.item_features(draw.items[k])),
            )
        )
        for name, steps in plan.samplers:
            model = ("adaln", name, steps)
            rows.append(
                (label(model), smplrifke205.to_motion135(read_samples(folder, model, draw)[k]))
            )
    _draw(rows, out / "lab_samplers.png")


def _draw(rows: list[tuple[str, np.ndarray]], path: Path) -> None:
    """A contact sheet in a palette: a third of the size of one in full colour."""
    from PIL import Image

    sketched(rows, path)
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(colors=64, dither=Image.Dither.NONE)
    with atomic_path(path) as temporary:
        small.save(temporary, format="PNG", optimize=True)
