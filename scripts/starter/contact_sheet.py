"""A sheet of pictures: one row per prompt or seed, eight moments from left to right.

    python scripts/starter/contact_sheet.py runs/starter --out docs/contact_sheet.png
    python scripts/starter/contact_sheet.py runs/starter --prompt "karate kick" --seeds 0 1 2 \\
        --out docs/seeds.png
    python scripts/starter/contact_sheet.py --motions a.npz b.npz --out sheet.png

The figure is a stick mannequin: left limbs blue, right limbs orange, the short line is the nose.
The camera keeps its direction and follows the pelvis; the floor lines (0.5 m) show the travel.
With ``--blender`` it is the add-on's mannequin on its stage instead (slower, needs bpy).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from backend.wire.skeleton import MOTION_FPS
from scripts.starter.drawing import draw_frame, first_heading

FRAMES = 8
DPI = 110
PIXELS = (180, 216)
PROMPTS: tuple[tuple[str, float], ...] = (
    ("a person walks forward", 4),
    ("an old man walks slowly", 5),
    ("a quick jog", 3),
    ("100 meter sprint, all out", 3),
    ("a tired person walks and turns left", 5),
    ("a giant walks backwards", 4),
    ("someone kicks", 3),
    ("boxing", 3),
    ("a samurai swings his katana", 4),
    ("the butler bows politely", 4),
    ("he dances", 6),
    ("a happy child waves both hands", 4),
)


def moments(frames: int) -> np.ndarray:
    """Frame numbers of the pictures of a clip, first and last included."""
    return np.linspace(0, frames - 1, FRAMES).round().astype(int)


def sketched(rows: Sequence[tuple[str, np.ndarray]], path: Path) -> None:
    """Draw motion_135 clips as stick mannequins, one row each with its title, into a PNG."""
    figure, grid = _blank(len(rows), aspect=1.15)
    for line, (title, motion) in zip(grid, rows, strict=True):
        heading = first_heading(motion)
        for axes, k in zip(line, moments(len(motion)), strict=True):
            draw_frame(axes, motion[k], heading)
        _label(line, title, len(motion))
    _save(figure, path)


def rendered(rows: Sequence[tuple[str, np.ndarray]], path: Path) -> None:
    """Render motion_135 clips with Blender's Workbench on the add-on's mannequin and stage."""
    from matplotlib import image

    figure, grid = _blank(len(rows), aspect=PIXELS[1] / PIXELS[0])
    for number, (line, (title, motion)) in enumerate(zip(grid, rows, strict=True)):
        print(f"  {number + 1}/{len(rows)} {title}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            pictures = _render_frames(motion, Path(folder))
            for axes, k in zip(line, moments(len(motion)), strict=True):
                axes.imshow(image.imread(pictures[k]))
                axes.axis("off")
        _label(line, title, len(motion))
    _save(figure, path)


def _render_frames(motion: np.ndarray, folder: Path) -> list[Path]:
    from backend.motion.io import npz
    from backend.wire.messages import Motion

    npz.write_motion(folder / "clip.npz", Motion(motion))
    command = [sys.executable, "-m", "blender_addon.headless", "--motion", str(folder / "clip.npz")]
    command += ["--frames", str(folder / "frames")]
    command += ["--width", str(PIXELS[0]), "--height", str(PIXELS[1])]
    root = Path(__file__).resolve().parents[2]
    subprocess.run(
        command, cwd=root, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return sorted((folder / "frames").glob("*.png"))


def _blank(rows: int, aspect: float) -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    width, margin = 1.3 * FRAMES, 1.6
    figure, grid = pyplot.subplots(
        rows, FRAMES, figsize=(width + margin, 1.3 * aspect * rows), dpi=DPI, squeeze=False
    )
    left = margin / (width + margin)
    figure.subplots_adjust(left=left, right=1, top=1, bottom=0, wspace=0.01, hspace=0.01)
    return figure, grid


def _label(line: Any, title: str, frames: int) -> None:
    for axes, k in zip(line, moments(frames), strict=True):
        style = {"transform": axes.transAxes, "fontsize": 5, "ha": "right"}
        axes.text(0.97, 0.03, f"{k / MOTION_FPS:.1f} s", **style)
    label = "\n".join(textwrap.wrap(title, 18))
    place = {"transform": line[0].transAxes, "ha": "right", "va": "center"}
    line[0].text(-0.06, 0.5, label, fontsize=8, **place)


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    figure.clear()


def generate(
    model: str, prompts: Sequence[tuple[str, float]], seeds: Sequence[int], cleanup: bool
) -> list[tuple[str, np.ndarray]]:
    """Motions of every prompt with every seed, cleaned as ``kinetype generate`` does."""
    from backend.motion.cleanup import default_cleanup
    from backend.pipelines.dit import DiTPipeline
    from backend.wire.messages import Request

    pipeline = DiTPipeline.from_pretrained(model)
    rows = []
    for seed in seeds:
        for text, seconds in prompts:
            (made,) = pipeline.generate(Request(text, seconds=seconds, seed=seed))
            title = text if len(seeds) == 1 else f"{text}, seed {seed}"
            rows.append((title, default_cleanup(made.data) if cleanup else made.data))
    return rows


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", nargs="?")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--motions", type=Path, nargs="+", help="motion files instead of a model")
    parser.add_argument("--prompt", action="append", help="may be given several times")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--no-cleanup", action="store_true")
    parser.add_argument("--blender", action="store_true", help="render with the bpy module")
    args = parser.parse_args()
    if args.motions:
        from backend.motion.io import npz

        rows = [(p.stem, npz.read_motion(p).data) for p in args.motions]
    elif args.model:
        prompts = [(p, args.seconds) for p in args.prompt] if args.prompt else PROMPTS
        rows = generate(args.model, prompts, args.seeds, not args.no_cleanup)
    else:
        parser.error("give a model folder or --motions")
    (rendered if args.blender else sketched)(rows, args.out)


if __name__ == "__main__":
    main()
