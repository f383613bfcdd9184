"""Takes that go on, or get a new middle, with a model that reads motions.

MotionGPT reads and writes motion tokens; a prefix-completion model (DiP) goes on from the last
frames, as a prompt tells, and so does a model that edits (:mod:`extending`). What is given stays
as it is; what the model makes is put where the given part ends (or between its quarters), and
joined in pose and speed as edits are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

import numpy as np

from ...diffusion.loop import StepCallback
from ...errors import FormatError, InvalidRequest
from ...motion import convert, seams
from ...motion.representations import hml263, motion135
from ...motion.resample import resample_motion135
from ...text.motion_prompts import FRAMES_PER_TOKEN
from ...wire import limits
from ...wire.messages import Motion, Request
from ...wire.skeleton import MOTION_FPS, NUM_JOINTS
from ..calls import part_of
from ..humanml3d import output
from ..humanml3d.lengths import MAX_FRAMES
from .edit import EditingModel, Kept, assemble, before, ground_under, origin_of
from .extending import extended

if TYPE_CHECKING:
    from ..motiongpt.answers import Answer

ContinuesBy = Literal["tokens", "prefix", "editing"]
"""How a pipeline goes on from a motion: :class:`TokenModel`, :class:`Planner`,
:class:`.edit.EditingModel`. It says so in ``continues_by``."""
FPS = hml263.SPEC.fps
READ_FRAMES = MAX_FRAMES
"""Of a clip that shall go on, the model reads at most so many frames, the last ones: no motion that
it learnt from was longer."""
SHORTEST_QUARTER = FRAMES_PER_TOKEN
"""Frames that each end of a clip must have for its middle to be made anew."""


class TokenModel(Protocol):
    """What MotionGPT offers for this."""

    config: Any

    def continue_motions(self, clips: Sequence[np.ndarray], **options: Any) -> list[Answer]:
        """What follows clips ``[T, 263]``."""

    def complete_motions(self, clips: Sequence[np.ndarray], **options: Any) -> list[Answer]:
        """New middles of clips ``[T, 263]``."""

    def decode_motions(self, ids: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """Clips of tokens."""


class Planner(Protocol):
    """What a prefix-completion model offers for this."""

    config: Any
    net: object

    def complete_prefixes(
        self, captions: Sequence[str], lengths: Sequence[int], **options: Any
    ) -> list[np.ndarray]:
        """What follows prefixes."""


@dataclass(frozen=True)
class Drawing:
    """How the model draws, and what is done to the new part.

    Attributes:
        prompt: what happens next; the motion alone decides where empty (a :class:`TokenModel` reads
            none).
        seed: take ``i`` of ``takes`` uses ``seed + i``.
        greedy: always the likeliest token (:class:`TokenModel`); all takes are then the same.
        share: how much of the motion, from its beginning, is kept and gone on from.
        longest_seconds: how long the part that follows is at most. When None, a
            :class:`TokenModel` decides, and another model makes the length of a default request.
        foot_lock: keep standing feet of the new part in place.
        guidance_scale, sampler, steps: the model's own when None (a :class:`TokenModel` has none).
        on_step: ``on_step(done, total)`` at every token; it may raise ``Cancelled``.
    """

    prompt: str = ""
    seed: int = 0
    takes: int = 1
    greedy: bool = False
    share: float = 1.0
    longest_seconds: float | None = None
    foot_lock: bool = True
    guidance_scale: float | None = None
    sampler: str | None = None
    steps: int | None = None
    on_step: StepCallback | None = None

    def __post_init__(self) -> None:
        # the limits are those of requests
        Request(
            self.prompt.strip() or "go on",
            seed=self.seed,
            samples=self.takes,
            guidance_scale=self.guidance_scale,
            sampler=self.sampler,
            steps=self.steps,
        ).validated()
        if not 0.0 < self.share <= 1.0:
            raise InvalidRequest(f"The share is {self.share:g}.", "Choose above 0 and up to 1.")
        shortest, longest = limits.MIN_SECONDS_ADDED, limits.MAX_SECONDS
        if self.longest_seconds is not None and not shortest <= self.longest_seconds <= longest:
            raise InvalidRequest(
                f"A new part cannot have {self.longest_seconds:g} seconds.",
                f"Choose from {shortest:g} to {longest:g}.",
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


def go_on(model: TokenModel | Planner | EditingModel, motion: Motion, how: Drawing) -> list[Take]:
    """Let a motion go on where it ends.

    Args:
        motion: motion_135 at any frame rate, which the takes keep.

    Returns:
        Takes that begin with the kept frames, unchanged.

    Raises:
        InvalidRequest: the model has no prompt, or no likeliest token.
        FormatError: too little is kept for the model to read.
    """
    data = motion135.SPEC.check(motion.data)
    data = data[: max(1, round(how.share * len(data)))]
    way = cast(Any, model).continues_by
    if way == "editing":
        return _extended(model, Motion(data, motion.fps, motion.meta), how)
    make = {"tokens": _written, "prefix": _planned}[way]
    replies = make(model, data, motion.fps, how)
    params = _params(model, how)
    takes = []
    for index, reply in enumerate(replies):
        if reply.features is None:
            takes.append(Take(None, reply.warnings))
            continue
        made = _rendered(reply.features, motion.fps)
        # the model's first frame is the given clip's frame number `start` at 20 fps
        made = _held(made, before=round(reply.start / FPS * motion.fps))
        new = max(1, len(made) - len(data))
        made = _held(made, after=max(0, len(data) + new - len(made)))
        whole = np.concatenate([data, made[len(data) :]])
        kept = np.arange(len(whole)) < len(data)
        note = {
            **reply.note,
            "seed": how.seed + index,
            "params": {**params, "seconds": round((len(whole) - len(data)) / motion.fps, 3)},
            "continued": {"kept_frames": len(data), **_before(motion)},
        }
        joined = _joined(whole, made, kept, motion.fps, how.foot_lock)
        takes.append(_take(motion, joined, note, reply.warnings))
    return takes


def _extended(model: object, motion: Motion, how: Drawing) -> list[Take]:
    """Of a model that edits."""
    _refuse_greedy(how)
    seconds = limits.DEFAULT_SECONDS if how.longest_seconds is None else how.longest_seconds
    more = max(1, round(seconds * motion.fps))
    takes = []
    for index in range(how.takes):
        made = extended(
            model,
            motion,
            how.prompt,
            more,
            seed=how.seed + index,
            guidance_scale=how.guidance_scale,
            sampler=how.sampler,
            steps=how.steps,
            foot_lock=how.foot_lock,
            on_step=part_of(how.on_step, index, how.takes),
        )
        note = {"continued": {"kept_frames": len(motion.data), **_before(motion)}}
        takes.append(Take(Motion(made.data, made.fps, {**made.meta, **note}), ()))
    return takes


def _refuse_greedy(how: Drawing) -> None:
    if how.greedy:
        raise InvalidRequest("This model writes no tokens: none is the likeliest.", "Leave it out.")


@dataclass(frozen=True)
class _Reply:
    """What a model made: features ``[T, 263]`` from frame ``start`` of what it was given, and on;
    None where there is nothing new."""

    features: np.ndarray | None
    start: int = 0
    note: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def _written(model: Any, data: np.ndarray, fps: float, how: Drawing) -> list[_Reply]:
    """Of a :class:`TokenModel`."""
    if how.prompt.strip():
        raise InvalidRequest(
            "This model goes on from a motion alone; it reads no prompt with it.",
            "Leave the prompt out, or use a diffusion model: starter, an MDM or a DiP.",
        )
    clip = _readable(data, fps, FRAMES_PER_TOKEN)
    start = len(clip) - min(len(clip), READ_FRAMES) // FRAMES_PER_TOKEN * FRAMES_PER_TOKEN
    given = len(clip) - start
    longest = None if how.longest_seconds is None else given + round(how.longest_seconds * FPS)
    replies = []
    for answer in model.continue_motions([clip[start:]] * how.takes, **how.asked):
        if answer.fallback or len(answer.features) <= given:
            replies.append(_Reply(None, warnings=_nothing(answer)))
            continue
        note = {"tokens": list(answer.ids)}
        replies.append(_Reply(answer.features[:longest], start, note, answer.warnings))
    return replies


def _planned(model: Any, data: np.ndarray, fps: float, how: Drawing) -> list[_Reply]:
    """Of a :class:`Planner`."""
    _refuse_greedy(how)
    prompt = how.prompt.strip()
    seconds = limits.DEFAULT_SECONDS if how.longest_seconds is None else how.longest_seconds
    clip = _readable(data, fps, max(1, model.net.config.context_len))
    start = len(clip) - min(len(clip), READ_FRAMES)
    made = model.complete_prefixes(
        [prompt] * how.takes,
        [round(seconds * FPS)] * how.takes,
        prefixes=clip,
        seed=how.seed,
        guidance_scale=how.guidance_scale if prompt else 0.0,
        sampler=how.sampler,
        steps=how.steps,
        on_step=how.on_step,
    )
    note = {"prompt": prompt}
    return [_Reply(np.concatenate([clip[start:], new]), start, note) for new in made]


def new_middle(model: TokenModel, motion: Motion, how: Drawing) -> list[Take]:
    """Make the middle half of a motion anew between its first and its last quarter.

    Args:
        motion: motion_135 at any frame rate, which the takes keep.

    Returns:
        Takes that begin and end with the quarters, unchanged. Where the model wrote too little, the
        middle is shorter, with a warning.

    Raises:
        InvalidRequest: longer than what the model fills, or a prompt.
        FormatError: too short for the model to read.
    """
    data = motion135.SPEC.check(motion.data)
    clip = _readable(data, motion.fps, 4 * SHORTEST_QUARTER)
    if how.prompt.strip():
        raise InvalidRequest("A new middle has no prompt.", "Leave it out, or use kinetype edit.")
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
            takes.append(Take(None, _nothing(answer)))
            continue
        # its own rendering of the quarters stands beside its middle, so that seams are seen
        missing = round(max(0, 3 * quarter - len(made)) / FPS * motion.fps)
        whole = np.concatenate([data[: last - missing], data[last:]])
        kept = np.ones(len(whole), bool)
        kept[first : last - missing] = False
        if kept.all():
            takes.append(Take(None, _nothing(answer)))
            continue
        shown = _rendered(made, motion.fps)
        shown = _held(shown, after=max(0, len(whole) - len(shown)))[: len(whole)]
        ranges = [list(r) for r in seams.kept_stretches(kept)]
        note = {
            "tokens": list(answer.ids),
            "seed": how.seed + index,
            "params": {**_params(model, how), "seconds": round(len(whole) / motion.fps, 3)},
            "in_between": {"kept_frames": ranges, **_before(motion)},
        }
        joined = _joined(whole, shown, kept, motion.fps, how.foot_lock)
        takes.append(_take(motion, joined, note, answer.warnings))
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
    data, _ = output.rigged(features, Request("go on", seconds=len(features) / FPS))
    return resample_motion135(data, MOTION_FPS, fps)


def _held(data: np.ndarray, before: int = 0, after: int = 0) -> np.ndarray:
    return np.pad(data, ((before, after), (0, 0)), mode="edge")


def _nothing(answer: Answer) -> tuple[str, ...]:
    wrote = "no motion" if answer.fallback else "too little to make a motion of"
    return (f"The model wrote {wrote}.",)


def _joined(
    whole: np.ndarray, made: np.ndarray, kept: np.ndarray, fps: float, foot_lock: bool
) -> np.ndarray:
    """Put the model's rendering where ``whole`` is not ``kept``; all of them ``[T, ...]``."""
    chosen = Kept(kept, np.zeros(NUM_JOINTS, bool))
    root, rotations = motion135.unpack(made.astype(np.float64))
    root[:, 1] += ground_under(whole, chosen)
    return assemble(whole, (root, rotations), chosen, fps, seams.BLEND_SECONDS, foot_lock)


def _params(model: Any, how: Drawing) -> dict[str, Any]:
    """The settings of a take as they were used."""
    used = model.used(how.guidance_scale if how.prompt else 0.0, how.steps, how.sampler)
    return {**used, "greedy": True} if how.greedy else used


def _before(given: Motion) -> dict[str, object]:
    told = before(given)
    return {"before": told} if told else {}


def _take(
    given: Motion, data: np.ndarray, note: dict[str, object], warnings: tuple[str, ...]
) -> Take:
    meta = {**origin_of(given), "prompt": "", **note, "warnings": list(warnings)}
    return Take(Motion(data, given.fps, meta), warnings)
