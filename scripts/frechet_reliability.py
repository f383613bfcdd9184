"""How reliable is a Frechet distance on few samples? Real motions against real motions.

    python scripts/frechet_reliability.py --data data/starter --out docs/frechet_reliability.png

Two disjoint random halves of real motions have the same distribution, so their distance should be
0. What comes out instead is the bias of the sample size; its spread over draws is the noise. The
last columns are 10 runs of 64 samples, as teaching labs report them: their mean with its interval
looks sure of itself and is wrong by the bias.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from backend.evaluation.distribution import frechet_distance
from backend.evaluation.evaluators import StarterEvaluator
from backend.evaluation.intervals import confidence_interval
from backend.training.data.dataset import MotionDataset

SIZES = (64, 128, 256, 512, 1024)


def embeddings(evaluator: StarterEvaluator, folder: Path, seconds: float) -> np.ndarray:
    """Unit-length embeddings of all recordings long enough, the first seconds of each."""
    dataset = MotionDataset.load(folder)
    frames = round(seconds * evaluator.fps)
    motions = [
        dataset.clip_motion(clip)[:frames] for clip in dataset.clips if clip.length >= frames // 2
    ]
    found = evaluator.embed_motions(motions)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def measure(x: np.ndarray, draws: int) -> list[tuple[int, float, float]]:
    """Sample size, mean and standard deviation of the distance between two disjoint samples."""
    rng = np.random.default_rng(0)
    rows = []
    for size in SIZES:
        if 2 * size > len(x):
            break
        found = []
        for _ in range(draws):
            order = rng.permutation(len(x))
            found.append(frechet_distance(x[order[:size]], x[order[size : 2 * size]]))
        rows.append((size, float(np.mean(found)), float(np.std(found))))
    return rows


def main() -> None:
    """Print the table and draw it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--weights", type=Path, help="evaluator folder; the bundled one if not given"
    )
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--out", type=Path, help="PNG to write")
    options = parser.parse_args()
    x = embeddings(StarterEvaluator.from_pretrained(options.weights), options.data, options.seconds)
    rows = measure(x, options.draws)
    print(f"{len(x)} motions, {x.shape[1]} dimensions, {options.draws} draws\n")
    print(
        "| samples on each side | distance of real from real | standard deviation |\n|---|---|---|"
    )
    for size, mean, deviation in rows:
        print(f"| {size} | {mean:.4f} | {deviation:.4f} |")
    rng = np.random.default_rng(1)
    ten = []
    for _ in range(10):
        order = rng.permutation(len(x))
        ten.append(frechet_distance(x[order[64:]], x[order[:64]]))
    interval = confidence_interval(ten)
    print(f"\n10 x 64 samples against all others: {interval.mean:.4f} "
          f"[{interval.low:.4f}, {interval.high:.4f}]; the truth is 0")  # fmt: skip
    if options.out:
        draw(rows, options.out)


def draw(rows: list[tuple[int, float, float]], path: Path) -> None:
    """The curve with one standard deviation."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    sizes, means, deviations = (np.array(column) for column in zip(*rows, strict=True))
    figure, axes = plt.subplots(figsize=(6, 4))
    axes.errorbar(sizes, means, yerr=deviations, marker="o", capsize=3)
    axes.set(xscale="log", yscale="log", xlabel="samples on each side", ylabel="Frechet distance")
    axes.set_title("Real motions against real motions: it should be 0")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    figure.tight_layout()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
