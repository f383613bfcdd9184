"""Pictures of what an action model makes: a GIF of every action and one contact sheet.

    python scripts/action_gallery.py runs/action --gifs docs/action-mdm \\
        --sheet docs/action_mdm_samples.png --loss docs/action_mdm_loss.png

    python scripts/action_gallery.py runs/action --compare data/starter --count 24

The GIFs show the joints as the model makes them; the sheet shows the fitted skeleton, eight moments
of each action from left to right. One sample each, taken as it comes (``--each 5``: five).
``--compare`` prints what many samples of each action do beside what the recordings do that the
model was trained on.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from backend.evaluation import loss_plot, stick_figure
from backend.motion.cleanup import default_cleanup
from backend.pipelines.action_mdm.coordinates import to_joints
from backend.pipelines.action_mdm.pipeline import ActionMDMPipeline, to_motion135
from backend.store.model_folder import config_from_dict, read_json
from backend.training.action_mdm.recipe import TRAIN_CONFIG, ActionTrainConfig
from backend.training.data import actions as action_data
from backend.training.data.actions import ActionWindows
from scripts.starter.contact_sheet import sketched

FRONT_LEFT = {"elev": 12, "azim": 55}


def measures(clip: np.ndarray, fps: float) -> str:
    """How far the pelvis travels and how fast the wrists move, for a line of text."""
    way = np.linalg.norm(clip[-1, 0, [0, 2]] - clip[0, 0, [0, 2]])
    local = clip - clip[:, :1]
    speed = np.linalg.norm(np.diff(local[:, [20, 21]], axis=0), axis=-1).mean(0) * fps
    bones = np.linalg.norm(clip[:, [4, 5, 18, 19]] - clip[:, [1, 2, 16, 17]], axis=-1)
    stretch = 100 * bones.std(0).mean() / bones.mean()
    return (
        f"travel {way:4.2f} m, wrists {speed[0]:4.2f} {speed[1]:4.2f} m/s, "
        f"left wrist up to {clip[:, 20, 1].max():4.2f} m, right {clip[:, 21, 1].max():4.2f} m, "
        f"bone stretch {stretch:.1f} %"
    )


LIVELY = 0.3
"""Mean speed of a wrist about the pelvis above which a hand is in use, m/s."""


def habits(clips: np.ndarray, fps: float) -> str:
    """Means over clips ``[N, F, 22, 3]``, as cells of a table."""
    way = np.linalg.norm(clips[:, -1, 0, ::2] - clips[:, 0, 0, ::2], axis=-1)
    hands = (clips - clips[:, :, :1])[:, :, [20, 21]]
    speed = np.linalg.norm(np.diff(hands, axis=1), axis=-1).mean(1) * fps
    top = clips[:, :, [20, 21], 1].max(1)
    cells = [f"{way.mean():.2f}"]
    for side in (0, 1):
        used = (speed[:, side] > LIVELY).mean()
        cells.append(f"{speed[:, side].mean():.2f} ({100 * used:.0f} %)")
        cells.append(f"{top[:, side].mean():.2f}")
    return " | ".join(cells)


def compare(pipeline: ActionMDMPipeline, run: Path, data: Path, args: argparse.Namespace) -> None:
    """Print the habits of samples and of recordings, action by action."""
    config = config_from_dict(ActionTrainConfig, read_json(run / TRAIN_CONFIG), TRAIN_CONFIG)
    recorded = ActionWindows(
        action_data.load(data, actions=config.actions, max_clips=config.max_clips), config.windows
    )
    print("| action | | travel, m | left wrist, m/s (in use) | top, m | right | top |")
    print("|---|---|---|---|---|---|---|")
    for label, action in enumerate(pipeline.config.actions):
        made = pipeline.infer(
            [action] * args.count, seed=args.seed, steps=args.steps, sampler=args.sampler
        )
        rows = np.flatnonzero(recorded.labels.numpy() == label)
        batch = recorded.batch([int(i) for i in np.resize(rows, max(args.count, len(rows)))])
        features = batch.x * recorded.std + recorded.mean
        whole = slice(None) if batch.mask is None else batch.mask.all(1)
        real = to_joints(features[whole], config.windows.coordinates).numpy()
        print(f"| {action} | made | {habits(np.stack(made), pipeline.config.fps)} |")
        if len(real):
            print(f"| | recorded | {habits(real, pipeline.config.fps)} |", flush=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", help="run or model folder")
    parser.add_argument("--gifs", type=Path, help="folder for one GIF per action")
    parser.add_argument("--sheet", type=Path, help="PNG")
    parser.add_argument("--loss", type=Path, help="PNG of the run's loss curve")
    parser.add_argument(
        "--earlier", nargs="+", default=[], help="runs that it started from, for the loss curve"
    )
    parser.add_argument("--actions", nargs="+", help="default: all")
    parser.add_argument("--each", type=int, default=1, help="rows of the sheet for each action")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--sampler", default="ddim")
    parser.add_argument("--dpi", type=int, default=36)
    parser.add_argument("--compare", type=Path, help="dataset folder of the run's recordings")
    parser.add_argument("--count", type=int, default=24, help="samples of each action to compare")
    args = parser.parse_args()
    pipeline = ActionMDMPipeline.from_pretrained(args.model)
    if args.compare:
        compare(pipeline, Path(args.model), args.compare, args)
        return
    actions = [a for a in args.actions or pipeline.config.actions for _ in range(args.each)]
    clips = pipeline.infer(actions, seed=args.seed, steps=args.steps, sampler=args.sampler)
    rows, fps = [], pipeline.config.fps
    for action, clip in zip(actions, clips, strict=True):
        motion, error = to_motion135(clip, fps)
        print(f"{action:22} {measures(clip, fps)}, IK error {error:.0f} mm", flush=True)
        rows.append((action, default_cleanup(motion)))
        if args.gifs and (len(rows) - 1) % args.each == 0:
            scene = stick_figure.stage(clip)
            frames = stick_figure.pictures(scene, action, dpi=args.dpi, view=FRONT_LEFT)
            stick_figure.save_gif(frames, args.gifs / f"{action}.gif", fps)
    if args.sheet:
        sketched(rows, args.sheet)
    if args.loss:
        earlier = [Path(run) / "log.jsonl" for run in args.earlier]
        loss_plot.draw(Path(args.model) / "log.jsonl", args.loss, earlier=earlier)


if __name__ == "__main__":
    main()
