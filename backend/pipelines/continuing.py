"""Takes that go on, or get a new middle, with a model that reads motion tokens.

What is given stays as it is; what the model writes is put where the given part ends (or between its
quarters), and joined in pose and speed as edits are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..diffusion.loop import StepCallback
from ..errors import FormatError, InvalidRequest
from ..motion import convert, seams
from ..motion.representations import hml263, motion135
from ..motion.resample import resample_motion135
from ..text.motion_prompts import FRAMES_PER_TOKEN
from ..wire.messages import Motion, Request
from ..wire.skeleton import NUM_JOINTS
from . import hml263_output
from .editing import Kept, assemble, ground_under
from .motiongpt_answers import Answer
from .trained_lengths import MAX_FRAMES

FPS = hml263.SPEC.fps
READ_FRAMES = MAX_FRAMES
"""Of a clip that shall go on, the model reads at most so many frames, the last ones: no motion that
it learnt from was longer."""
SHORTEST_QUARTER = FRAMES_PER_TOKEN
"""Frames that each end of a clip must have for its middle to be made anew."""


class ContinuingModel(Protocol):
    """What a pipeline offers for this (MotionGPT does)."""

    config: Any

    def continue_motions(self, clips: Sequence[np.ndarray], **options: Any) -> list[Answer]:
        """What follows clips ``[T, 263]``."""

    def complete_motions(self, clips: Sequence[np.ndarray], **options: Any) -> list[Answer]:
        """New middles of clips ``[T, 263]``."""

    def decode_motions(self, ids: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """Clips of tokens."""


@dataclass(frozen=True)
class Drawing:
    """How the model draws, and what is done to the new part.

    Attributes:
        seed: take ``i`` of ``takes`` uses ``seed + i``.
        greedy: always the likeliest token; all takes are then the same.
        share: how much of the motion, from its beginning, is kept and gone on from.
        longest_seconds: cut the part that follows to this; the model decides when None.
        foot_lock: keep standing feet of the new part in place.
        on_step: ``on_step(done, total)`` at every token; it may raise ``Cancelled``.
    """

    seed: int = 0
    takes: int = 1
    greedy: bool = False
    share: float = 1.0
    longest_seconds: float | None = None
    foot_lock: bool = True
    on_step: StepCallback | None = None

    def __post_init__(self) -> None:
        # the limits of seeds and numbers of takes are those of requests
        Request("go on", seed=self.seed, samples=self.takes).validated()
        if not 0.0 < self.share <= 1.0:
            raise InvalidRequest(f"The share is {self.share:g}.", "Choose above 0 and up to 1.")
        if self.longest_seconds is not None and not self.longest_seconds * FPS >= 1:
            raise InvalidRequest(
                f"A new part of {self.longest_seconds:g} seconds is none.",
                f"Choose {1 / FPS:g} or more.",
            )

    @property
    def asked(self) -> dict[str, Any]:
        """Options of the model's methods."""
        return {"seed": self.seed, "greedy": self.greedy, "on_step": self.on_step}


@dataclass(frozen=True)
class Take:
    """One take: its motion, or None where the model wrote none; ``warnings`` say why."""

    motion: Motion | None
    warnings: tuple[str, ...]


def go_on(model: ContinuingModel, motion: Motion, how: Drawing) -> list[Take]:
    """Let a motion go on where it ends.

    Args:
        motion: motion_135 at any frame rate, which the takes keep.

    Returns:
        Takes that begin with the kept frames, unchanged.

    Raises:
        FormatError: too little is kept for the model to read.
    """
    data = motion135.SPEC.check(motion.data)
    data = data[: max(1, round(how.share * len(data)))]
    clip = _readable(data, motion.fps, FRAMES_PER_TOKEN)
    start = len(clip) - min(len(clip), READ_FRAMES) // FRAMES_PER_TOKEN * FRAMES_PER_TOKEN
    given = len(clip) - start
    longest = None if how.longest_seconds is None else given + round(how.longest_seconds * FPS)
    takes = []
    answers = model.continue_motions([clip[start:]] * how.takes, **how.asked)
    for index, answer in enumerate(answers):
        if answer.fallback or len(answer.features) <= given:
            takes.append(_nothing(answer))
            continue
        made = _rendered(answer.features[:longest], motion.fps)
        # the model's first frame is the given clip's frame number `start` at 20 fps
        made = _held(made, before=round(start / FPS * motion.fps))
        new = max(1, len(made) - len(data))
        made = _held(made, after=max(0, len(data) + new - len(made)))
        whole = np.concatenate([data, made[len(data) :]])
        kept = np.arange(len(whole)) < len(data)
        note = {"seed": how.seed + index, "continued": {"kept_frames": len(data)}}
        joined = _joined(whole, made, kept, motion.fps, how.foot_lock)
        takes.append(_take(model, motion, joined, answer, note))
    return takes


def new_middle(model: ContinuingModel, motion: Motion, how: Drawing) -> list[Take]:
    """Make the middle half of a motion anew between its first and its last quarter.

    Args:
        motion: motion_135 at any frame rate, which the takes keep.

    Returns:
        Takes that begin and end with the quarters, unchanged. Where the model wrote too little, the
        middle is shorter, with a warning.

    Raises:
        InvalidRequest: longer than what the model answers.
        FormatError: too short for the model to read.
    """
    data = motion135.SPEC.check(motion.data)
    clip = _readable(data, motion.fps, 4 * SHORTEST_QUARTER)
    if len(clip) > READ_FRAMES:
        raise InvalidRequest(
            f"The motion has {len(data) / motion.fps:.1f} seconds; the model fills motions of up "
            f"to {READ_FRAMES / FPS:g}.",
            "Cut it, or fill a gap with a diffusion model: kinetype edit --keep-frames.",
        )
    quarter = len(clip) // 4
    first, last = (round(n / FPS * motion.fps) for n in (quarter, 3 * quarter))
    takes = []
    answers = model.complete_motions([clip] * how.takes, **how.asked)
    for index, answer in enumerate(answers):
        made = None if answer.fallback else model.decode_motions([answer.ids])[0][: len(clip)]
        if made is None or len(made) <= quarter:
            takes.append(_nothing(answer))
            continue
        # its own rendering of the quarters stands beside its middle, so that seams are seen
        missing = round(max(0, 3 * quarter - len(made)) / FPS * motion.fps)
        whole = np.concatenate([data[: last - missing], data[last:]])
        kept = np.ones(len(whole), bool)
        kept[first : last - missing] = False
        if kept.all():
            takes.append(_nothing(answer))
            continue
        shown = _rendered(made, motion.fps)
        shown = _held(shown, after=max(0, len(whole) - len(shown)))[: len(whole)]
        ranges = [list(r) for r in seams.kept_stretches(kept)]
        note = {"seed": how.seed + index, "in_between": {"kept_frames": ranges}}
        joined = _joined(whole, shown, kept, motion.fps, how.foot_lock)
        takes.append(_take(model, motion, joined, answer, note))
    return takes


def _readable(data: np.ndarray, fps: float, shortest: int) -> np.ndarray:
    """The model's features of a motion ``[T, 263]`` at 20 fps."""
    # one pose more than the features have: theirs tell how one pose becomes the next
    if len(data) / fps * FPS < shortest + 1:
        raise FormatError(
            f"A motion of {len(data) / fps:.2f} seconds is too short for the model to read.",
            f"Give {(shortest + 1) / FPS:g} seconds or more.",
        )
    return convert.motion135_to_hml263(data, fps)


def _rendered(features: np.ndarray, fps: float) -> np.ndarray:
    request = Request("go on", seconds=len(features) / FPS)
    [motion] = hml263_output.to_motions([features], request, [{}])
    return resample_motion135(motion.data, motion.fps, fps)


def _held(data: np.ndarray, before: int = 0, after: int = 0) -> np.ndarray:
    return np.pad(data, ((before, after), (0, 0)), mode="edge")


def _nothing(answer: Answer) -> Take:
    wrote = "no motion" if answer.fallback else "too little to make a motion of"
    return Take(None, (f"The model wrote {wrote}.",))


def _joined(
    whole: np.ndarray, made: np.ndarray, kept: np.ndarray, fps: float, foot_lock: bool
) -> np.ndarray:
    """Put the model's rendering where ``whole`` is not ``kept``; all of them ``[T, ...]``."""
    chosen = Kept(kept, np.zeros(NUM_JOINTS, bool))
    root, rotations = motion135.unpack(made.astype(np.float64))
    root[:, 1] += ground_under(whole, chosen)
    return assemble(whole, (root, rotations), chosen, fps, seams.BLEND_SECONDS, foot_lock)


def _take(
    model: ContinuingModel, before: Motion, data: np.ndarray, answer: Answer, note: dict[str, Any]
) -> Take:
    meta = {
        **before.meta,
        **note,
        "tokens": list(answer.ids),
        "warnings": list(answer.warnings),
        "licence": model.config.licence,
    }
    return Take(Motion(data, before.fps, meta), answer.warnings)
