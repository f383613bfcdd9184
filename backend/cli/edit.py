"""``kinetype edit``: fill gaps of a motion, or make some of its joints anew, from a prompt."""

from __future__ import annotations

import argparse
import math
import re
from typing import TYPE_CHECKING

from ..errors import InvalidRequest
from ..wire import limits
from . import directing, motion_options

if TYPE_CHECKING:
    from ..wire.messages import Motion, Request

HELP = "make part of a motion anew: fill between kept frames, or some joints"

_RANGE = re.compile(r"\s*(?P<start>[\d.]*)\s*(?P<s1>s?)\s*-\s*(?P<end>[\d.]*)\s*(?P<s2>s?)\s*")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    motion_options.add_files(parser)
    parser.add_argument(
        "--prompt", default="", help="what the person does; without it the kept part alone decides"
    )
    parser.add_argument(
        "--keep-frames",
        metavar="RANGES",
        help="frames that stay, e.g. 0-1s,3s-4s or 0-30,90- (frames, the end left out)",
    )
    joints = parser.add_mutually_exclusive_group()
    joints.add_argument(
        "--regenerate",
        metavar="JOINTS",
        help="joints to make anew, the rest stays: upper, lower, arms, left_arm, head, ...",
    )
    joints.add_argument("--keep", metavar="JOINTS", help="joints that stay, the rest is made anew")
    directing.add_arguments(parser)
    motion_options.add_sampling(parser, sampler="ddpm")
    motion_options.add_quality(parser)
    parser.add_argument(
        "--restarts",
        metavar="LEVELS",
        help="noise levels of further rounds, e.g. 0.9,0.5; 0 for none (default: 0.9,0.6)",
    )
    motion_options.add_rest(
        parser,
        model=limits.DEFAULT_MODEL,
        model_help="name, model folder or hub id",
        new="filled",
    )


def run(options: argparse.Namespace) -> int:
    """Check, edit, write."""
    from . import blender, outputs

    unit = motion_options.check_bvh_unit(options.bvh_unit)
    [planned] = outputs.plan(options.out, 1, overwrite=not options.no_overwrite)
    if planned.blender_files:
        blender.find()
    request = _request(options, motion_options.read_motion(options.input, options))
    [edited] = motion_options.ask(options, request).motions
    directing.tell([edited])
    motion_options.write_motions([(edited, planned)], quiet=options.quiet, bvh_unit=unit)
    return 0


def parse_ranges(text: str, fps: float, frames: int) -> list[tuple[int, int]]:
    """``"0-1s,3s-4s"`` to half-open frame ranges; an ``s`` on either end means seconds.

    An end that is left out is that of the clip; seconds may reach a frame beyond it.

    Raises:
        InvalidRequest: not of that form.
    """
    ranges = []
    for part in filter(str.strip, text.split(",")):
        match = _RANGE.fullmatch(part)
        try:
            if match is None:
                raise ValueError(part)
            scale = fps if match["s1"] or match["s2"] else 1.0
            start = float(match["start"] or 0.0) * scale
            end = float(match["end"]) * scale if match["end"] else float(frames)
            if math.isinf(start) or math.isinf(end):
                raise ValueError(part)
        except ValueError as error:
            raise InvalidRequest(
                f"{part.strip()[:40]!r} is no range of frames.",
                "Write ranges like 0-1s,3s-4s (seconds) or 0-30,90-120 (frames).",
            ) from error
        seconds = scale != 1.0
        last = round(end)
        ranges.append((round(start), frames if seconds and last == frames + 1 else last))
    return ranges


def _levels(text: str) -> tuple[float, ...]:
    try:
        levels = tuple(float(part) for part in text.split(","))
        if not all(0.0 <= level <= 1.0 for level in levels):
            raise ValueError(text)
    except ValueError as error:
        raise InvalidRequest(
            f"--restarts {text!r} are no noise levels.", "Give numbers from 0 to 1, like 0.9,0.5."
        ) from error
    return tuple(level for level in levels if level > 0.0)


def _between(kept: list[tuple[int, int]], frames: int) -> tuple[tuple[int, int], ...]:
    """What lies between ranges that are kept."""
    import numpy as np

    from ..motion.seams import gaps

    mask = np.zeros(frames, dtype=bool)
    for start, end in kept:
        if not 0 <= start < end <= frames:
            raise InvalidRequest(
                f"The frames {start} to {end} do not lie in the clip of {frames} frames.",
                f"Give ranges from 0 to {frames}, the end above the start.",
            )
        mask[start:end] = True
    return tuple(gaps(mask))


def _request(options: argparse.Namespace, motion: Motion) -> Request:
    from ..motion.joint_sets import joint_mask
    from ..motion.skeleton import JOINT_NAMES
    from ..wire.messages import Edit, Request

    count, frames = len(motion.data), None
    if options.keep_frames:
        frames = _between(parse_ranges(options.keep_frames, motion.fps, count), count)
    joints = tuple(filter(None, (options.regenerate or "").split(",")))
    if options.keep:
        kept = joint_mask(options.keep)
        joints = tuple(n for n, keep in zip(JOINT_NAMES, kept, strict=True) if not keep)
        if not joints:
            raise InvalidRequest("The edit keeps everything.", "Keep fewer joints.")
    edit = Edit(
        motion,
        frames,
        joints,
        restarts=None if options.restarts is None else _levels(options.restarts),
    )
    return Request(
        options.prompt,
        edit=edit,
        seed=options.seed,
        model=options.model,
        quality=options.quality,
        guidance_scale=options.guidance_scale,
        steps=options.steps,
        sampler=options.sampler,
        cleanup=not options.no_cleanup,
        constraints=directing.read(options, motion.fps),
        correct=not options.no_correct,
    ).validated()
