"""Tables and confusion matrices of an evaluation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .labels import RARE_GROUPS
from .prompts import Sample
from .scoring import Verdict, confusion


def write(
    folder: Path, results: dict[str, Any], samples: Sequence[Sample], verdict: Verdict
) -> None:
    """Write ``figures.json``, ``figures.md`` and the confusion matrices into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "figures.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    (folder / "figures.md").write_text(markdown(results), encoding="utf-8")
    draw_confusion(
        *confusion(samples, verdict, ("val", "rare", "dataset1"), "content"),
        folder / "confusion_content.png",
        "Content: asked for (rows), recognised (columns)",
    )
    draw_confusion(
        *confusion(samples, verdict, ("val", "dataset1"), "style"),
        folder / "confusion_style.png",
        "Style: asked for (rows), recognised (columns)",
    )


def _percent(rate: dict[str, float] | None) -> str:
    if rate is None:
        return "-"
    low, high = 100 * rate["low"], 100 * rate["high"]
    return f"{100 * rate['accuracy']:.1f}% ({low:.0f}-{high:.0f}, n={rate['n']:.0f})"


def _row(name: str, *cells: str) -> str:
    return f"| {name} | " + " | ".join(cells) + " |"


def _held_out(results: dict[str, Any], contents: Sequence[str], target: str) -> str:
    per = results.get("classifiers", {}).get(target, {}).get("held_out", {}).get("per_label", {})
    right = sum(per.get(c, [0, 0])[0] for c in contents)
    count = sum(per.get(c, [0, 0])[1] for c in contents)
    return f"{100 * right / count:.0f}% (held out, n={count})" if count else "-"


def markdown(results: dict[str, Any]) -> str:
    """The tables of the model card."""
    runs = [(name, results[name]) for name in ("raw", "clean") if name in results]
    head = ["real clips", *[name for name, _ in runs]]
    lines = [f"Settings: `{json.dumps(results['settings'])}`, {results['clips']} clips.", ""]
    lines += [_row("recognised by the classifiers", *head), _row("---", *["---"] * len(head))]
    real = results["real"]
    for target in ("content", "style"):
        cells = [_percent(run[target].get("val")) for _, run in runs]
        lines.append(
            _row(f"{target}, captions of the validation clips", _percent(real[target]), *cells)
        )
        share = [
            f"{100 * run[target]['val']['accuracy'] / real[target]['accuracy']:.1f}%"
            for _, run in runs
        ]
        lines.append(_row(f"{target} as a share of the real rate", "100%", *share))
    rare = [_percent(run["content"].get("rare")) for _, run in runs]
    members = [c for group in RARE_GROUPS.values() for c in group]
    lines.append(_row("rare contents, all", _held_out(results, members, "content"), *rare))
    for name, contents in RARE_GROUPS.items():
        cells = [_percent(run["content"].get(f"rare: {name}")) for _, run in runs]
        lines.append(_row(f"rare: {name}", _held_out(results, contents, "content"), *cells))
    for key, name in (
        ("dataset1", "one-take pairs (dataset-1)"),
        ("free", "60 free wordings"),
        ("bare", "bare verbs"),
    ):
        for target in ("content", "style"):
            if any(key in run[target] for _, run in runs):
                cells = [_percent(run[target].get(key)) for _, run in runs]
                lines.append(_row(f"{name}: {target}", "-", *cells))
    lines.append(
        _row(
            "Frechet distance to real training clips",
            f"{real['fd_train_val']:.2f}",
            *[f"{run['fd_train']:.2f}" for _, run in runs],
        )
    )
    return "\n".join(lines + _physics(results, runs) + _gait(runs) + _free(runs)) + "\n"


def _physics(results: dict[str, Any], runs: Sequence[tuple[str, Any]]) -> list[str]:
    real = results["real"]["physical"]
    named = [
        ("real clips at 30 fps", real["real_30"]),
        ("real clips at 20 fps, resampled to 30", real["real_20_to_30"]),
        *[(f"generated, {name}, 30 fps", run["physical"]) for name, run in runs],
        ("real clips at 20 fps", real["real_20"]),
        ("generated, native 20 fps", results["native"]["physical"]),
    ]
    out = [
        "",
        "| | mean jerk m/s³ | median jerk | low-foot sliding cm/s | below floor cm |",
        "|---|---|---|---|---|",
    ]
    for name, row in named:
        base = real["real_20"] if "20 fps" in name and "30" not in name else real["real_30"]
        cells = [
            f"{row[k]:.1f} ({row[k] / base[k]:.2f}×)" for k in ("jerk", "jerk_median", "sliding")
        ]
        out.append(_row(name, *cells, f"{row['penetration']:.2f}"))
    cost = results["cpu_seconds_per_clip_batched"]
    return [*out, "", f"CPU seconds per clip, batched: {cost:.2f}."]


def _gait(runs: Sequence[tuple[str, Any]]) -> list[str]:
    out = [
        "",
        "| generated / real, walks and runs | knee range | hip range | steps per second |",
        "|---|---|---|---|",
    ]
    for name, run in runs:
        for kind, title in (("well_known", "pairs with 10+ real clips"), ("rare", "other pairs")):
            part = run["gait"][kind]
            if part:
                cells = [
                    f"{v['ratio']:.2f}; {100 * v['within_20_percent']:.0f}% of {v['pairs']} within "
                    f"20%; worst {v['worst']:.2f}"
                    for v in part.values()
                ]
                out.append(_row(f"{title}, {name}", *cells))
    return out


def _free(runs: Sequence[tuple[str, Any]]) -> list[str]:
    """Prompts outside the grammar that failed at least once."""
    name, run = runs[-1]
    out = ["", f"Free wordings with a wrong answer ({name}):", ""]
    for key, rate in run["content"].items():
        if key.startswith(("free: ", "bare: ")) and rate["accuracy"] < 1:
            seen = ", ".join(f"{k} {v}" for k, v in run["answers"][key].items())
            right = round(rate["accuracy"] * rate["n"])
            out.append(f"- {key}: {right}/{rate['n']:.0f} ({seen})")
    return out


def draw_confusion(names: Sequence[str], counts: np.ndarray, path: Path, title: str) -> None:
    """A confusion matrix as PNG: colour is the share of the row, the number the count."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    size = 2.5 + 0.33 * len(names)
    figure, axes = pyplot.subplots(figsize=(size, size), dpi=110)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, column in zip(*np.nonzero(counts), strict=True):
        colour = "white" if share[row, column] > 0.5 else "black"
        count = str(counts[row, column])
        axes.text(column, row, count, ha="center", va="center", color=colour, fontsize=7)
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.set_title(title, fontsize=9)
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
