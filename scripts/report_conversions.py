#!/usr/bin/env python3
"""What each conversion and each round trip costs on real recordings, and a picture of one.

Prints the table of docs/representations.md. Positions are compared relative to the pelvis and in
the heading of the first frame, because several representations store neither place nor heading.

Usage: ``python scripts/report_conversions.py DATASET [--clips 40] [--picture FILE]``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from backend.motion import convert, edits, looping, resample  # noqa: E402
from backend.motion.io import bvh, npz  # noqa: E402
from backend.motion.representations import hml263, motion135, ms272  # noqa: E402
from backend.motion.rotations import rotation_about, transpose  # noqa: E402
from backend.motion.skeleton import PARENTS  # noqa: E402
from backend.training.data.dataset import MotionDataset  # noqa: E402
from backend.wire.messages import Motion  # noqa: E402

MAX_FRAMES, MIN_FRAMES = 240, 60
POSES = 6
NEAR = convert.IkOptions(keep_directions=False)
"""As near to the positions as can be, which is what the picture and the table show."""
LAYERS = (
    ("263 joints", "#cfcfcf", 9.0),
    ("after IK", "#e07b39", 4.5),
    ("after 272", "#1f5fa8", 1.6),
)
"""Name, colour and width of what is drawn, from below."""

Trip = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""A recording to joints ``[T, 22, 3]`` before and after."""


def _poses(x: np.ndarray) -> np.ndarray:
    return motion135.joints(edits.align_heading(x.astype(np.float64)))


def _through(name: str) -> Trip:
    def trip(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        there = convert.convert(x, "motion135", name)
        back = convert.convert(there.data, name, "motion135", fps=there.fps).data
        count = min(len(back), len(x))
        return _poses(x[:count]), _poses(back[:count])

    return trip


def _file(suffix: str) -> Trip:
    def trip(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"clip.{suffix}"
            if suffix == "bvh":
                bvh.write_motion(path, Motion(x))
                back = bvh.read_motion(path)
            else:  # the AMASS keys alone
                npz.write_motion(path, Motion(x))
                arrays = npz.read_arrays(path)
                del arrays["motion_135"]
                np.savez(path, **arrays)
                back = npz.read_motion(path)
        return _poses(x), _poses(back.data)

    return trip


def _rates(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    slow = resample.resample_motion135(x, 30, 20)
    back = resample.resample_motion135(slow, 20, 30, len(x))
    return _poses(x), _poses(back)


def _to_263(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    slow = resample.resample_motion135(x, 30, 20)
    decoded = hml263.decode_joints(convert.motion135_to_hml263(x)).astype(np.float64)
    source = motion135.joints(slow.astype(np.float64))[: len(decoded)]
    return hml263.canonicalise(source)[: len(decoded)], decoded


def _bones_of_263(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    slow = resample.resample_motion135(x, 30, 20)
    source = motion135.joints(slow.astype(np.float64))
    return source, hml263.uniform_skeleton(source)


def _263_again(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    features = convert.motion135_to_hml263(x)
    first = hml263.decode_joints(features).astype(np.float64)
    again = hml263.decode_joints(hml263.encode(first)).astype(np.float64)
    return first[: len(again)], again


def _263_ik(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    points = hml263.decode_joints(convert.motion135_to_hml263(x)).astype(np.float64)
    grid = resample.end_aligned_grid(len(points), 20, 30)
    fitted = convert.joints_to_motion135(points, 20, 30, NEAR)[0]
    return resample.linear(points, grid), motion135.joints(fitted.astype(np.float64))


def _272_joints(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return _poses(x), ms272.decode_joints(convert.motion135_to_motion272(x))


TRIPS: tuple[tuple[str, str, Trip], ...] = (
    ("135 → 272 → 135", "exact: rotations are stored", _through("ms272")),
    ("135 → 272 → joints", "exact: positions are stored", _272_joints),
    ("135 → smpl85 → 135", "exact", _through("smpl85")),
    ("135 → AMASS npz → 135", "exact", _file("npz")),
    ("135 → BVH → 135", "six decimals", _file("bvh")),
    ("135 (30 → 20 → 30 fps)", "frames between 20 fps", _rates),
    ("135 → 205 → 135", "frames between 20 fps", _through("smplrifke205")),
    ("135 → 263 → joints, against the joints that 263 starts from", "", _to_263),
    ("joints → the bone lengths of 263", "every body becomes one", _bones_of_263),
    ("263 → joints → 263", "one frame", _263_again),
    ("263 → IK refine-80 → 135", "bone lengths, twist", _263_ik),
)


def _rooted(points: np.ndarray) -> np.ndarray:
    return points - points[:, :1]


def table(dataset: MotionDataset, clips: int) -> str:
    """Markdown rows: what, what it loses, mean and worst joint error in mm."""
    long_enough = [c for c in dataset.clips if c.length >= MIN_FRAMES]
    chosen = long_enough[:: max(1, len(long_enough) // clips)][:clips]
    motions = [dataset.clip_motion(c)[:MAX_FRAMES].astype(np.float32) for c in chosen]
    rows = ["| trip | what it loses | mean mm | worst mm |", "| --- | --- | --- | --- |"]
    for name, loses, trip in TRIPS:
        errors = []
        for x in motions:
            before, after = trip(x)
            errors.append(1000.0 * np.linalg.norm(_rooted(before) - _rooted(after), axis=-1))
        joined = np.concatenate([e.reshape(-1) for e in errors])
        rows.append(f"| {name} | {loses} | {_short(joined.mean())} | {_short(joined.max())} |")
    return "\n".join(rows)


def _short(value: float) -> str:
    return f"{value:.1f}" if value >= 1.0 else f"{value:.2g}"


def loop_table(dataset: MotionDataset, clips: int) -> str:
    """Markdown rows: median seam of walks that repeat as they are, cut, and cut and blended."""
    walks = [c for c in dataset.clips if "walk" in c.content and c.length >= 75][:clips]
    blend = round(looping.DEFAULT_BLEND * motion135.SPEC.fps)
    seams: dict[str, list[dict[str, float]]] = {"as they are": [], "best cut": [], "blended": []}
    for clip in walks:
        x = dataset.clip_motion(clip)
        start, stop = looping.best_cut(x)
        seams["as they are"].append(looping.make_loop(x, 0.0).seam())
        seams["best cut"].append(looping.make_loop(x[start : stop - blend], 0.0).seam())
        seams["blended"].append(looping.make_loop(x[start:stop]).seam())
    rows = ["| repeating walks | jump cm | seam m/s² | inside m/s² |", "| --- | --- | --- | --- |"]
    for name, found in seams.items():
        medians = [float(np.median([seam[k] for seam in found])) for k in found[0]]
        rows.append(f"| {name} | " + " | ".join(f"{m:.1f}" for m in medians) + " |")
    return "\n".join(rows)


# --------------------------------------------------------------------------- picture


def overlay(x: np.ndarray) -> list[np.ndarray]:
    """Joints at 30 fps of the 263 features, of their IK fit and of the fit after 272."""
    points = hml263.decode_joints(convert.motion135_to_hml263(x)).astype(np.float64)
    grid = resample.end_aligned_grid(len(points), 20, 30)
    asked = resample.linear(points, grid)
    fitted = convert.joints_to_motion135(points, 20, 30, NEAR)[0]
    decoded = ms272.decode_joints(convert.motion135_to_motion272(fitted))
    # 272 forgets heading and place of the first frame: give them back for the picture
    turn = rotation_about("y", np.array(edits.heading(fitted[:1].astype(np.float64))[0]))
    decoded = decoded @ transpose(turn) + fitted[0, :3] * [1.0, 0.0, 1.0]
    own = motion135.joints(fitted.astype(np.float64))
    asked[..., 1] -= asked[..., 1].min()
    decoded[..., 1] += own[..., 1].min() - decoded[..., 1].min()
    return [asked, own, decoded]


def draw(layers: list[np.ndarray], path: Path, title: str) -> None:
    """Six poses side by side, the layers on top of each other, seen from the front left."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.lines import Line2D

    frames = np.linspace(0, len(layers[0]) - 1, POSES).round().astype(int)
    view = rotation_about("x", np.array(0.15)) @ rotation_about("y", np.array(0.6))
    figure, axes = pyplot.subplots(1, POSES, figsize=(15, 5.0), sharey=True)
    for axis, frame in zip(axes, frames, strict=True):
        centre = layers[0][frame, 0] * [1.0, 0.0, 1.0]
        for (_, colour, width), points in zip(LAYERS, layers, strict=True):
            flat = (points[frame] - centre) @ view.T
            for joint, parent in enumerate(PARENTS):
                if parent >= 0:
                    axis.plot(*flat[[joint, parent], :2].T, color=colour, lw=width,
                              solid_capstyle="round")  # fmt: skip
        _floor(axis, view)
        axis.set(xlim=(-0.65, 0.65), ylim=(-0.2, 1.75), aspect="equal")
        apart = 1000.0 * np.linalg.norm(layers[1][frame] - layers[0][frame], axis=-1).mean()
        axis.set_title(f"{frame / 30:.1f} s, IK {apart:.0f} mm", fontsize=10)
        axis.axis("off")
    handles = [Line2D([], [], color=c, lw=width, label=name) for name, c, width in LAYERS]
    figure.legend(handles=handles, loc="lower center", ncols=3, frameon=False)
    figure.suptitle(title, fontsize=11)
    figure.subplots_adjust(0.01, 0.09, 0.99, 0.88, wspace=0.02)
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def _floor(axis: Any, view: np.ndarray) -> None:
    for at in np.linspace(-0.6, 0.6, 4):
        for ends in (([at, 0, -0.6], [at, 0, 0.6]), ([-0.6, 0, at], [0.6, 0, at])):
            flat = np.array(ends) @ view.T
            axis.plot(*flat[:, :2].T, color="#cccccc", lw=0.8, zorder=0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; draw where asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("dataset", type=Path, help="dataset folder")
    parser.add_argument("--clips", type=int, default=40, help="evenly chosen (default 40)")
    parser.add_argument("--picture", type=Path, help="PNG to draw")
    parser.add_argument("--clip", help="name of the clip to draw (default: the first of 5 s)")
    options = parser.parse_args(arguments)
    dataset = MotionDataset.load(options.dataset)
    print(table(dataset, options.clips), loop_table(dataset, options.clips), sep="\n\n")
    if options.picture:
        wanted = options.clip
        chosen = [c for c in dataset.clips if (c.name == wanted if wanted else c.length >= 150)]
        if not chosen:
            parser.error(f"there is no clip {wanted}")
        x = dataset.clip_motion(chosen[0])[:MAX_FRAMES].astype(np.float32)
        draw(overlay(x), options.picture, f"{chosen[0].name}: 263 joints, after IK, after 272")
    return 0


if __name__ == "__main__":
    sys.exit(main())
