"""Curve, picture and figures of a motion tokenizer's training run.

    python scripts/report_tokenizer.py --run runs/tokenizer --data data/starter263 --out docs

Writes ``tokenizer_training.png`` (error on test clips over the run) and
``tokenizer_reconstruction.png`` (poses before, and after going through tokens, with the network as
it began and as it ended), and prints errors over all test clips as a Markdown table.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from backend.motion.representations import hml263
from backend.motion.skeleton import PARENTS
from backend.training.run import LOG
from backend.training.tokenizer import data as tokenizer_data
from backend.training.tokenizer.recipe import (
    MODEL_FOLDER,
    TokenizerRecipe,
    evaluate,
    load_config,
    load_tokenizer,
    reconstruct,
)

GIVEN, BEGUN, ENDED = "#444444", "#c0504d", "#2a6fb0"


def curve(rows: list[dict[str, float]], path: Path) -> None:
    """Error of poses and in the world over minutes, on a logarithmic axis."""
    minutes = [row["minutes"] for row in rows]
    figure, axes = plt.subplots(figsize=(7.0, 4.0), dpi=130)
    for key, label, colour in (
        ("mpjpe_mm", "joints in the world", BEGUN),
        ("pose_mm", "joints about the pelvis", ENDED),
    ):
        axes.plot(minutes, [row[key] for row in rows], "o-", ms=3, color=colour, label=label)
    axes.set(yscale="log", xlabel="minutes of training", ylabel="mean error on test clips (mm)")
    ticks = (20, 50, 100, 200, 500, 1000, 2000)
    axes.set_yticks(ticks, [str(tick) for tick in ticks])
    axes.grid(alpha=0.3)
    axes.legend()
    axes.set_title(f"Motion tokenizer, {rows[-1]['step']} steps")
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def figures(axes: Axes, clip: np.ndarray, places: np.ndarray, step: float, colour: str) -> None:
    """Poses about their own pelvis, seen from the side and a little to the front."""
    joints = hml263.decode_joints(clip.astype(np.float64))
    for index, frame in enumerate(places):
        pose = joints[frame].copy()
        pose[:, [0, 2]] -= pose[0, [0, 2]]
        across = 0.8 * pose[:, 2] + 0.6 * pose[:, 0] + index * step
        for joint, parent in enumerate(PARENTS):
            if parent >= 0:
                pair = [parent, joint]
                axes.plot(across[pair], pose[pair, 1], "-", lw=1.6, color=colour)
    axes.set_aspect("equal")
    axes.set_xlim(-step, len(places) * step)
    axes.set_ylim(-0.15, 2.0)
    axes.axhline(0.0, color="#bbbbbb", lw=0.6)
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)


def picture(clips: list[np.ndarray], nets: list[tuple], path: Path) -> None:
    """Per clip three rows: given, through the untrained tokens, through the trained tokens."""
    figure, axes = plt.subplots(3 * len(clips), 1, figsize=(9.0, 4.2 * len(clips)), dpi=130)
    for number, clip in enumerate(clips):
        places = np.linspace(4, len(clip) - 8, 8).astype(int)
        rows = [("given", clip, GIVEN)]
        for (net, stats), label, colour in zip(
            nets, ("tokens before training", "tokens after training"), (BEGUN, ENDED), strict=True
        ):
            rows.append((label, reconstruct(net, stats, clip)[1], colour))
        for offset, (label, values, colour) in enumerate(rows):
            place = axes[3 * number + offset]
            figures(place, values, places, 1.1, colour)
            place.set_title(label, fontsize=8, loc="left", color=colour, pad=1)
    figure.tight_layout(h_pad=0.2)
    figure.savefig(path)
    plt.close(figure)


def main() -> None:
    """Draw and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True, dest="run_dir")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clips", type=int, nargs="+", default=[37, 10], help="test clips to draw")
    options = parser.parse_args()
    config = load_config(options.run_dir)
    data = tokenizer_data.load(options.data, shortest=config.window)
    begun = TokenizerRecipe(config, data)
    begun.start_codes()
    ended = load_tokenizer(options.run_dir / MODEL_FOLDER)
    log = (options.run_dir / LOG).read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, log) if "mpjpe_mm" in row]
    options.out.mkdir(parents=True, exist_ok=True)
    curve(rows, options.out / "tokenizer_training.png")
    nets = [(begun.net.eval(), begun.stats), ended]
    clips = [data.val[index % len(data.val)] for index in options.clips]
    picture(clips, nets, options.out / "tokenizer_reconstruction.png")
    print(f"{rows[-1]['step']} steps, {rows[-1]['minutes']:.1f} minutes, {len(data.val)} clips\n")
    print("| tokens | joints in the world | joints about the pelvis | smooth L1 | codes used |")
    print("|---|---|---|---|---|")
    for label, (net, stats) in zip(("before training", "after"), nets, strict=True):
        found = evaluate(net, stats, list(data.val))
        print(
            f"| {label} | {found.mpjpe_mm:.0f} mm | {found.pose_mm:.1f} mm "
            f"| {found.smooth_l1:.3f} | {found.codes_used} |"
        )


if __name__ == "__main__":
    main()
