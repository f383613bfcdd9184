"""``kinetype continue``: a motion goes on, or gets a new middle."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..errors import InvalidRequest
from ..wire import limits
from . import abilities, console, motion_options

if TYPE_CHECKING:
    from ..pipelines.editing.continuing import Take
    from ..wire.messages import Motion

HELP = "let a motion go on, or make its middle anew"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    motion_options.add_files(parser)
    parser.add_argument(
        "--prompt", default="", help="what happens next (starter, MDM, DiP; MotionGPT reads none)"
    )
    parser.add_argument(
        "--in-between",
        action="store_true",
        help="keep the first and the last quarter, make the half between them anew (MotionGPT; "
        "others: kinetype edit)",
    )
    parser.add_argument(
        "--share",
        type=float,
        help="how much of the motion, from its beginning, is kept and gone on from (default: 1)",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        help="length of the new part (default: as MotionGPT ends it; others make "
        f"{limits.DEFAULT_SECONDS:g})",
    )
    parser.add_argument(
        "--samples", type=int, default=1, help="how many; sample i uses seed + i (default 1)"
    )
    parser.add_argument("--greedy", action="store_true", help="always the likeliest: one result")
    motion_options.add_sampling(parser, sampler="ddpm, of a DiP its own")
    motion_options.add_rest(
        parser,
        model=limits.DEFAULT_MODEL,
        model_help="a model that edits or reads motions: name, folder or hub id",
        new="new",
    )


def run(options: argparse.Namespace) -> int:
    """Check what can be checked before the model is loaded, ask it, write."""
    from . import blender, outputs

    if options.in_between:
        for name in ("share", "seconds", "guidance_scale", "steps", "sampler"):
            if getattr(options, name) is not None:
                raise InvalidRequest(
                    f"--{name.replace('_', '-')} is for motions that go on.",
                    "Leave it out with --in-between.",
                )
    planned = outputs.plan(options.out, options.samples, overwrite=not options.no_overwrite)
    if any(sample.blender_files for sample in planned):
        blender.find()
    takes = _takes(options, motion_options.read_motion(options.input, options.fps))
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
    motion_options.write_motions(made, quiet=options.quiet)
    return 0


def _takes(options: argparse.Namespace, motion: Motion) -> list[Take]:
    from ..pipelines.editing import continuing
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
            guidance_scale=options.guidance_scale,
            sampler=options.sampler,
            steps=options.steps,
            on_step=lambda done, total: bars.update(Progress("continue", stage, done, total)),
        )
        if options.in_between:
            model = abilities.load(options, "in_between")
            return continuing.new_middle(model, motion, how)
        model = abilities.load(options, "continue")
        return continuing.go_on(model, motion, how)
