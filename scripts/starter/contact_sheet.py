"""A sheet of pictures: one row per prompt or seed, eight moments from left to right.

    python scripts/starter/contact_sheet.py runs/starter --out docs/contact_sheet.png
    python scripts/starter/contact_sheet.py runs/starter --prompt "karate kick" --seeds 0 1 2 \\
        --out docs/seeds.png
    python scripts/starter/contact_sheet.py --motions a.npz b.npz --out sheet.png

The figure is a stick mannequin: left limbs blue, right limbs orange, the short line is the nose.
The camera keeps its direction and follows the pelvis; the floor lines (0.5 m) show the travel.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from backend.motion.representations import smplrifke205
from scripts.starter.drawing import draw_frame, first_heading

FRAMES = 8
PROMPTS: tuple[tuple[str, float], ...] = (
    ("a person walks forward", 4),
    ("an old man walks slowly", 5),
    ("jogging", 3),
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


def sheet(rows: Sequence[tuple[str, np.ndarray]], path: Path, moments: int = FRAMES) -> None:
    """Draw motion_135 clips, one row each with its title, into a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, grid = pyplot.subplots(
        len(rows), moments, figsize=(1.3 * moments + 1.6, 1.5 * len(rows)), dpi=110, squeeze=False
    )
    figure.subplots_adjust(left=0.13, right=0.995, top=0.995, bottom=0.005, wspace=0, hspace=0)
    for line, (title, motion) in zip(grid, rows, strict=True):
        heading = first_heading(motion)
        for axes, k in zip(line, np.linspace(0, len(motion) - 1, moments).astype(int), strict=True):
            draw_frame(axes, motion[k], heading)
            axes.text(
                0.97, 0.02, f"{k / 30:.1f} s", transform=axes.transAxes, fontsize=5, ha="right"
            )
        label = "\n".join(textwrap.wrap(title, 18))
        line[0].text(-0.05, 0.5, label, transform=line[0].transAxes, fontsize=8, ha="right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    pyplot.close(figure)


def generate(
    model: str, prompts: Sequence[tuple[str, float]], seeds: Sequence[int], cleanup: bool
) -> list[tuple[str, np.ndarray]]:
    """Motions of every prompt with every seed, cleaned as ``kinetype generate`` does."""
    from backend.pipelines.dit import DiTPipeline

    from backend.motion.cleanup import default_cleanup

    pipeline = DiTPipeline.from_pretrained(model)
    rows = []
    for seed in seeds:
        frames = [round(seconds * smplrifke205.SPEC.fps) for _, seconds in prompts]
        made = pipeline.infer_t2m([text for text, _ in prompts], frames, seed=seed)
        for (text, _), x in zip(prompts, made, strict=True):
            motion = smplrifke205.to_motion135(np.asarray(x, np.float32))
            title = text if len(seeds) == 1 else f"{text}, seed {seed}"
            rows.append((title, default_cleanup(motion) if cleanup else motion))
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
    args = parser.parse_args()
    if args.motions:
        from backend.motion.io import npz

        rows = [(p.stem, npz.read_motion(p).data) for p in args.motions]
    elif args.model:
        prompts = [(p, args.seconds) for p in args.prompt] if args.prompt else PROMPTS
        rows = generate(args.model, prompts, args.seeds, not args.no_cleanup)
    else:
        parser.error("give a model folder or --motions")
    sheet(rows, args.out)


if __name__ == "__main__":
    main()
