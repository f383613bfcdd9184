"""``kinetype sample``: motions of one action from an action model."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidRequest
from ..wire import limits
from . import console, motion_options

if TYPE_CHECKING:
    from ..wire.messages import Features, Request

HELP = "make motions of one action with an action model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "--checkpoint",
        required=True,
        help="run or model folder, hub id, or a released checkpoint (.pth; model*.pt + args.json)",
    )
    what = parser.add_mutually_exclusive_group()
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
        choices=(*limits.DIFFUSION_SAMPLERS, "exact"),
        help="'exact' repeats the released script number by number (default: the model's)",
    )
    parser.add_argument("--steps", type=int, help="denoising steps (default: the model's)")
    parser.add_argument("--device", help="cpu, cuda or mps (default: the best there is)")
    motion_options.add_network(parser)
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
    result = motion_options.ask(options, _request(options, rig=bool(planned)))
    if options.list_actions:
        print(*result.texts, sep="\n")
        return 0
    number, name = result.texts or ("0", "")
    if options.action not in (None, name):
        console.note(f"action: {name}")
    for path in joint_files:
        if path.suffix == "":
            # the name that the released script gives
            path = path / f"generated_action{number}_samples{count}.npy"
        _write_joints(path, result.clips)
        print(path, flush=True)
        console.note(f"(joints at {result.clips[0].fps:g} frames per second)")
    motion_options.write_motions(
        zip(result.motions, planned, strict=True) if planned else (), quiet=options.quiet
    )
    return 0


def _request(options: argparse.Namespace, *, rig: bool) -> Request:
    from ..wire.messages import Request, Sample

    if not options.checkpoint:
        raise InvalidRequest("No checkpoint is named.", "Give the folder of an action model.")
    return Request(
        "",
        sample=Sample(
            options.action, options.action_id, options.frames, rig=rig, names=options.list_actions
        ),
        samples=options.num_samples,
        seed=options.seed,
        model=options.checkpoint,
        sampler=options.sampler,
        steps=options.steps,
    ).validated()


def _write_joints(path: Path, clips: Sequence[Features]) -> None:
    import numpy as np

    from ..motion.io.atomic import atomic_path

    with atomic_path(path) as temporary:
        np.save(temporary, np.stack([clip.data for clip in clips]), allow_pickle=False)
