"""``kinetype continue``: a motion goes on, or gets a new middle."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidRequest
from ..wire import limits
from . import abilities, console

if TYPE_CHECKING:
    from ..pipelines.continuing import Take
    from ..wire.messages import Motion
    from .outputs import SampleOutputs

HELP = "let a motion go on, or make its middle anew"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("input", type=Path, metavar="IN", help="motion file (.npz .bvh .npy)")
    parser.add_argument(
        "--out",
        type=Path,
        action="append",
        required=True,
        metavar="FILE",
        help="file to write (.npz .bvh .npy .blend .mp4); repeatable",
    )
    parser.add_argument(
        "--prompt", default="", help="what happens next (a DiP; MotionGPT goes on without one)"
    )
    parser.add_argument(
        "--in-between",
        action="store_true",
        help="keep the first and the last quarter, make the half between them anew",
    )
    parser.add_argument(
        "--share",
        type=float,
        help="how much of the motion, from its beginning, is kept and gone on from (default: 1)",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        help="length of the new part (default: as MotionGPT ends it; a DiP makes "
        f"{limits.DEFAULT_SECONDS:g})",
    )
    parser.add_argument("--seed", type=int, default=0, help="same seed, same motion (default 0)")
    parser.add_argument(
        "--samples", type=int, default=1, help="how many; sample i uses seed + i (default 1)"
    )
    parser.add_argument("--greedy", action="store_true", help="always the likeliest: one result")
    parser.add_argument(
        "--model",
        default=abilities.READER,
        help="a model that reads motions: name, folder or hub id (default %(default)s)",
    )
    parser.add_argument("--fps", type=float, help="rate of IN where its file does not say it")
    parser.add_argument(
        "--no-cleanup", action="store_true", help="leave out the foot lock of new frames"
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:1 or mps (default: the best there is)")
    parser.add_argument("--offline", action="store_true", help="never use the network")
    parser.add_argument("--no-overwrite", action="store_true", help="fail where a file is there")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")


def run(options: argparse.Namespace) -> int:
    """Check what can be checked before the model is loaded, ask it, write."""
    from . import blender, edit, outputs

    if options.in_between and not (options.share is None and options.seconds is None):
        raise InvalidRequest(
            "--share and --seconds are for motions that go on.", "Leave them out with --in-between."
        )
    planned = outputs.plan(options.out, options.samples, overwrite=not options.no_overwrite)
    if any(sample.blender_files for sample in planned):
        blender.find()
    takes = _takes(options, edit.read_motion(options.input, options.fps))
    numbered = options.samples > 1
    for index, take in enumerate(takes):
        for text in take.warnings:
            console.warning(f"seed {options.seed + index}: {text}" if numbered else text)
    made = [(take.motion, files) for take, files in zip(takes, planned, strict=True) if take.motion]
    if not made:
        raise InvalidRequest(
            f"The model {options.model!r} wrote no motion; nothing is written.",
            "Try another --seed, more --samples, or a longer part of the motion.",
        )
    return _write(made, quiet=options.quiet)


def _takes(options: argparse.Namespace, motion: Motion) -> list[Take]:
    from ..pipelines import continuing
    from ..wire.messages import Progress

    stage = "filling in" if options.in_between else "going on"
    with console.ProgressBars(quiet=options.quiet) as bars:
        bars.update(Progress("continue", "loading model"))
        how = continuing.Drawing(
            prompt=options.prompt,
            seed=options.seed,
            takes=options.samples,
            greedy=options.greedy,
            share=1.0 if options.share is None else options.share,
            longest_seconds=options.seconds,
            foot_lock=not options.no_cleanup,
            on_step=lambda done, total: bars.update(Progress("continue", stage, done, total)),
        )
        if options.in_between:
            model = abilities.load(options, ["complete_motions"], "cannot fill one in this way")
            return continuing.new_middle(model, motion, how)
        can = ["continue_motions", "complete_prefixes"]
        model = abilities.load(options, can, "cannot let one go on")
        return continuing.go_on(model, motion, how)


def _write(made: list[tuple[Motion, SampleOutputs]], *, quiet: bool) -> int:
    from . import blender, outputs

    for motion, files in made:
        for path in files.motion_files:
            outputs.write_motion(path, motion)
            print(path, flush=True)
    for motion, files in made:
        if files.blender_files:
            blender.export(motion, files.blender_files, quiet=quiet)
            print(*files.blender_files, sep="\n", flush=True)
    return 0
