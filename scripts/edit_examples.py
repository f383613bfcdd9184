"""Three edits as pictures, and how well edits fit: regenerates docs/edit_*.png and prints a table.

    python scripts/edit_examples.py
    python scripts/edit_examples.py --model runs/my-model --out renders --seeds 1
    python scripts/edit_examples.py --study --data data/starter --clips 8

The pictures: a walk whose legs stay while its arms wave, the second between a walk and a bow, and
a walk that goes on in four ways.
Every clip is made by the model itself, so the script needs no data. ``--study`` cuts a second out
of real clips of a dataset folder, fills it in with several settings, and compares with the truth.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from backend.evaluation.physical import physical_metrics
from backend.motion import cleanup, seams
from backend.motion.edits import align_heading
from backend.motion.joint_sets import joint_mask
from backend.motion.representations import motion135
from backend.motion.resample import resample_at
from backend.pipelines.dit import DiTPipeline
from backend.pipelines.editing.continuing import Drawing, go_on
from backend.pipelines.editing.prompt_parts import split_prompt
from backend.wire.messages import Motion, Request
from backend.wire.skeleton import MOTION_FPS
from scripts.starter.drawing import draw_frame, first_heading

GAP = (45, 75)
LENGTH = 150
FUTURES = (
    "a person walks forward",
    "a person turns left, then bows",
    "a person waves the right hand",
    "a person runs",
)
COLUMNS = 10
SETTINGS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("default", {}),
    ("no restarts", {"restarts": ()}),
    ("DDIM, no restarts", {"restarts": (), "sampler": "ddim"}),
    ("guidance 1", {"guidance_scale": 1.0}),
)
WORDS = {
    "walk": "a person walks forward",
    "walk-turn-left": "a person walks and turns left",
    "run": "a person runs",
    "walk-left": "a person walks sideways to the left",
    "bow": "a person bows",
    "wave-both-hands": "a person waves both hands",
    "walk-back": "a person walks backwards",
    "walk-right": "a person walks sideways to the right",
}


def joints_of(x: np.ndarray) -> np.ndarray:
    """Joint positions ``[T, 22, 3]`` of motion_135."""
    return motion135.joints(x.astype(np.float64))


def seam_acceleration(x: np.ndarray, kept: np.ndarray) -> tuple[float, float]:
    """Largest joint acceleration (m/s^2) at the seams, and the 95th percentile elsewhere."""
    bend = np.linalg.norm(np.diff(joints_of(x), n=2, axis=0), axis=-1).max(1) * MOTION_FPS**2
    edges = np.flatnonzero(np.diff(kept.astype(int)))
    at = sorted({k for e in edges for k in (e - 1, e) if 0 <= k < len(bend)})
    return float(bend[at].max()) if at else 0.0, float(np.percentile(np.delete(bend, at), 95))


def sliding(x: np.ndarray, first: int, last: int) -> float:
    """Speed of low feet (cm/s) in a stretch of frames."""
    points = joints_of(x)[max(first - 2, 0) : last + 2]
    return physical_metrics(points, MOTION_FPS)["foot_sliding_cm_s"]


def generated(pipeline: DiTPipeline, prompt: str, seconds: float, seed: int) -> np.ndarray:
    """A clean clip of the model, motion_135."""
    [motion] = pipeline.generate(Request(prompt, seconds=seconds, seed=seed))
    return cleanup.default_cleanup(motion.data)


def walk_then_bow(pipeline: DiTPipeline) -> np.ndarray:
    """A walk, a frozen second, a bow where the walk would have stopped: what an editor has."""
    walk = generated(pipeline, "a person walks forward", 4.0, 0)[: GAP[0]]
    heading = first_heading(walk[-1:])
    bow = align_heading(generated(pipeline, "the butler bows politely", 4.0, 1), heading)
    bow = bow[: LENGTH - GAP[1]].copy()
    speed = (walk[-1, [0, 2]] - walk[-11, [0, 2]]) / 10.0
    stop = walk[-1, [0, 2]] + 0.6 * (GAP[1] - GAP[0]) * speed
    bow[:, [0, 2]] += stop - bow[0, [0, 2]]
    return np.concatenate([walk, np.repeat(walk[-1:], GAP[1] - GAP[0], axis=0), bow])


def sheet(
    rows: list[tuple[str, np.ndarray]], new: np.ndarray, path: Path, moments: np.ndarray
) -> None:
    """Draw clips row by row; moments that are ``new [T]`` get a green label below the first row."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, grid = pyplot.subplots(
        len(rows), len(moments), figsize=(1.25 * len(moments) + 1.4, 1.5 * len(rows)), dpi=110
    )
    left = 1.4 / (1.25 * len(moments) + 1.4)
    figure.subplots_adjust(left=left, right=1, top=1, bottom=0, wspace=0.02, hspace=0.02)
    heading = first_heading(rows[0][1])
    for number, (line, (title, motion)) in enumerate(zip(grid, rows, strict=True)):
        for axes, k in zip(line, moments, strict=True):
            draw_frame(axes, motion[k], heading)
            made = new[k] and number > 0
            colour = "tab:green" if made else "0.3"
            place = {"transform": axes.transAxes, "fontsize": 6, "ha": "right", "color": colour}
            word = " new" if made else ""
            axes.text(0.97, 0.03, f"{k / MOTION_FPS:.1f} s{word}", **place)
        text = {"transform": line[0].transAxes, "ha": "right", "va": "center", "fontsize": 8}
        line[0].text(-0.06, 0.5, title, **text)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    pyplot.close(figure)


def upper_body(pipeline: DiTPipeline, out: Path, seeds: int) -> None:
    """The first picture and its table."""
    walk = generated(pipeline, "a person walks forward", 4.0, 0)
    lower = joint_mask("lower")
    print("upper body | seed | legs moved mm | new part moved cm | seconds")
    for seed in range(seeds):
        started = time.perf_counter()
        made = pipeline.edit(
            Motion(walk), "a person waves both hands", keep_joints="lower", seed=seed
        ).data
        taken = time.perf_counter() - started
        apart = np.linalg.norm(joints_of(made) - joints_of(walk), axis=-1)
        print(
            f"           | {seed:4d} | {1000 * apart[:, lower].max():13.4f} "
            f"| {100 * apart[:, ~lower].mean():17.1f} | {taken:.1f}"
        )
        if seed == 0:
            rows = [("a walk", walk), ("the same legs,\narms from\n“waves both\nhands”", made)]
            moments = np.linspace(0, len(walk) - 1, COLUMNS).round().astype(int)
            sheet(rows, np.ones(len(walk), bool), out / "edit_upper_body.png", moments)


def in_between(pipeline: DiTPipeline, out: Path, seeds: int) -> None:
    """The second picture and its table."""
    given = walk_then_bow(pipeline)
    kept = np.ones(LENGTH, dtype=bool)
    kept[slice(*GAP)] = False
    print("in-between | seed | kept moved mm | seam m/s^2 | elsewhere (95 %) | gap slide cm/s")
    for seed in range(seeds):
        made = pipeline.edit(
            Motion(given),
            "a person walks forward, then bows",
            keep_frames=seams.kept_stretches(kept),
            seed=seed,
        ).data
        apart = np.linalg.norm(joints_of(made) - joints_of(given), axis=-1)[kept].max()
        seam, rest = seam_acceleration(made, kept)
        print(
            f"           | {seed:4d} | {1000 * apart:13.4f} | {seam:10.1f} | {rest:16.1f} "
            f"| {sliding(made, *GAP):.1f}"
        )
        if seed == 0:
            rows = [("given: walk,\na frozen\nsecond, bow", given), ("in-between", made)]
            inside = np.linspace(GAP[0] - 6, GAP[1] + 6, COLUMNS - 4).round().astype(int)
            moments = np.array([0, 20, *inside, 105, LENGTH - 1])
            sheet(rows, ~kept, out / "edit_inbetween.png", moments)


def going_on(pipeline: DiTPipeline, out: Path, seeds: int) -> None:
    """The third picture and its table."""
    walk = generated(pipeline, "a person walks forward", 3.0, 2)
    kept = np.arange(len(walk) + 120) < len(walk)
    rows = [("given: a walk", np.pad(walk, ((0, 120), (0, 0)), mode="edge"))]
    print(
        "going on   | seed | kept moved mm | seam m/s^2 | elsewhere (95 %) | new part slides cm/s"
    )
    for prompt in FUTURES:
        for seed in range(seeds):
            [take] = go_on(
                pipeline, Motion(walk), Drawing(prompt=prompt, seed=seed, longest_seconds=4.0)
            )
            assert take.motion is not None  # no model that edits makes nothing
            made = take.motion.data
            apart = np.linalg.norm(joints_of(made)[: len(walk)] - joints_of(walk), axis=-1).max()
            count = len(split_prompt(prompt))  # each part of the prompt has a seam of its own
            pieces = np.concatenate([np.zeros(len(walk)), 1 + np.arange(120) * count // 120])
            seam, rest = seam_acceleration(made, pieces % 2 == 0)
            print(
                f"           | {seed:4d} | {1000 * apart:13.4f} | {seam:10.1f} | {rest:16.1f} "
                f"| {sliding(made, len(walk), len(made)):.1f}  {prompt}"
            )
            if seed == 0:
                rows.append((prompt.replace("a person ", "").replace(", ", ",\n"), made))
    moments = np.linspace(len(walk) - 31, len(kept) - 1, COLUMNS + 1).round().astype(int)
    sheet(rows, ~kept, out / "edit_going_on.png", moments)


def real_clips(data: Path, count: int) -> Iterable[tuple[str, np.ndarray]]:
    """Clips of 2.5 to 5 seconds that the model was not trained on, where there are some."""
    from backend.training.data.dataset import MotionDataset

    dataset = MotionDataset.load(data)
    for content in list(WORDS)[:count]:
        fitting = [c for c in dataset.clips if c.content == content and c.length >= 75]
        fitting.sort(key=lambda c: c.split != "val")
        if fitting:
            yield WORDS[content], cleanup.align(dataset.clip_motion(fitting[0]))[:LENGTH]


def study(pipeline: DiTPipeline, data: Path, count: int) -> None:
    """Fill a second cut out of real clips, with several settings."""
    clips = list(real_clips(data, count))
    print("setting            | mm from truth | seam m/s^2 | gap slide cm/s   (means)")

    def measured(made: np.ndarray, true: np.ndarray, first: int, last: int) -> list[float]:
        kept = np.ones(len(true), dtype=bool)
        kept[first:last] = False
        apart = np.linalg.norm(joints_of(made) - joints_of(true), axis=-1)[first:last].mean()
        return [1000 * apart, seam_acceleration(made, kept)[0], sliding(made, first, last)]

    def row(name: str, fill: Any) -> None:
        values = []
        for prompt, true in clips:
            first = len(true) // 2 - 15
            given = true.copy()
            given[first : first + 30] = true[first - 1]
            values.append(measured(fill(given, prompt, first), true, first, first + 30))
        a, b, c = np.mean(values, axis=0)
        print(f"{name:18s} | {a:13.1f} | {b:10.1f} | {c:.1f}", flush=True)

    truth = iter([true for _, true in clips])
    row("the truth", lambda *_: next(truth))
    row("interpolation", lambda x, _, k: interpolated(x, k, k + 30))
    for name, options in SETTINGS:
        row(name, lambda x, p, k, o=options: filled(pipeline, x, p, k, **o))


def filled(
    pipeline: DiTPipeline, x: np.ndarray, prompt: str, first: int, **options: Any
) -> np.ndarray:
    """One second made by the model."""
    keep = [(0, first), (first + 30, len(x))]
    return pipeline.edit(Motion(x), prompt, keep_frames=keep, seed=3, **options).data


def interpolated(x: np.ndarray, first: int, last: int) -> np.ndarray:
    """The gap by straight lines and slerp from its first to its last kept frame."""
    ends = resample_at(
        x[[first - 1, last]].astype(np.float64), np.linspace(0.0, 1.0, last - first + 2)
    )
    out = x.copy()
    out[first:last] = ends[1:-1]
    return out


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="starter")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[1] / "docs")
    parser.add_argument("--seeds", type=int, default=3, help="edits of each kind")
    parser.add_argument("--study", action="store_true", help="the comparison instead of pictures")
    parser.add_argument("--data", type=Path, default=Path("data/starter"))
    parser.add_argument("--clips", type=int, default=len(WORDS), help="clips of the comparison")
    args = parser.parse_args()
    pipeline = DiTPipeline.from_pretrained(args.model, device="cpu", local_files_only=True)
    if args.study:
        study(pipeline, args.data, args.clips)
        return
    upper_body(pipeline, args.out, args.seeds)
    in_between(pipeline, args.out, args.seeds)
    going_on(pipeline, args.out, args.seeds)


if __name__ == "__main__":
    main()
