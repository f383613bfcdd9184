"""What a request asks of a motion besides its prompt: tempo, reach, variety, a loop, in place.

No model is asked for these: it makes a motion of another length, which is then played faster or
slower, moved more or less, closed to a loop, kept above where it starts. The functions are those of
the clean-up in the panel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..pipelines.family import families
from ..wire import limits
from ..wire.control import OPTIONS, ModelInfo
from ..wire.messages import Motion, Progress, Request
from ..wire.skeleton import MOTION_FPS

VARIED = {"speed": (0.75, 1.33), "amplitude": (0.7, 1.4), "guidance_scale": (0.6, 1.6)}
"""By which factors the samples of a request with variety differ from what it says."""
_SPREAD = (0.8191725134, 0.6710436067, 0.5497004779)
"""Steps of a sequence whose neighbours lie far apart in each of three numbers (the powers of the
root of x^4 = x + 1): samples have seeds one after the other, and are to differ."""
LOOP_BLEND = 0.4
"""Seconds in which the end of a loop leads into its start."""
LOOP_SPARE = 0.3
"""How much longer than asked a motion is made, so that there is a choice of where it repeats."""
LOOP_LEAST = 0.8
"""A loop is at least this part of the length asked for."""
_TURN = math.radians(8.0)
"""A loop that turns by more between two repetitions is told."""
_REACHING = ("arms", "spine", "head")

Generate = Callable[[Request, Callable[[Progress], None]], list[Motion]]


# ---------------------------------------------------------------------------- before the model


def with_quality(request: Request, info: ModelInfo) -> tuple[Request, tuple[str, ...]]:
    """The request with what its quality stands for, and a warning where the model has none."""
    if request.quality == "standard":
        return request, ()
    if request.quality not in info.qualities:
        return request, (f"The model {info.name!r} has no quality {request.quality!r}: left out.",)
    sampling = families()[info.family].qualities[request.quality]
    named = {name: getattr(request, name) for name in OPTIONS}
    meant = {name: getattr(sampling, name) for name in OPTIONS}
    return replace(request, **{n: meant[n] if named[n] is None else named[n] for n in OPTIONS}), ()


def made(
    pipeline: object,
    generate: Generate,
    request: Request,
    info: ModelInfo,
    report: Callable[[Progress], None],
) -> list[Motion]:
    """The motions of a request, at its speed and with its reach; not yet a loop or in place.

    Args:
        generate: the pipeline's; it makes all samples of a request at once, unless they vary.
    """
    if not request.variety:
        asked = [request]
    else:
        seeds = range(request.seed, request.seed + request.samples)
        asked = [varied(replace(request, seed=s, samples=1), pipeline, info) for s in seeds]
    found: list[Motion] = []
    for number, one in enumerate(asked):
        plain = replace(
            one, seconds=_seconds_to_make(one, info), speed=1.0, amplitude=1.0,
            variety=False, loop=False, in_place=False, quality="standard",
        )  # fmt: skip
        motions = generate(plain, _part(report, number, len(asked)))
        found += [_shaped(motion, one) for motion in motions]
    return found


def varied(request: Request, pipeline: object, info: ModelInfo) -> Request:
    """One sample with its own guidance, speed and amplitude, which its seed decides."""
    drawn = {
        name: low * (high / low) ** math.fmod(0.5 + request.seed * step, 1.0)
        for step, (name, (low, high)) in zip(_SPREAD, VARIED.items(), strict=True)
    }
    longest = (info.max_seconds or limits.MAX_SECONDS) / request.seconds
    speed = min(request.speed * drawn["speed"], longest, limits.MAX_SPEED)
    amplitude = min(request.amplitude * drawn["amplitude"], limits.MAX_AMPLITUDE)
    guidance = request.guidance_scale
    if "guidance_scale" in info.options:
        own = guidance if guidance is not None else _own_guidance(pipeline)
        guidance = None if own is None else round(own * drawn["guidance_scale"], 3)
    return replace(
        request,
        guidance_scale=guidance,
        speed=round(max(speed, limits.MIN_SPEED), 3),
        amplitude=round(max(amplitude, limits.MIN_AMPLITUDE), 3),
    )


def _own_guidance(pipeline: object) -> float | None:
    tells: Callable[..., dict[str, object]] | None = getattr(pipeline, "used", None)
    value = None if tells is None else tells(None, None, None).get("guidance_scale")
    return float(value) if isinstance(value, int | float) else None


def _seconds_to_make(request: Request, info: ModelInfo) -> float:
    """How long a motion the model is asked for, within its limits where that is not as asked."""
    if request.speed == 1.0 and not request.loop:
        return request.seconds
    longest = info.max_seconds or limits.MAX_SECONDS
    spare = LOOP_BLEND + LOOP_SPARE * request.seconds if request.loop else 0.0
    wanted = (request.seconds + spare) * request.speed
    return min(max(wanted, info.min_seconds, limits.MIN_SECONDS), longest)


def _part(
    report: Callable[[Progress], None], number: int, count: int
) -> Callable[[Progress], None]:
    """Progress of one of several runs as progress of all."""

    def tell(progress: Progress) -> None:
        step, total = progress.step + number * progress.total, progress.total * count
        report(replace(progress, step=step, total=total))

    return tell if count > 1 else report


# ---------------------------------------------------------------------------- after the model


def _shaped(motion: Motion, request: Request) -> Motion:
    """Tempo and reach; the length that was asked for, but for what a loop can spare."""
    data = motion.data
    if request.speed != 1.0:
        free = request.loop or request.estimate_length
        data = _paced(data, request.speed, None if free else round(request.seconds * MOTION_FPS))
    if request.amplitude != 1.0:
        from ..motion import limb_motion

        data = limb_motion.leaping(limb_motion.scaled(data, _REACHING, request.amplitude),
                                   request.amplitude)  # fmt: skip
    told = {
        name: getattr(request, name)
        for name in ("speed", "amplitude")
        if getattr(request, name) != 1.0
    }
    return motion if not told and data is motion.data else _told(motion, data, **told)


def _paced(data: np.ndarray, speed: float, frames: int | None) -> np.ndarray:
    from ..motion.timing import retimed

    wanted = max(1, round(len(data) / speed))
    if frames is not None and abs(wanted - frames) <= 1:
        wanted = frames
    return retimed(data, [(len(data), wanted)])[:frames]


def closed(motion: Motion, request: Request) -> Motion:
    """The motion as a loop, and above where it starts, if that is asked for."""
    if request.in_place:
        from ..motion.edits import in_place

        motion = _told(motion, in_place(motion.data), in_place=True)
    return _looped(motion, request) if request.loop else motion


def _looped(motion: Motion, request: Request) -> Motion:
    from ..motion.looping import best_cut, make_loop

    length = len(motion.data) / motion.fps
    blend = min(LOOP_BLEND, 0.2 * length)
    least = min(LOOP_LEAST * request.seconds, length - blend - 1.0 / motion.fps)
    start, stop = best_cut(motion.data, motion.fps, least, blend)
    loop = make_loop(motion.data[start:stop], blend, motion.fps)
    turn = math.remainder(loop.turn, math.tau)
    note = {"turn": round(turn, 4), "step": [round(float(v), 4) for v in loop.step]}
    found = _told(motion, loop.data, loop=note)
    if abs(turn) <= _TURN:
        return found
    text = f"Each repetition of the loop turns by {abs(math.degrees(turn)):.0f} degrees."
    return Motion(
        found.data, found.fps,
        {**found.meta, "warnings": [*map(str, found.meta.get("warnings", ())), text]},
    )  # fmt: skip


def _told(motion: Motion, data: np.ndarray, **what: object) -> Motion:
    """A changed motion that says in ``meta["finish"]`` what was done."""
    before = motion.meta.get("finish")
    finish = {**before, **what} if isinstance(before, dict) else what
    return Motion(
        data.astype(np.float32, copy=False), motion.fps, {**motion.meta, "finish": finish}
    )
