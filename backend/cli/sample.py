"""``kinetype sample``: motions of one action from an action model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidRequest
from ..wire import limits
from . import console

if TYPE_CHECKING:
    import numpy as np

    from ..pipelines.action_mdm import ActionMDMPipeline
    from .outputs import SampleOutputs

HELP = "make motions of one action with an action model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "--checkpoint", required=True, help="run or model folder, hub id, or a released .pth"
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--action", help="name of the action, e.g. jump")
    what.add_argument("--action-id", type=int, metavar="N", help="its number instead")
    what.add_argument("--list-actions", action="store_true", help="print the actions and stop")
    parser.add_argument("--num-samples", type=int, default=4, help="(default %(default)s)")
    parser.add_argument(
        "--out",
        type=Path,
        action="append",
        metavar="PATH",
        help="a folder or .npy for the joints of all samples [N, frames, 66], or .npz .bvh .blend "
        ".mp4 for one file each; repeatable (default: output)",
    )
    parser.add_argument("--frames", type=int, help="frames at the model's rate (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same motions (default 0)")
    parser.add_argument(
        "--sampler",
        choices=(*limits.SAMPLERS, "exact"),
        help="'exact' repeats the released script number by number (default: the model's)",
    )
    parser.add_argument("--steps", type=int, help="denoising steps (default: the model's)")
    parser.add_argument("--device", help="cpu, cuda or mps (default: the best there is)")
    parser.add_argument("--offline", action="store_true", help="never use the network")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")


def run(options: argparse.Namespace) -> int:
    """Check what can be checked, sample, write."""
    from . import outputs

    count = options.num_samples
    if not limits.MIN_SAMPLES <= count <= limits.MAX_SAMPLES:
        raise InvalidRequest(
            f"The number of samples is {count}.",
            f"Choose from {limits.MIN_SAMPLES} to {limits.MAX_SAMPLES}.",
        )
    wanted = [path.expanduser() for path in options.out or [Path("output")]]
    joint_files = [p for p in wanted if p.suffix.lower() in ("", ".npy")]
    motions = [p for p in wanted if p not in joint_files]
    planned = outputs.plan(motions, count) if motions else []
    for path in joint_files:
        outputs.check_writable(path / "joints.npy" if path.suffix == "" else path)
    from ..pipelines.action_mdm import ActionMDMPipeline

    pipeline = ActionMDMPipeline.from_pretrained(
        options.checkpoint, device=options.device, local_files_only=options.offline
    )
    if options.list_actions:
        print(*pipeline.config.actions, sep="\n")
        return 0
    number, clips = _sample(pipeline, options)
    for path in joint_files:
        if path.suffix == "":
            # the name that the released script gives
            path = path / f"generated_action{number}_samples{count}.npy"
        _write_joints(path, clips)
        print(path, flush=True)
        console.note(f"(joints at {pipeline.config.fps:g} frames per second)")
    if planned:
        _write_motions(pipeline, clips, planned, options, number)
    return 0


def _sample(
    pipeline: ActionMDMPipeline, options: argparse.Namespace
) -> tuple[int, list[np.ndarray]]:
    from ..pipelines.action_names import closest_action
    from ..wire.messages import Progress

    actions = pipeline.config.actions
    if options.action is not None:
        name = closest_action(options.action, actions)
        if name != options.action:
            console.note(f"action: {name}")
        number = actions.index(name)
    else:
        number = options.action_id
    lengths = None if options.frames is None else [options.frames] * options.num_samples
    with console.ProgressBars(quiet=options.quiet) as bars:
        clips = pipeline.infer(
            [number] * options.num_samples,
            lengths,
            seed=options.seed,
            sampler=options.sampler,
            steps=options.steps,
            on_step=lambda done, total: bars.update(Progress("", "sampling", done, total)),
        )
    return number, clips


def _write_joints(path: Path, clips: list[np.ndarray]) -> None:
    import numpy as np

    from ..motion.io.atomic import atomic_path

    stacked = np.stack(clips).reshape(len(clips), len(clips[0]), -1).astype(np.float32)
    with atomic_path(path) as temporary:
        np.save(temporary, stacked, allow_pickle=False)


def _write_motions(
    pipeline: ActionMDMPipeline,
    clips: list[np.ndarray],
    planned: list[SampleOutputs],
    options: argparse.Namespace,
    number: int,
) -> None:
    from ..pipelines.action_mdm import to_motion135
    from ..wire.messages import Motion
    from . import blender, outputs

    for index, (clip, files) in enumerate(zip(clips, planned, strict=True)):
        data, error = to_motion135(clip, pipeline.config.fps)
        meta = {
            "prompt": pipeline.config.actions[number],
            "seed": options.seed + index,
            "model": str(options.checkpoint),
            "ik_error_mm": error,
        }
        motion = Motion(data, meta=meta)
        for path in files.motion_files:
            outputs.write_motion(path, motion)
            print(path, flush=True)
        if files.blender_files:
            blender.export(motion, files.blender_files, quiet=options.quiet)
            print(*files.blender_files, sep="\n", flush=True)
