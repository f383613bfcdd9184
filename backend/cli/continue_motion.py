"""``kinetype continue``: a motion goes on, or gets a new middle."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..errors import InvalidRequest
from ..wire import limits
from . import motion_options

if TYPE_CHECKING:
    from ..wire.messages import Motion, Request

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
    motion_options.add_quality(parser)
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
    unit = motion_options.check_bvh_unit(options.bvh_unit)
    planned = outputs.plan(options.out, options.samples, overwrite=not options.no_overwrite)
    if any(sample.blender_files for sample in planned):
        blender.find()
    request = _request(options, motion_options.read_motion(options.input, options))
    made = motion_options.ask(options, request).motions
    # where a model wrote nothing for a seed, its file is missing
    files = [planned[motion.meta["seed"] - options.seed] for motion in made]
    motion_options.write_motions(zip(made, files, strict=True), quiet=options.quiet, bvh_unit=unit)
    return 0


def _request(options: argparse.Namespace, motion: Motion) -> Request:
    from ..wire.messages import Edit, Motion, Request

    share = 1.0 if options.share is None else options.share
    if not 0.0 < share <= 1.0:
        raise InvalidRequest(f"The share is {share:g}.", "Choose above 0 and up to 1.")
    more = None
    if options.seconds is not None:
        shortest, longest = limits.MIN_SECONDS_ADDED, limits.MAX_SECONDS
        if not shortest <= options.seconds <= longest:
            raise InvalidRequest(
                f"A new part cannot have {options.seconds:g} seconds.",
                f"Choose from {shortest:g} to {longest:g}.",
            )
        more = max(1, round(options.seconds * motion.fps))
    kept = motion.data[: max(1, round(share * len(motion.data)))]
    edit = Edit(
        Motion(kept, motion.fps, motion.meta),
        more=0 if options.in_between else more,
        middle=options.in_between,
        greedy=options.greedy,
    )
    return Request(
        options.prompt,
        edit=edit,
        seed=options.seed,
        samples=options.samples,
        model=options.model,
        quality=options.quality,
        guidance_scale=options.guidance_scale,
        steps=options.steps,
        sampler=options.sampler,
        cleanup=not options.no_cleanup,
    ).validated()
