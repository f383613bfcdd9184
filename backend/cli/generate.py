"""``kinetype generate``: a prompt to motion files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..wire import limits
from ..wire.skeleton import MOTION_FPS
from . import directing, motion_options

if TYPE_CHECKING:
    from ..wire.messages import Request

HELP = "make motions from a prompt"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("prompt", help="what the person does, e.g. 'a tired man walks forward'")
    parser.add_argument(
        "--out",
        type=Path,
        action="append",
        required=True,
        metavar="FILE",
        help=f"file to write; the suffix picks the format ({motion_options.written()}); repeatable",
    )
    parser.add_argument(
        "--seconds",
        type=_seconds,
        default=limits.DEFAULT_SECONDS,
        help="length, or 'auto' where the model estimates it (default %(default)g)",
    )
    parser.add_argument("--seed", type=int, default=0, help="same seed, same motion (default 0)")
    parser.add_argument(
        "--samples", type=int, default=1, help="how many; sample i uses seed + i (default 1)"
    )
    parser.add_argument(
        "--keep-best", action="store_true", help="make --samples, write the one that scores best"
    )
    parser.add_argument(
        "--model",
        default=limits.DEFAULT_MODEL,
        help="name, model folder or hub id; see 'kinetype models' (default %(default)s)",
    )
    parser.add_argument(
        "--segments",
        type=Path,
        metavar="FILE",
        help="JSON list of {prompt, start, length, transition} in seconds, as one motion; PROMPT "
        "may then be '' (starter, kimodo)",
    )
    directing.add_arguments(parser)
    motion_options.add_sampling(parser)
    motion_options.add_quality(parser)
    _add_finish(parser)
    motion_options.add_bvh_unit(parser)
    parser.add_argument(
        "--no-cleanup", action="store_true", help="leave out the foot lock and smoothing"
    )
    parser.add_argument(
        "--ik",
        metavar="PRESET",
        default=limits.IK_PRESETS[0],
        help="how joints become rotations, for models that make joints: clean, for animation, or "
        "published, for metrics (default %(default)s)",
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:1 or mps (default: the best there is)")
    motion_options.add_network(parser)
    parser.add_argument(
        "--no-overwrite", action="store_true", help="fail where a file is there already"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bars")


def _add_finish(parser: argparse.ArgumentParser) -> None:
    """What is asked of the motion besides its prompt."""
    parser.add_argument(
        "--speed", type=float, default=1.0, metavar="FACTOR",
        help=f"tempo, {limits.MIN_SPEED:g} to {limits.MAX_SPEED:g}; the length stays (default 1)",
    )  # fmt: skip
    parser.add_argument(
        "--amplitude", type=float, default=1.0, metavar="FACTOR",
        help="how far arms, trunk and head go and how high jumps are, "
        f"{limits.MIN_AMPLITUDE:g} to {limits.MAX_AMPLITUDE:g} (default 1)",
    )  # fmt: skip
    parser.add_argument(
        "--variety", action="store_true", help="let --samples differ in guidance, tempo and reach"
    )
    parser.add_argument("--loop", action="store_true", help="the end leads into the start")
    parser.add_argument("--in-place", action="store_true", help="the body stays where it starts")


def _seconds(text: str) -> float | None:
    """A number, or None for "auto"."""
    if text == "auto":
        return None
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor 'auto'") from error


def run(options: argparse.Namespace) -> int:
    """Check everything that can be checked, generate, write."""
    from . import outputs

    unit = motion_options.check_bvh_unit(options.bvh_unit)
    request = _request(options)
    files = 1 if request.keep_best else request.samples
    planned = outputs.plan(options.out, files, overwrite=not options.no_overwrite)
    if any(sample.blender_files for sample in planned):
        from . import blender

        blender.find()
    result = motion_options.ask(options, request)
    directing.tell(result.motions)
    made = zip(result.motions, planned, strict=True)
    motion_options.write_motions(made, quiet=options.quiet, bvh_unit=unit)
    return 0


def _request(options: argparse.Namespace) -> Request:
    from ..wire.messages import Request

    return Request(
        prompt=options.prompt,
        seconds=limits.DEFAULT_SECONDS if options.seconds is None else options.seconds,
        estimate_length=options.seconds is None,
        seed=options.seed,
        samples=options.samples,
        model=options.model,
        guidance_scale=options.guidance_scale,
        steps=options.steps,
        sampler=options.sampler,
        ik=options.ik,
        cleanup=not options.no_cleanup,
        keep_best=options.keep_best,
        constraints=directing.read(options, MOTION_FPS),
        correct=not options.no_correct,
        segments=directing.read_segments(options.segments),
        quality=options.quality,
        variety=options.variety,
        loop=options.loop,
        in_place=options.in_place,
        speed=options.speed,
        amplitude=options.amplitude,
    ).validated()
